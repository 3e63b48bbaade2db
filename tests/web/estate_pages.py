"""The estate's alarm budget and objectives; partly hostile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.web import content

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident
from stormpetrel.model.page import Page, PageAccount, PageDecision
from stormpetrel.model.page_view import BudgetView, PageRecord, PageWeek, SloView, TierRoom
from stormpetrel.model.time import from_seconds

_HOUR = from_seconds(3600)
_WEEK = from_seconds(7 * 86_400)
MONDAY = 1_773_014_400_000_000_000  # 2026-03-09


class PageEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False
    incidents: dict[str, Incident]

    def alarm_budget(self) -> BudgetView:
        tiers = (
            TierRoom(Severity.CRITICAL, 5, 2, 0.0),
            TierRoom(Severity.ERROR, 4, 1, 7.4),
            TierRoom(Severity.WARNING, 3, 0, 10.0),
        )
        if self.empty:
            weeks = tuple(PageWeek(MONDAY - k * _WEEK, 0, 0, 0, 0) for k in reversed(range(8)))
            return BudgetView(5, 0, 0, tiers, weeks, ())
        counts = ((3, 0, 0, 9), (5, 0, 0, 14), (2, 1, 0, 4), (4, 0, 0, 31), (5, 0, 1, 22), (1, 0, 0, 3))
        weeks = tuple(
            PageWeek(MONDAY - (len(counts) - k) * _WEEK, *numbers) for k, numbers in enumerate(counts)
        )
        records = tuple(
            PageRecord(one.incident_id, one.sentence, one.severity, one.state, one.start_unix_nano, one.page)
            for one in self.incidents.values()
            if one.page is not None and one.page.decision is not PageDecision.NOT_A_CANDIDATE
        )
        return BudgetView(5, 3, 5, tiers, (*weeks, PageWeek(MONDAY, 3, 1, 0, 2)), records)

    def slos(self) -> list[SloView]:
        if self.empty:
            return []
        hours = np.arange(240)
        left = 1.0 - 0.0008 * hours - 0.45 / (1 + np.exp(-(hours - 180) / 4.0))
        ends = tuple((content.NOW // _HOUR * _HOUR - (239 - hours) * _HOUR).tolist())
        burning = SloView(
            "checkout-availability", 0.999, 30.0, 41_204_117.0, 20_602.0, float(left[-1]), ("14.4x", "6x"),
            ('http_requests_total{job="checkout"}', 'http_errors_total{job="checkout"}'), ends,
            tuple(left.tolist()),
        )  # fmt: skip
        unknown = SloView("search-latency", 0.95, 7.0, 0.0, 0.0, float("nan"), (), (content.HOSTILE,), (), ())
        return [burning, unknown]

    def page_incident(self, incident_id: str, by: Caller, note: str = "") -> Incident:
        if incident_id not in self.incidents:
            raise NotFoundError(f"there is no incident {incident_id}")
        incident = self.incidents[incident_id]
        if incident.page is not None and incident.page.decision is PageDecision.PAGED:
            raise StateError(f"incident {incident_id} was paged already")
        page = Page(PageDecision.PAGED, PageAccount.BY_HAND, content.NOW, f"paged by {by.name}: {note}")
        self.incidents[incident_id] = replace(incident, page=page)
        return self.incidents[incident_id]
