"""The alarm budget as it is shown: what was promised, what was realised, and every decision."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.page import Page


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One line of the list of pages: the incident in short, and its decision."""

    incident_id: str
    sentence: str
    severity: Severity
    state: IncidentState
    start_unix_nano: int
    page: Page


@dataclass(frozen=True, slots=True)
class TierRoom:
    """What one severity may still spend.

    Attributes:
        tier: the severity.
        limit: pages in all that may be used in any seven days when one of it is the last.
        left: pages it may send now.
        bar: the strength asked of it now; 0 where none is asked.
    """

    tier: Severity
    limit: int
    left: int
    bar: float


@dataclass(frozen=True, slots=True)
class PageWeek:
    """One week, Monday to Sunday UTC: pages by account, and what was held back."""

    start_unix_nano: int
    budget: int
    slo: int
    by_hand: int
    held: int


@dataclass(frozen=True, slots=True)
class BudgetView:
    """The page *Alarm budget*.

    Attributes:
        per_week: pages promised in any seven days, at most.
        used: pages on the budget in the last seven days.
        fullest: the most pages on the budget in any seven days of what is remembered.
        tiers: room by severity, worst first.
        weeks: realised against promised, oldest first.
        records: paged and held incidents of the last weeks, strongest first within each decision.
    """

    per_week: int
    used: int
    fullest: int
    tiers: tuple[TierRoom, ...]
    weeks: tuple[PageWeek, ...]
    records: tuple[PageRecord, ...]


@dataclass(frozen=True, slots=True)
class SloView:
    """One objective as it is shown.

    Attributes:
        name: its name.
        target: share that has to be good.
        window_days: length of its window.
        total, errors: trials and failures of the window, as far as known.
        left_ratio: share of the error budget that is left; below 0 when it is overspent, NaN when no trial
            is known.
        firing: alerts that fire now, for example "14.4x".
        selectors: the series it rests on.
        hour_unix_nano, hour_left_ratio: the burn-down: what was left at the end of each hour.
    """

    name: str
    target: float
    window_days: float
    total: float
    errors: float
    left_ratio: float
    firing: tuple[str, ...]
    selectors: tuple[str, ...]
    hour_unix_nano: tuple[int, ...]
    hour_left_ratio: tuple[float, ...]
