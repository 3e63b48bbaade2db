"""The use-cases of the alarm budget and of objectives."""

from __future__ import annotations

import numpy as np

from stormpetrel.app import access as rules
from stormpetrel.app.parts import Parts
from stormpetrel.detect.slo_count import MINUTE_NANOS
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.incident import Incident
from stormpetrel.model.page import PageAccount, PageDecision
from stormpetrel.model.page_view import BudgetView, PageRecord, PageWeek, SloView
from stormpetrel.model.time import from_seconds

_WEEK = from_seconds(7 * 86_400)
_DAY = from_seconds(86_400)
_WEEKS = 8
_LISTED = 500
_HOUR_MINUTES = 60
_MOST_HOURS = 720


class PageUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    def __init__(self, parts: Parts) -> None:
        self._is = parts

    def alarm_budget(self) -> BudgetView:
        """The page *Alarm budget*."""
        now = self._is.clock.now_unix_nano()
        budget = self._is.pipeline.budget
        records = self._is.control.list_pages(since_unix_nano=now - _WEEKS * _WEEK, limit=5000)
        order = {decision: place for place, decision in enumerate(PageDecision)}
        shown = sorted(
            (one for one in records if one.page.time_unix_nano > now - _WEEK),
            key=lambda r: (order[r.page.decision], -r.page.tier, -r.page.strength, r.incident_id),
        )
        return BudgetView(
            per_week=self._is.config.pages.per_week,
            used=budget.ledger.used(now),
            fullest=budget.ledger.fullest(),
            tiers=budget.rooms(now),
            weeks=_weeks(records, now),
            records=tuple(shown[:_LISTED]),
        )

    def slos(self) -> list[SloView]:
        """Objectives, and what is left of their error budgets."""
        views = []
        for objective, whole, all_hours, firing in self._is.pipeline.slos.statuses():
            hours = all_hours[-_MOST_HOURS:]
            allowed = objective.allowed * float(hours[:, 0].sum())
            left = 1.0 - np.cumsum(hours[:, 1]) / allowed if allowed > 0 else np.full(len(hours), np.nan)
            newest = self._is.pipeline.slos.newest_minute(objective.name) // _HOUR_MINUTES
            ends = [(newest - len(hours) + 2 + k) * _HOUR_MINUTES * MINUTE_NANOS for k in range(len(hours))]
            views.append(
                SloView(
                    name=objective.name,
                    target=objective.target,
                    window_days=objective.window_days,
                    total=whole.total,
                    errors=whole.errors,
                    left_ratio=float(left[-1]) if len(left) else float("nan"),
                    firing=tuple(finding.head for finding in firing),
                    selectors=tuple(one.text for one in objective.selectors.values()),
                    hour_unix_nano=tuple(ends),
                    hour_left_ratio=tuple(left.tolist()),
                )
            )
        return views

    def page_incident(self, incident_id: str, by: Caller, note: str = "") -> Incident:
        """A responder pages what was held; outside the budget."""
        rules.require(by, Role.RESPONDER)
        return self._is.judge.page(incident_id, by.name, note[:500])


def _weeks(records: list[PageRecord], now: int) -> tuple[PageWeek, ...]:
    """The last weeks, Monday to Sunday UTC; the epoch was a Thursday."""
    monday = (now - 4 * _DAY) // _WEEK * _WEEK + 4 * _DAY
    weeks = []
    for back in reversed(range(_WEEKS)):
        start = monday - back * _WEEK
        pages = [one.page for one in records if start <= one.page.time_unix_nano < start + _WEEK]
        paid = [page.account for page in pages if page.decision is PageDecision.PAGED]
        weeks.append(
            PageWeek(
                start,
                paid.count(PageAccount.BUDGET),
                paid.count(PageAccount.SLO),
                paid.count(PageAccount.BY_HAND),
                sum(page.decision is PageDecision.HELD for page in pages),
            )
        )
    return tuple(weeks)
