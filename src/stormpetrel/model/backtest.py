"""Backtests: what other settings would have told about a stored past, beside the present ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormpetrel.model.job import JobState


@dataclass(frozen=True, slots=True)
class ToldIncident:
    """An incident that a replay opened; `other` is its counterpart under the other settings, or empty."""

    incident_id: str
    sentence: str
    severity: int
    entities: tuple[str, ...]
    start_unix_nano: int
    end_unix_nano: int
    findings: int
    other: str = ""
    paged: bool = False  # it would have woken somebody
    kept: bool = False  # the live system told of it too: there is a page of this id


@dataclass(frozen=True, slots=True)
class WeekCount:
    """Incidents of one week (it begins on a Monday, UTC) under both settings, and the pages among them."""

    start_unix_nano: int
    today: int
    changed: int
    today_pages: int = 0
    changed_pages: int = 0


@dataclass(frozen=True, slots=True)
class Backtest:
    """One backtest, with its result when it is done.

    Attributes:
        settings: what was asked to be different; `today_settings` the present values of the same names.
        progress_ratio: 0 to 1.
        error: why it failed; empty else.
        today, changed: incidents that began in the range, oldest first, at most some hundreds of each;
            `left_out` is how many more there are.
    """

    backtest_id: str
    state: JobState
    actor: str
    created_unix_nano: int
    start_unix_nano: int
    end_unix_nano: int
    settings: Mapping[str, float]
    today_settings: Mapping[str, float]
    progress_ratio: float = 0.0
    error: str = ""
    samples: int = 0
    log_records: int = 0
    seconds: float = 0.0
    today: tuple[ToldIncident, ...] = ()
    changed: tuple[ToldIncident, ...] = ()
    left_out: int = 0
    weeks: tuple[WeekCount, ...] = field(default_factory=tuple)

    @property
    def pages(self) -> tuple[int, int]:
        """Pages that today's and the changed settings would have sent."""
        return sum(week.today_pages for week in self.weeks), sum(week.changed_pages for week in self.weeks)

    @property
    def open(self) -> bool:
        """Whether it still has something to do."""
        return self.state.open


@dataclass(frozen=True, slots=True)
class Tunable:
    """A setting that a backtest may change, with its present value and its bounds."""

    name: str
    section: str
    meaning: str
    value: float
    whole: bool
