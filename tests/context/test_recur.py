"""Occurrences against other implementations, and on the nights when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from dateutil.rrule import DAILY, WEEKLY, rrule
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.context.times import BERLIN, at, entry, shown

from stormpetrel.context.recur import (
    RecurrenceError,
    check_cron,
    check_zone,
    cron_starts,
    every_starts,
    nanos_of,
    occurrences,
    wall_clock,
)
from stormpetrel.model.calendar import Cron, Every, Listed, Once
from stormpetrel.model.time import Window, from_seconds

zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
moments = st.integers(at("2020-01-01"), at("2030-01-01")).map(lambda nanos: nanos // 10**9 * 10**9)
crons = st.sampled_from(
    ["*/5 * * * *", "30 2 * * *", "0 */6 * * *", "15 3 * * 0", "0 0 1 * *", "30 2 * * 1-5", "0 1-3 * * *"]
)


@settings(deadline=None)
@given(expression=crons, zone=zones, start=moments, hours=st.integers(1, 900))
def test_cron_is_cronsim_in_the_zone(expression: str, zone: str, start: int, hours: int) -> None:
    window = Window(start, start + from_seconds(3600 * hours))
    found = list(cron_starts(Cron(expression, zone, 60.0), window))
    simulation = CronSim(expression, datetime.fromtimestamp(start / 1e9, ZoneInfo(zone)) - timedelta(days=2))
    expected = []
    for moment in simulation:
        if nanos_of(moment) >= window.end_unix_nano:
            break
        if nanos_of(moment) >= start:
            expected.append(nanos_of(moment))
    # At a change, how cronsim orders what it catches up depends on where it began to count.
    assert sorted(set(found)) == sorted(set(expected))


@given(start=moments, days=st.integers(1, 60), offset=st.integers(0, 86_399), weekly=st.booleans())
def test_days_and_weeks_in_utc_are_those_of_rrule(start: int, days: int, offset: int, weekly: bool) -> None:
    day = 4 if weekly else 0
    rule = Every(604_800.0 if weekly else 86_400.0, day * 86_400.0 + offset, "UTC", 60.0)
    window = Window(start, start + from_seconds(86_400 * days))
    first = datetime(2019, 12, 30, tzinfo=UTC) + timedelta(days=day, seconds=offset)
    if first >= datetime(2020, 1, 1, tzinfo=UTC):
        first -= timedelta(days=7 if weekly else 1)
    found = rrule(WEEKLY if weekly else DAILY, dtstart=first).between(
        datetime.fromtimestamp(start / 1e9, UTC),
        datetime.fromtimestamp(window.end_unix_nano / 1e9, UTC),
        inc=True,
    )
    expected = [nanos_of(moment) for moment in found if nanos_of(moment) < window.end_unix_nano]
    assert list(every_starts(rule, window)) == expected


@given(start=moments, minutes=st.sampled_from([1, 2, 5, 15, 60, 360]), offset=st.integers(0, 59))
def test_short_periods_are_even(start: int, minutes: int, offset: int) -> None:
    rule = Every(60.0 * minutes, float(offset), "Europe/Berlin", 10.0)
    found = list(every_starts(rule, Window(start, start + from_seconds(86_400))))
    period = from_seconds(60 * minutes)
    assert all((one - from_seconds(offset)) % period == 0 for one in found)
    assert len(found) == 1440 // minutes


@given(moment=moments, zone=zones)
def test_a_wall_clock_is_shown_or_lies_in_a_gap(moment: int, zone: str) -> None:
    naive = datetime.fromtimestamp(moment / 1e9, UTC).replace(tzinfo=None)
    found = wall_clock(naive, ZoneInfo(zone))
    seen = found.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if seen != naive:  # the gap's end: a second before it, the clocks showed less than was asked
        before = (found.astimezone(UTC) - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
        assert before.replace(tzinfo=None) < naive < seen


@pytest.mark.parametrize("rule", [Cron("30 2 * * *", "Europe/Berlin", 600.0),
                                  Every(86_400.0, 9000.0, "Europe/Berlin", 600.0)])  # fmt: skip
def test_a_job_at_half_past_two_on_the_nights_of_the_change(rule: Cron | Every) -> None:
    spring = Window(at("2026-03-28", BERLIN), at("2026-03-31", BERLIN))
    autumn = Window(at("2026-10-24", BERLIN), at("2026-10-27", BERLIN))
    said = [[shown(o.start_unix_nano) for o in occurrences(entry(rule), w)] for w in (spring, autumn)]
    assert said[0] == ["03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"]
    assert said[1] == ["10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_occurrences_that_reach_into_the_window_are_its() -> None:
    window = Window(100, 200)
    listed = entry(Listed(((50, 100), (60, 101), (199, 300))))
    assert [o.start_unix_nano for o in occurrences(listed, window)] == [
        60, 199,
    ]  # fmt: skip
    assert len(occurrences(entry(Once(0, 10**18)), window)) == 1
    assert occurrences(entry(Once(200, 300)), window) == []
    long = Every(86_400.0, 0.0, "UTC", 7200.0)
    day = at("2026-05-05")
    assert len(occurrences(entry(long), Window(day + from_seconds(3600), day + from_seconds(3601)))) == 1


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "hello"])
def test_bad_cron_expressions_say_so(expression: str) -> None:
    with pytest.raises(RecurrenceError, match=r"cron expression|comes true"):
        check_cron(expression)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "x" * 300])
def test_bad_zones_say_so(name: str) -> None:
    with pytest.raises(RecurrenceError, match="time zone"):
        check_zone(name)
