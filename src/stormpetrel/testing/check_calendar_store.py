"""The calendar's part of the contract of `ports.control.ControlStore`; `check_control_store` has the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from stormpetrel.errors import NotFoundError
from stormpetrel.model.calendar import (
    OPEN_END,
    CalendarEntry,
    Cron,
    Decided,
    Decision,
    EntryKind,
    Every,
    Listed,
    Once,
    Watch,
)
from stormpetrel.testing.check_control_store import MakeControlStore
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_samples import ODD_TEXT


def calendar_entries_come_back(make_store: MakeControlStore) -> None:
    """Every sort of entry whole and exact, also after a restart; given again, replaced; deleted once."""
    store = make_store()
    equal(store.list_entries(), [])
    entries = [
        CalendarEntry("b", EntryKind.FREEZE, ODD_TEXT.replace("\x00", ""), ("*",), Once(5, OPEN_END), "page"),
        CalendarEntry(
            "a", EntryKind.EXPECTED_JOB, "Backup", ("host:a", '{job="b"}'),
            Cron("0 2 * * *", "Europe/Berlin", 1800.5), "api", True, Watch("b", ("m{}",), 1.5, 2.5), "jo", 7,
        ),
        CalendarEntry(
            "c", EntryKind.EXPECTED_JOB, "c", ("*",), Every(120.0, 0.1 + 0.2, "UTC", 3.0), "learned",
            created_unix_nano=8,
        ),
        CalendarEntry(
            "d", EntryKind.HOLIDAY, "d", ("*",), Listed(((1, 2), (3, 4))), "page", created_unix_nano=9
        ),
    ]  # fmt: skip
    for entry in reversed(entries):
        store.save_entry(entry)
    store.close()
    store = make_store()
    equal(store.list_entries(), entries)
    changed = dataclasses.replace(entries[0], title="another", recurrence=Once(5, 6), created_unix_nano=99)
    store.save_entry(changed)
    store.delete_entry("a")
    equal(store.list_entries(), [*entries[2:], changed])
    try:
        store.delete_entry("a")
    except NotFoundError:
        refused = True
    else:
        refused = False
    require(refused, "an entry that is not there cannot be deleted")
    store.close()


def decisions_stay(make_store: MakeControlStore) -> None:
    """Newest first, one for each proposal, also after a restart."""
    store = make_store()
    first = Decided("p1", "host:a", 86_400.0, 7200.25, Decision.REJECTED, "jo", 5)
    second = Decided("p2", "host:b", 60.0, 0.5, Decision.ACCEPTED, "jo", 6)
    for decided in (first, second, dataclasses.replace(first, decision=Decision.OPEN, decided_unix_nano=7)):
        store.save_decision(decided)
    store.close()
    store = make_store()
    equal([(d.proposal_id, d.decision) for d in store.list_decisions()],
          [("p1", Decision.OPEN), ("p2", Decision.ACCEPTED)])  # fmt: skip
    equal(store.list_decisions()[1], second)
    store.close()


CALENDAR_CHECKS: tuple[Callable[[MakeControlStore], None], ...] = (calendar_entries_come_back, decisions_stay)
