"""Memory that is never given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_WARN
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line

_ROOM_BYTES = 9e9  # what the host has left for it


@dataclass(frozen=True, slots=True)
class MemoryLeak(Fault):
    """A process of checkout grows by some 8 MB a second until the host's memory is used up."""

    name: ClassVar[str] = "memory-leak"
    sentence: ClassVar[str] = "the checkout process on web-1 leaks memory"
    cause: ClassVar[CauseClass] = CauseClass.SATURATION
    default_host: ClassVar[str] = "web-1"

    @property
    def entity(self) -> str:
        """The service whose process grows; its host only has less left."""
        return "service:checkout"

    def apply(self, conditions: Conditions) -> None:
        """More memory used, ever more."""
        leaked = 8e6 * self.magnitude * self.active_seconds(conditions.ticks)
        conditions.memory_bytes[self.target] += np.minimum(leaked, _ROOM_BYTES)

    def lines(self) -> tuple[Line, ...]:
        """Long pauses of the collector."""
        body = "garbage collection paused for {millis} ms"
        return (Line("checkout", self.target, SEVERITY_WARN, body, 0.2 * self.magnitude),)
