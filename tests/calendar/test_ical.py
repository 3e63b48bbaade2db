"""iCalendar: recurrences, exceptions, zones, whole days; bounded and refused with a reason."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.context.times import BERLIN, at, shown

from stormpetrel.adapters.calendar.ical import (
    MAX_BYTES,
    CalendarSourceError,
    IcalDefaults,
    horizon,
    read_ical,
)
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Listed
from stormpetrel.model.time import Window

DEFAULTS = IcalDefaults("team", EntryKind.MAINTENANCE, ("host:a",), BERLIN)
SPRING = Window(at("2026-03-27"), at("2026-04-03"))


def calendar(*events: str) -> bytes:
    inner = "".join(
        f"BEGIN:VEVENT\nUID:u{n}\nDTSTAMP:20260101T000000Z\n{text}\nEND:VEVENT\n"
        for n, text in enumerate(events)
    )
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{inner}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def spans(entry: CalendarEntry) -> list[str]:
    assert isinstance(entry.recurrence, Listed)
    return [f"{shown(start)} for {(end - start) // 60_000_000_000}" for start, end in entry.recurrence.spans]


def test_a_rule_with_an_exception_across_the_change_of_the_clocks() -> None:
    (entry,) = read_ical(
        calendar(
            "SUMMARY:Backup\nDTSTART;TZID=Europe/Berlin:20260301T040000\nDTEND;TZID=Europe/Berlin:20260301T050000\n"
            "RRULE:FREQ=DAILY\nEXDATE;TZID=Europe/Berlin:20260330T040000\nCATEGORIES:Expected Job"
        ),
        DEFAULTS, SPRING,
    )  # fmt: skip
    assert (entry.kind, entry.title, entry.scopes, entry.train) == (
        EntryKind.EXPECTED_JOB, "Backup", ("host:a",), True,
    )  # fmt: skip
    assert spans(entry) == [
        "03-27 04:00 +0100 for 60", "03-28 04:00 +0100 for 60", "03-29 04:00 +0200 for 60",
        "03-31 04:00 +0200 for 60", "04-01 04:00 +0200 for 60", "04-02 04:00 +0200 for 60",
        "04-03 04:00 +0200 for 60",
    ][: len(spans(entry))]  # fmt: skip
    assert len(spans(entry)) == 6


def test_whole_days_and_floating_times_are_those_of_the_zone() -> None:
    entries = read_ical(
        calendar("DTSTART;VALUE=DATE:20260329", "DTSTART:20260330T080000\nDURATION:PT90M\nSUMMARY:x",
                 "DTSTART:20260401T080000Z\nDTEND:20260401T090000Z\nSTATUS:CANCELLED"),
        DEFAULTS, SPRING,
    )  # fmt: skip
    assert [spans(entry) for entry in entries] == [
        [f"03-29 00:00 +0100 for {23 * 60}"], ["03-30 08:00 +0200 for 90"],
    ]  # fmt: skip
    assert entries[0].title == "maintenance"


def test_scopes_of_its_own() -> None:
    (entry,) = read_ical(
        calendar('DTSTART:20260330T080000Z\nX-STORM-PETREL-SCOPE:host:db-1\nX-STORM-PETREL-SCOPE:{job="x"}'),
        DEFAULTS, SPRING,
    )  # fmt: skip
    assert entry.scopes == ("host:db-1", '{job="x"}')


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"hello", "cannot be read as iCalendar"),
        (b"", "cannot be read as iCalendar"),
        (b"x" * (MAX_BYTES + 1), "MiB"),
        (calendar("DTSTART:20260301T000000Z\nRRULE:FREQ=SECONDLY"), "seconds or minutes"),
        (calendar("DTSTART:20260301T000000Z\nRRULE:FREQ=\n MINUTELY"), "seconds or minutes"),
    ],
)
def test_what_cannot_be_used_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(CalendarSourceError, match=reason):
        read_ical(body, DEFAULTS, SPRING)


LINES = [
    line.encode("latin-1") + b"\r\n"
    for line in (
        "BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "DTSTART:20260328T000000Z",
        "DTSTART;VALUE=DATE:20260328", "DTEND:19000101T000000Z", "RRULE:FREQ=DAILY;COUNT=3", "UID:a",
        "RRULE:FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=2", "SUMMARY:\xff\xfe", "DURATION:P-1D", "\x00",
        "DTSTART;TZID=Mars/Olympus:20260328T000000", "EXDATE:x", "RECURRENCE-ID:20260328T000000Z",
    )
]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(LINES), max_size=14))
def test_any_text_gives_entries_or_a_reason(lines: list[bytes]) -> None:
    try:
        entries = read_ical(b"".join(lines), DEFAULTS, SPRING)
    except CalendarSourceError:
        return  # anything else that is raised fails the test
    assert all(isinstance(entry.recurrence, Listed) for entry in entries)


def test_the_horizon_moves_by_days() -> None:
    noon = at("2026-05-05T12:00")
    assert horizon(noon) == horizon(noon + 10**12)
    assert horizon(noon).start_unix_nano == at("2026-05-02")
    assert datetime.fromtimestamp(horizon(noon).end_unix_nano / 1e9, ZoneInfo("UTC")).month == 7
