"""A scheduled job that nobody expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_INFO
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class RogueCron(Fault):
    """A job of cron on the database's host reads whole tables: its processors are busy, queries wait."""

    name: ClassVar[str] = "rogue-cron"
    sentence: ClassVar[str] = "a job of cron on db-1 reads whole tables; queries wait"
    cause: ClassVar[CauseClass] = CauseClass.JOB
    default_host: ClassVar[str] = "db-1"

    @property
    def entity(self) -> str:
        """The host it runs on."""
        return f"host:{self.target}"

    def apply(self, conditions: Conditions) -> None:
        """The processors are busy, queries wait a little."""
        level = self.level(conditions.ticks, 5.0)
        conditions.cpu_ratio[self.target] += 0.5 * self.magnitude * level
        conditions.database_slowdown *= 1.0 + 1.5 * self.magnitude * level

    def lines(self) -> tuple[Line, ...]:
        """Cron says what it starts."""
        body = "CRON[{count}]: (root) CMD (/opt/report/export-all-tables part {count})"
        return (Line("", self.target, SEVERITY_INFO, body, 0.1 * self.magnitude),)
