"""The estate's calendar: everything that the page can show; partly hostile."""

from __future__ import annotations

from dataclasses import replace

from tests.web import content
from tests.web.content import HOSTILE

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.calendar import (
    OPEN_END,
    CalendarEntry,
    CalendarView,
    Cron,
    Decision,
    EntryDraft,
    EntryKind,
    EntrySource,
    Every,
    JobSignal,
    JobView,
    Listed,
    Occurrence,
    Once,
    Proposal,
    Run,
    Watch,
)
from stormpetrel.model.time import from_seconds

MINUTE, HOUR, DAY = from_seconds(60), from_seconds(3600), from_seconds(86_400)
NOW = content.NOW

WINDOW = CalendarEntry(
    "e1", EntryKind.MAINTENANCE, "Database upgrade", ("host:db-1", '{job="postgres"}'),
    Once(NOW - 20 * MINUTE, NOW + 40 * MINUTE), "page", created_by="rob",
)  # fmt: skip
ENTRIES = (
    WINDOW,
    CalendarEntry(
        "e2", EntryKind.FREEZE, content.HOSTILE, ("*",), Once(NOW - DAY, OPEN_END), "api", created_by="ci"
    ),
    CalendarEntry(
        "job:backup", EntryKind.EXPECTED_JOB, "Nightly backup", ("host:backup-1",),
        Cron("0 2 * * *", "Europe/Berlin", 1800.0), "config", True, Watch("backup", (), 300.0, 600.0),
    ),
    CalendarEntry(
        "team:42", EntryKind.MAINTENANCE, "Network provider", ("host:edge-*",),
        Listed(((NOW + 2 * DAY, NOW + 2 * DAY + 3 * HOUR), (NOW + 9 * DAY, NOW + 9 * DAY + HOUR))), "team",
    ),
    CalendarEntry(
        "holidays:DE:x", EntryKind.HOLIDAY, "Christmas Day", ("*",),
        Listed(((NOW + 3 * DAY, NOW + 4 * DAY),)), "holidays", True,
    ),
)  # fmt: skip


def runs(period: int, count: int, length: int, missing: tuple[int, ...] = ()) -> tuple[Run, ...]:
    starts = [NOW - HOUR - period * back for back in range(count - 1, -1, -1)]
    return tuple(
        Run(start + (n % 3) * MINUTE // 4, start + length + (n % 4) * length // 20, 0.4)
        for n, start in enumerate(starts)
        if n not in missing
    )


PROPOSALS = (
    Proposal(
        "p1", "host:batch-1", "daily job at 02:00 UTC", Every(86_400.0, 7200.0, "UTC", 1800.0), (4, 2),
        (content.SERIES[4].text(), content.SERIES[2].text()), 7, 7, 4e-11, 1920.0, 1200.0, True,
        runs(DAY, 9, 30 * MINUTE),
    ),
    Proposal(
        "p2", "service:checkout", "job every 10 minutes", Every(600.0, 0.0, "UTC", 20.0), (4,),
        (content.SERIES[4].text(),), 6, 8, 3e-8, 24.0, 50.0, False,
        runs(10 * MINUTE, 8, 20 * 10**9, (2, 5, 6)),
        unknown=(1,),
    ),
    Proposal(
        "p3", "host:db-1", "weekly job on Sunday at 03:30 UTC", Every(604_800.0, 531_000.0, "UTC", 7200.0),
        (2,), (content.SERIES[2].text(),), 4, 4, 2e-9, 7400.0, 1200.0, False, runs(7 * DAY, 4, 2 * HOUR),
        Decision.REJECTED,
    ),
)  # fmt: skip
JOBS = (
    JobView(
        "job:backup", "Nightly backup", "host:backup-1", "missing", NOW - HOUR, NOW + 23 * HOUR, 1800.0, None
    ),
    JobView(
        "p1", "daily job at 02:00 UTC", "host:batch-1", "ran", NOW - 6 * HOUR, NOW + 18 * HOUR, 1800.0,
        Run(NOW - 6 * HOUR, NOW - 6 * HOUR + 29 * MINUTE, 0.3),
    ),
    JobView("j3", content.HOSTILE, "service:checkout", "unknown", 0, 0, 20.0, None),
)  # fmt: skip
SOURCES = (
    EntrySource("configuration", "config", 1),
    EntrySource("made here", "page", 2),
    EntrySource("team", "ical", 1, NOW - 9 * MINUTE, ""),
    EntrySource("provider", "ical", 0, NOW - DAY, f"https://example.org/a.ics answered 503 {HOSTILE}"),
)


class CalendarEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False

    def __init__(self) -> None:
        self.drafts: list[tuple[EntryDraft, str, str]] = []
        self.changed: list[tuple[str, EntryDraft]] = []
        self.ended: list[str] = []
        self.decided: list[tuple[str, Decision]] = []
        self.told: list[tuple[str, JobSignal, str]] = []

    def calendar(self) -> CalendarView:
        if self.empty:
            return CalendarView(NOW, (), (), (), SOURCES[:2], (), (), 0, 0)
        coming = (
            Occurrence(ENTRIES[2], NOW + 16 * HOUR, NOW + 16 * HOUR + 30 * MINUTE),
            Occurrence(ENTRIES[3], NOW + 2 * DAY, NOW + 2 * DAY + 3 * HOUR),
            Occurrence(ENTRIES[4], NOW + 3 * DAY, NOW + 4 * DAY),
        )
        current = (
            Occurrence(WINDOW, NOW - 20 * MINUTE, NOW + 40 * MINUTE),
            Occurrence(ENTRIES[1], NOW - DAY, OPEN_END),
        )
        return CalendarView(NOW, current, coming, ENTRIES, SOURCES, JOBS, PROPOSALS, 3, 41, "Europe/Berlin")

    def add_entry(self, draft: EntryDraft, source: str, by: Caller) -> CalendarEntry:
        if not draft.title.strip():
            raise StateError("a title has 1 to 200 printable characters")
        self.drafts.append((draft, source, by.name))
        return replace(WINDOW, entry_id="e9", title=draft.title, recurrence=draft.recurrence, source=source)

    def change_entry(self, entry_id: str, draft: EntryDraft, by: Caller) -> CalendarEntry:
        self._known(entry_id)
        self.changed.append((entry_id, draft))
        return replace(WINDOW, title=draft.title)

    def end_entry(self, entry_id: str, by: Caller) -> None:
        self._known(entry_id)
        self.ended.append(entry_id)

    def _known(self, entry_id: str) -> None:
        if entry_id not in {entry.entry_id for entry in ENTRIES}:
            raise NotFoundError("that entry was not made here: end it where it comes from")

    def decide_proposal(self, proposal_id: str, decision: Decision, by: Caller) -> None:
        self.decided.append((proposal_id, decision))

    def tell_job(self, name: str, signal: JobSignal, by: Caller) -> None:
        self.told.append((name, signal, by.name))
