"""A file system that fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stormpetrel.model.signal import SEVERITY_WARN
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line

_ROOM_BYTES = 2.4e11  # what the disk has left for it


@dataclass(frozen=True, slots=True)
class DiskFilling(Fault):
    """Something writes 200 MB a second on the database's disk until it is full."""

    name: ClassVar[str] = "disk-filling"
    sentence: ClassVar[str] = "the disk of db-1 fills by 200 MB a second"
    default_host: ClassVar[str] = "db-1"

    @property
    def entity(self) -> str:
        """The host."""
        return f"host:{self.target}"

    def apply(self, conditions: Conditions) -> None:
        """More disk used, ever more."""
        written = 2e8 * self.magnitude * self.active_seconds(conditions.ticks)
        conditions.disk_bytes[self.target] += np.minimum(written, _ROOM_BYTES)

    def lines(self) -> tuple[Line, ...]:
        """The kernel's and the database's complaints."""
        body = "archive directory holds {count} segments, archiver is behind"
        return (Line("orders-db", self.target, SEVERITY_WARN, body, 0.1 * self.magnitude),)
