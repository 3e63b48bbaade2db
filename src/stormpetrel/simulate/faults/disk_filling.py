"""A file system that fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_WARN
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line

_ROOM_BYTES = 2.4e11  # what the disk has left for it


@dataclass(frozen=True, slots=True)
class DiskFilling(Fault):
    """The database's archive grows by 200 MB a second, since nobody takes it away, until its disk is full."""

    name: ClassVar[str] = "disk-filling"
    sentence: ClassVar[str] = "the archive of orders-db fills the disk of db-1 by 200 MB a second"
    cause: ClassVar[CauseClass] = CauseClass.SATURATION
    default_host: ClassVar[str] = "db-1"

    @property
    def entity(self) -> str:
        """The database that keeps it; its host only has less left."""
        return "service:orders-db"

    def apply(self, conditions: Conditions) -> None:
        """More disk used, ever more."""
        written = 2e8 * self.magnitude * self.active_seconds(conditions.ticks)
        conditions.disk_bytes[self.target] += np.minimum(written, _ROOM_BYTES)

    def lines(self) -> tuple[Line, ...]:
        """The database's complaints."""
        body = "archive directory holds {count} segments, archiver is behind"
        return (Line("orders-db", self.target, SEVERITY_WARN, body, 0.1 * self.magnitude),)
