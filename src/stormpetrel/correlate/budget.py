"""The stage after correlation: which incidents wake somebody. Pages stay under the budget by construction.

An incident is looked at again with every change of it, and every minute while it is open. It is paged
when its evidence reaches the learned bar of its tier and the ledger has room; otherwise it is held, with
the reason, and may be paged later when it grows, or by a person. A page is final. Objectives page on an
account of their own.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stormpetrel.correlate.page_bar import PageBar
from stormpetrel.correlate.page_ledger import TIERS, Allowance, PageLedger
from stormpetrel.correlate.page_words import describe, held_for_room, paged_why
from stormpetrel.correlate.strength import Strength, strength_of
from stormpetrel.model.finding import FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState, TimelineEntry
from stormpetrel.model.page import Page, PageAccount, PageDecision
from stormpetrel.model.page_view import PageRecord, TierRoom
from stormpetrel.model.time import from_seconds

# Evidence this strong is ranked as worse than its findings say; see `strength`:
# a fleet of ten thousand makes 10^8 tests a week. One signal alone comes to 12 at most.
STRONG, OVERWHELMING = 10.0, 12.5
# Nothing weaker is a candidate at all, whatever room there is.
FAINT = 3.0
_REMEMBERED = 5000
_REVISIT_NANOS = from_seconds(60)


@dataclass(frozen=True, slots=True)
class _Told:
    incident_id: str
    time_unix_nano: int
    tier: Severity


class PageBudget:
    """Decides pages. Pure: the same incidents in the same order give the same decisions.

    Args:
        allowance: how many pages, and what of them is kept for whom.
        repeat_seconds: an incident that repeats one paged less than this before is folded into it.
    """

    def __init__(self, allowance: Allowance, repeat_seconds: float = 4 * 3600.0) -> None:
        self.ledger = PageLedger(allowance)
        self._bar = PageBar()
        self._repeat = from_seconds(repeat_seconds)
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._revisited = 0

    def restore(self, records: Iterable[PageRecord]) -> None:
        """Take over earlier decisions: pages sent, and how strong candidates were. Any order will do."""
        ordered = sorted(records, key=lambda r: (r.page.time_unix_nano, r.incident_id))
        for record in ordered:
            page = record.page
            if page.rank:
                self._bar.note(record.incident_id, page.time_unix_nano, page.strength)
            if page.decision is PageDecision.PAGED:
                self._remember(record.incident_id, _Told(record.incident_id, page.time_unix_nano, page.tier))
        self.ledger.restore(
            record.page.time_unix_nano for record in ordered if record.page.account is PageAccount.BUDGET
        )

    def update(self, incidents: Sequence[Incident], now_unix_nano: int) -> list[Incident]:
        """Decide on changed incidents, strongest first; all of them come back, in their order."""
        self._bar.forget(now_unix_nano)
        weighed = {one.incident_id: strength_of(one.findings, now_unix_nano) for one in incidents}
        order = sorted(
            incidents,
            key=lambda one: (
                -tier_of(one, weighed[one.incident_id].value),
                -weighed[one.incident_id].value,
                one.start_unix_nano,
                one.incident_id,
            ),
        )
        decided = {
            one.incident_id: self._decided(one, weighed[one.incident_id], now_unix_nano) for one in order
        }
        return [decided[one.incident_id] for one in incidents]

    def revisit(self, incidents: Iterable[Incident], now_unix_nano: int) -> list[Incident]:
        """Time passed: of the incidents that are held and not over, those that are paged now.

        What lasts grows stronger, and room comes back. Once a minute; O(incidents).
        """
        if abs(now_unix_nano - self._revisited) < _REVISIT_NANOS:
            return []
        self._revisited = now_unix_nano
        held = [
            one
            for one in incidents
            if one.page is not None
            and one.page.decision is PageDecision.HELD
            and one.state is not IncidentState.RESOLVED
        ]
        decided = self.update(held, now_unix_nano)
        return [one for one in decided if one.page is not None and one.page.decision is PageDecision.PAGED]

    def by_hand(self, incident: Incident, now_unix_nano: int, actor: str, note: str = "") -> Incident:
        """A person pages an incident that was held; outside the budget, and counted apart."""
        strength = strength_of(incident.findings, now_unix_nano).value
        reason = f"paged by {actor}" + (f": {note}" if note else "")
        before = incident.page
        page = Page(
            PageDecision.PAGED,
            PageAccount.BY_HAND,
            now_unix_nano,
            reason,
            tier_of(incident, strength),
            strength,
            0.0,
            before.rank if before else 0,
        )
        self._remember(incident.incident_id, _Told(incident.incident_id, now_unix_nano, page.tier))
        return _with(incident, page, now_unix_nano, actor)

    def rooms(self, now_unix_nano: int) -> tuple[TierRoom, ...]:
        """What each severity may still spend, worst first; may be asked from another thread."""
        rows = []
        for tier in TIERS:
            room = max(0, self.ledger.room(now_unix_nano, tier))
            limit = self.ledger.allowance.limit(tier)
            rows.append(TierRoom(tier, limit, room, self._asked(now_unix_nano, tier, room)))
        return tuple(reversed(rows))

    # ----------------------------------------------------------------------------------- deciding

    def _decided(self, incident: Incident, strength: Strength, now: int) -> Incident:
        before = incident.page
        if before is not None and before.decision is PageDecision.PAGED:
            return self._regarded(incident, before, strength)
        page = self._judge(incident, strength, now)
        if before is not None and before.decision is page.decision:
            page = dataclasses.replace(page, time_unix_nano=before.time_unix_nano)
        return _with(incident, page, now, "petrel")

    def _regarded(self, incident: Incident, page: Page, strength: Strength) -> Incident:
        """A paged incident that grew is ranked as what it is now."""
        tier = tier_of(incident, strength.value)
        if incident.incident_id not in self._told:  # it was paged together with another, and may be repeated
            self._remember(incident.incident_id, _Told(incident.incident_id, page.time_unix_nano, page.tier))
        if tier <= page.tier:
            return incident
        self._remember(incident.incident_id, _Told(incident.incident_id, page.time_unix_nano, tier))
        grown = dataclasses.replace(page, tier=tier, strength=max(page.strength, strength.value))
        self._bar.note(incident.incident_id, page.time_unix_nano, grown.strength)
        return dataclasses.replace(incident, page=grown)

    def _judge(self, incident: Incident, strength: Strength, now: int) -> Page:
        burning = [f for f in incident.findings if f.detector == "slo" and f.state is FindingState.OPEN]
        urgent = [f for f in burning if (f.attributes or {}).get("page") == "yes"]
        tier = tier_of(incident, strength.value)
        if urgent:
            self._remember(incident.incident_id, _Told(incident.incident_id, now, tier))
            worst = max(urgent, key=lambda f: (f.severity, f.finding_id))
            reason = f"{worst.title}: objectives page outside the budget"
            return Page(PageDecision.PAGED, PageAccount.SLO, now, reason, tier, strength.value)
        over = incident.state is IncidentState.RESOLVED or all(
            f.state is FindingState.CLOSED for f in incident.findings
        )
        if over:
            return incident.page or _no_candidate(now, strength, tier, "over before anything was decided")
        if strength.signals == 0:
            return _no_candidate(now, strength, tier, "a slow burn is a ticket, not a page")
        if strength.value < FAINT and tier < Severity.CRITICAL:
            return _no_candidate(now, strength, tier, f"strength {strength.value:.1f} is below {FAINT:.0f}")
        return self._weigh(incident, strength, tier, now)

    def _weigh(self, incident: Incident, strength: Strength, tier: Severity, now: int) -> Page:
        rank = self._bar.rank(strength.value, now)
        room = self.ledger.room(now, tier)
        bar = self._asked(now, tier, room)
        self._bar.note(incident.incident_id, now, strength.value)

        def held(reason: str) -> Page:
            return Page(PageDecision.HELD, PageAccount.NONE, now, reason, tier, strength.value, bar, rank)

        told = self._told.get(incident.follows)
        if told is not None and abs(now - told.time_unix_nano) < self._repeat and tier <= told.tier:
            self._remember(incident.incident_id, told)
            return held(f"repeats {told.incident_id}, which was paged less than {self._repeat_text()} before")
        if room <= 0:
            return held(held_for_room(tier, self.ledger.allowance, self.ledger.next_free(now, tier)))
        if strength.value < bar:
            return held(f"{describe(strength)} is below the bar of {bar:.1f}")
        self.ledger.write(now, tier)
        self._remember(incident.incident_id, _Told(incident.incident_id, now, tier))
        reason = paged_why(strength, bar, rank, tier)
        return Page(PageDecision.PAGED, PageAccount.BUDGET, now, reason, tier, strength.value, bar, rank)

    def _asked(self, now: int, tier: Severity, room: int) -> float:
        """The bar of a tier: what is critical has none."""
        if tier >= Severity.CRITICAL:
            return 0.0
        return self._bar.bar(now, self.ledger.allowance.limit(tier), room)

    def _remember(self, incident_id: str, told: _Told) -> None:
        self._told[incident_id] = told
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    def _repeat_text(self) -> str:
        return f"{self._repeat / 3_600_000_000_000:g} h"


def tier_of(incident: Incident, strength: float) -> Severity:
    """The severity an incident is ranked as: evidence beyond doubt raises it."""
    if incident.severity >= Severity.CRITICAL or strength >= OVERWHELMING:
        return Severity.CRITICAL
    if incident.severity >= Severity.ERROR or strength >= STRONG:
        return Severity.ERROR
    return Severity.WARNING


def _no_candidate(now: int, strength: Strength, tier: Severity, reason: str) -> Page:
    return Page(PageDecision.NOT_A_CANDIDATE, PageAccount.NONE, now, reason, tier, strength.value)


def _with(incident: Incident, page: Page, now: int, actor: str) -> Incident:
    """The incident with its decision; the timeline tells when that changes, not how the strength grew."""
    before = incident.page
    timeline = incident.timeline
    if (before is None or before.decision is not page.decision) and (
        page.decision is not PageDecision.NOT_A_CANDIDATE
    ):
        word = "paged" if page.decision is PageDecision.PAGED else "held"
        text = page.reason if page.reason.startswith("paged by") else f"{word}: {page.reason}"
        entry = TimelineEntry(now, "page", text, actor)
        timeline = tuple(sorted((*timeline, entry), key=lambda e: e.time_unix_nano))
    return dataclasses.replace(incident, page=page, timeline=timeline)
