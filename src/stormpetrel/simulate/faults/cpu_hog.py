"""A runaway process on one host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault


@dataclass(frozen=True, slots=True)
class CpuHog(Fault):
    """A process takes most of a host's processors; what serves from that host gets slower."""

    name: ClassVar[str] = "cpu-hog"
    sentence: ClassVar[str] = "a runaway process takes the processors of web-1"
    cause: ClassVar[CauseClass] = CauseClass.SATURATION
    default_host: ClassVar[str] = "web-1"

    @property
    def entity(self) -> str:
        """The host."""
        return f"host:{self.target}"

    def apply(self, conditions: Conditions) -> None:
        """More processor time used."""
        conditions.cpu_ratio[self.target] += 0.5 * self.magnitude * self.level(conditions.ticks, 5.0)
