"""A provider that does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_ERROR
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class DependencyOutage(Fault):
    """The payment provider does not answer: checkout waits for it until it gives up."""

    name: ClassVar[str] = "dependency-outage"
    sentence: ClassVar[str] = "the payment provider does not answer; checkout waits and fails"
    cause: ClassVar[CauseClass] = CauseClass.DEPENDENCY

    @property
    def entity(self) -> str:
        """The service that depends on it."""
        return "service:checkout"

    def apply(self, conditions: Conditions) -> None:
        """Requests take long, and many fail."""
        level = self.level(conditions.ticks, 5.0)
        conditions.error_ratio += 0.3 * self.magnitude * level
        conditions.slowdown *= 1.0 + 8.0 * self.magnitude * level

    def lines(self) -> tuple[Line, ...]:
        """Who does not answer."""
        body = "payment provider unreachable: upstream timed out after {millis} ms, order {order}"
        return tuple(
            Line("checkout", host, SEVERITY_ERROR, body, 4.0 * self.magnitude) for host in ("web-1", "web-2")
        )
