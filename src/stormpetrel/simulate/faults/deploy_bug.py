"""A deploy that breaks part of the checkout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_ERROR
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class DeployBug(Fault):
    """A new version of checkout fails on some carts and is slower: right after its deploy record."""

    name: ClassVar[str] = "deploy-bug"
    sentence: ClassVar[str] = "a bad deploy of checkout: errors and latency rise right after it"
    cause: ClassVar[CauseClass] = CauseClass.DEPLOY
    default_host: ClassVar[str] = "web-1"

    @property
    def entity(self) -> str:
        """The service that was deployed."""
        return "service:checkout"

    def apply(self, conditions: Conditions) -> None:
        """More failing requests, slower work."""
        level = self.level(conditions.ticks)
        conditions.error_ratio += 0.12 * self.magnitude * level
        conditions.slowdown *= 1.0 + 1.2 * self.magnitude * level

    def lines(self) -> tuple[Line, ...]:
        """The exception of the new code."""
        body = "TypeError in apply_discount: unsupported operand NoneType, order {order}"
        return tuple(
            Line("checkout", host, SEVERITY_ERROR, body, 1.5 * self.magnitude) for host in ("web-1", "web-2")
        )
