"""A certificate that nobody renewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_ERROR
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class CertificateExpiry(Fault):
    """The certificate between checkout and its payment provider expired: payments fail at once."""

    name: ClassVar[str] = "certificate-expiry"
    sentence: ClassVar[str] = "a certificate of checkout expired: payments fail"
    cause: ClassVar[CauseClass] = CauseClass.CONFIGURATION

    @property
    def entity(self) -> str:
        """The service whose certificate it is."""
        return "service:checkout"

    def apply(self, conditions: Conditions) -> None:
        """A share of requests fails."""
        conditions.error_ratio += 0.25 * self.magnitude * self.level(conditions.ticks)

    def lines(self) -> tuple[Line, ...]:
        """What the library says of it."""
        body = "payment of order {order} failed: x509: certificate has expired or is not yet valid"
        return tuple(
            Line("checkout", host, SEVERITY_ERROR, body, 3.0 * self.magnitude) for host in ("web-1", "web-2")
        )
