"""Somebody tries passwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_WARN
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class Attack(Fault):
    """A few addresses try passwords and addresses that do not exist: more requests, most of them refused."""

    name: ClassVar[str] = "attack"
    sentence: ClassVar[str] = "somebody tries passwords of checkout: refused requests flood in"
    cause: ClassVar[CauseClass] = CauseClass.ATTACK

    @property
    def entity(self) -> str:
        """The service that is tried."""
        return "service:checkout"

    def apply(self, conditions: Conditions) -> None:
        """More requests, and many that fail."""
        level = self.level(conditions.ticks, 20.0)
        conditions.traffic *= 1.0 + 0.8 * self.magnitude * level
        conditions.error_ratio += 0.05 * self.magnitude * level

    def lines(self) -> tuple[Line, ...]:
        """Refused log-ins."""
        body = "failed password for invalid user, attempt {count} from one address, order {order}"
        return tuple(
            Line("checkout", host, SEVERITY_WARN, body, 4.0 * self.magnitude) for host in ("web-1", "web-2")
        )
