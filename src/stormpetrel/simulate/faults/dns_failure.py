"""Names that no longer resolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_ERROR
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class DnsFailure(Fault):
    """The resolver that checkout uses does not answer: requests wait for it, and many fail."""

    name: ClassVar[str] = "dns-failure"
    sentence: ClassVar[str] = "names do not resolve: checkout cannot find its payment provider"
    cause: ClassVar[CauseClass] = CauseClass.CONFIGURATION

    @property
    def entity(self) -> str:
        """The service that cannot find others."""
        return "service:checkout"

    def apply(self, conditions: Conditions) -> None:
        """Requests wait, and a share fails."""
        level = self.level(conditions.ticks)
        conditions.error_ratio += 0.2 * self.magnitude * level
        conditions.slowdown *= 1.0 + 4.0 * self.magnitude * level

    def lines(self) -> tuple[Line, ...]:
        """What does not resolve."""
        body = (
            "lookup payments.internal: temporary failure in name resolution after {millis} ms, order {order}"
        )
        return tuple(
            Line("checkout", host, SEVERITY_ERROR, body, 2.0 * self.magnitude) for host in ("web-1", "web-2")
        )
