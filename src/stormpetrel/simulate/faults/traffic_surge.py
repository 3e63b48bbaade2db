"""More customers than usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault


@dataclass(frozen=True, slots=True)
class TrafficSurge(Fault):
    """Traffic grows to two and a half times its usual within a minute; everything behind it follows."""

    name: ClassVar[str] = "traffic-surge"
    sentence: ClassVar[str] = "traffic to checkout grows to two and a half times the usual"
    cause: ClassVar[CauseClass] = CauseClass.SURGE

    @property
    def entity(self) -> str:
        """The service that is asked."""
        return "service:checkout"

    def apply(self, conditions: Conditions) -> None:
        """More requests asked for."""
        conditions.traffic *= 1.0 + 1.5 * self.magnitude * self.level(conditions.ticks, 60.0)
