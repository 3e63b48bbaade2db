"""Every layout, exactly, against datetime; zones, missing years, and what is no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.errors import ConfigError
from stormpetrel.ingest.timestamps import find_timestamp, parse_rfc3339, zone_named

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
BERLIN = zone_named("Europe/Berlin")
RECEIVED = datetime(2024, 11, 4, tzinfo=UTC)


def nanos(moment: datetime) -> int:
    """Exactly, unlike `timestamp()`."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000


def utc(*parts: int) -> int:
    """Year to second, and perhaps nanoseconds."""
    year, month, day, hour, minute, second, *more = parts
    return nanos(datetime(year, month, day, hour, minute, second, tzinfo=UTC)) + sum(more)


NOW = nanos(RECEIVED)


@pytest.mark.parametrize(
    ("line", "time", "rest"),
    [
        ("2024-01-02T03:04:05.678901234Z x", utc(2024, 1, 2, 3, 4, 5, 678901234), " x"),
        ("2024-01-02T03:04:05.6789012345Z x", utc(2024, 1, 2, 3, 4, 5, 678901234), " x"),
        ("2024-01-02t03:04:05z", utc(2024, 1, 2, 3, 4, 5), ""),
        ("2024-01-02 03:04:05,678 INFO", utc(2024, 1, 2, 3, 4, 5, 678000000), " INFO"),
        ("2024-01-02 03:04:05,678,9", utc(2024, 1, 2, 3, 4, 5), ",678,9"),
        ("[2024-01-02 03:04:05] x", utc(2024, 1, 2, 3, 4, 5), " x"),
        ('"2024-01-02 03:04:05", x', utc(2024, 1, 2, 3, 4, 5), ", x"),
        ("  (2024-01-02_03:04:05+0530) x", utc(2024, 1, 1, 21, 34, 5), " x"),
        ("2024-01-02T03:04:05-07 x", utc(2024, 1, 2, 10, 4, 5), " x"),
        ("2024-01-02 03:04:05.5 +0100 CET x", utc(2024, 1, 2, 2, 4, 5, 500000000), " CET x"),
        ("2024-01-02 03:04:05 -12 apples", utc(2024, 1, 2, 3, 4, 5), " -12 apples"),
        ("2024-01-02 03:04:05.678 UTC [1] LOG:", utc(2024, 1, 2, 3, 4, 5, 678000000), " [1] LOG:"),
        ("20240102T030405Z x", utc(2024, 1, 2, 3, 4, 5), " x"),
        ("2024/01/02 03:04:05.678901 main.go", utc(2024, 1, 2, 3, 4, 5, 678901000), " main.go"),
        ("2024/01/02 03:04:05 [error] 7#7: x", utc(2024, 1, 2, 3, 4, 5), " [error] 7#7: x"),
        ("[10/Oct/2000:13:55:36 -0700] x", utc(2000, 10, 10, 20, 55, 36), " x"),
        ("02 Jan 2024 03:04:05,678 INFO", utc(2024, 1, 2, 3, 4, 5, 678000000), " INFO"),
        ("02-Jan-2024 03:04:05.678 named", utc(2024, 1, 2, 3, 4, 5, 678000000), " named"),
        ("1:M 02 Jan 2024 03:04:05.678 * Ready", utc(2024, 1, 2, 3, 4, 5, 678000000), " * Ready"),
        ("Tue, 02 Jan 2024 03:04:05 GMT x", utc(2024, 1, 2, 3, 4, 5), " x"),
        ("[Tue Jan 02 03:04:05.678901 2024] [x]", utc(2024, 1, 2, 3, 4, 5, 678901000), " [x]"),
        ("Tue Jan  2 03:04:05 UTC 2024", utc(2024, 1, 2, 3, 4, 5), ""),
        ("Nov  3 14:02:11 web-1 su: x", utc(2024, 11, 3, 14, 2, 11), " web-1 su: x"),
        ("Nov 03 14:02:11.25 web-1", utc(2024, 11, 3, 14, 2, 11, 250000000), " web-1"),
        ("Nov 03 2023 14:02:11: %ASA", utc(2023, 11, 3, 14, 2, 11), ": %ASA"),
        ("*Mar  1 2024 00:00:01.123 UTC: %SYS", utc(2024, 3, 1, 0, 0, 1, 123000000), ": %SYS"),
        ("2024 Jan  2 03:04:05 CET: %ETH", utc(2024, 1, 2, 3, 4, 5), " CET: %ETH"),
        ("I0102 03:04:05.678901   12 a.go:1] x", utc(2024, 1, 2, 3, 4, 5, 678901000), "   12 a.go:1] x"),
        ("1704164645", utc(2024, 1, 2, 3, 4, 5), ""),
        ("1704164645.678901 x", utc(2024, 1, 2, 3, 4, 5, 678901000), " x"),
        ("1704164645678 x", utc(2024, 1, 2, 3, 4, 5, 678000000), " x"),
        ("1704164645678901 x", utc(2024, 1, 2, 3, 4, 5, 678901000), " x"),
        ("1704164645678901234 x", utc(2024, 1, 2, 3, 4, 5, 678901234), " x"),
        ("2024-06-30T23:59:60Z", utc(2024, 7, 1, 0, 0, 0), ""),
    ],
)  # fmt: skip
def test_layouts(line: str, time: int, rest: str) -> None:
    found = find_timestamp(line.encode(), UTC, NOW)
    assert found is not None
    assert found[0] == time
    assert line.encode()[found[1] :].decode() == rest


def test_the_common_log_format_keeps_its_start() -> None:
    line = b'10.0.0.9 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326'
    assert find_timestamp(line, UTC, NOW) == (utc(2000, 10, 10, 20, 55, 36), 0)


@pytest.mark.parametrize(
    "line",
    [
        "", " ", "[", "no time", "[   12.345678] usb 1-1: new", "[12345.678901] usb", "03:04:05 x",
        "Jan", "F", "I",
        "01/02/2024 03:04:05 x", "2024-13-02 03:04:05", "2024-02-30 03:04:05", "2024-01-02 25:04:05",
        "2024-01-02T03:04:05+24:00", "2024-01-02T03:04:61Z", "2024-01-02", "4155551234 called",
        "170416464 x", "17041646450 x", "0000000001 x", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "2262-04-12T00:00:00Z", "Foo  3 14:02:11", "Feb 30 14:02:11 x", "2024-01/02 03:04:05",
        "10.0.0.9 - frank [10/Foo/2000:13:55:36 -0700]", "\x00\x01\xff",
    ],
)  # fmt: skip
def test_what_is_no_time(line: str) -> None:
    assert find_timestamp(line.encode("latin-1"), UTC, NOW) is None


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2024-03-31 01:59:59", 0),  # winter
        ("2024-03-31 02:30:00", 1),  # skipped: counts as 03:30
        ("2024-03-31 03:30:00", 1),  # summer
        ("2024-10-27 01:59:59", -1),  # summer
        ("2024-10-27 03:00:00", 2),  # winter
    ],
)
def test_the_callers_zone_with_its_changes(text: str, hour: int) -> None:
    found = find_timestamp(text.encode(), BERLIN, NOW)
    assert found is not None
    day = nanos(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC))
    assert (found[0] - day) // (3600 * SECOND) == hour


def test_a_time_that_came_twice_is_the_nearer_one() -> None:
    line = b"Oct 27 02:30:00 x"
    first, second = utc(2024, 10, 27, 0, 30, 0), utc(2024, 10, 27, 1, 30, 0)
    assert find_timestamp(line, BERLIN, first + SECOND) == (first, 15)
    assert find_timestamp(line, BERLIN, second + SECOND) == (second, 15)
    assert find_timestamp(line, BERLIN, NOW) == (second, 15)


def test_a_zone_in_the_text_wins() -> None:
    assert find_timestamp(b"2024-10-27T02:30:00+02:00", BERLIN, NOW) == (utc(2024, 10, 27, 0, 30, 0), 25)


@pytest.mark.parametrize(
    ("received", "text", "year"),
    [
        ((2024, 1, 1, 0, 0, 5), "Dec 31 23:59:59", 2023),
        ((2023, 12, 31, 23, 59, 59), "Jan  1 00:00:30", 2024),
        ((2024, 11, 4, 0, 0, 0), "Nov  5 00:00:01", 2023),  # more than a day ahead
        ((2024, 11, 4, 0, 0, 0), "Nov  4 23:59:59", 2024),
        ((2024, 3, 1, 0, 0, 0), "Feb 29 12:00:00", 2024),
        ((2026, 3, 1, 0, 0, 0), "Feb 29 12:00:00", 2024),
        ((1970, 1, 2, 0, 0, 0), "Jan  1 12:00:00", 1970),
    ],
)
def test_a_missing_year(received: tuple[int, int, int, int, int, int], text: str, year: int) -> None:
    found = find_timestamp(text.encode(), UTC, utc(*received))
    assert found is not None
    assert datetime.fromtimestamp(found[0] // SECOND, UTC).year == year


MOMENTS = st.datetimes(datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2200-01-01"))


@given(MOMENTS, st.integers(0, 999_999_999), st.integers(-14 * 60, 14 * 60), st.sampled_from("Tt "))
def test_rfc3339_as_datetime_reads_it(wall: datetime, fraction: int, minutes: int, letter: str) -> None:
    moment = wall.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    text = moment.isoformat(letter)
    text = f"{text[:19]}.{fraction:09d}{text[19:]}"
    assert parse_rfc3339(text) == nanos(moment) + fraction
    found = find_timestamp(f"[{text}] x".encode(), BERLIN, NOW)
    assert found == (nanos(moment) + fraction, len(text) + 2)


@given(MOMENTS, st.sampled_from([UTC, BERLIN, zone_named("America/St_Johns"), zone_named("Pacific/Apia")]))
def test_wall_times_as_zoneinfo_reads_them(wall: datetime, zone: tzinfo) -> None:
    wall = wall.replace(microsecond=0)
    readings = {nanos(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)) for fold in (0, 1)}
    found = find_timestamp(wall.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0").encode(), zone, NOW)
    assert found is not None
    assert found[0] in readings


@given(MOMENTS, st.integers(0, 364 * 86_400))
def test_times_without_a_year_are_of_the_year_before_the_reception(wall: datetime, behind: int) -> None:
    received = nanos(wall.replace(microsecond=0, tzinfo=UTC))
    sent = received - behind * SECOND
    text = datetime.fromtimestamp(sent // SECOND, UTC).strftime("%b %e %H:%M:%S")
    found = find_timestamp(text.encode(), UTC, received)
    assert found is not None
    assert found[0] <= received + DAY
    # The same day and time of a year, and none nearer that is not too far ahead.
    assert datetime.fromtimestamp(found[0] // SECOND, UTC).strftime("%b %e %H:%M:%S") == text
    assert abs(found[0] - received) <= abs(sent - received)


@given(st.binary(max_size=600), st.integers(0, (1 << 63) - 1))
def test_any_bytes_give_a_time_in_bounds_or_none(line: bytes, received: int) -> None:
    found = find_timestamp(line, BERLIN, received)
    assert found is None or (0 <= found[0] < 1 << 63 and 0 <= found[1] <= len(line))


@given(st.text("0123456789-/:TZ.,+ JanFebI[*GMTUC", max_size=40))
def test_what_looks_like_a_time_never_raises(text: str) -> None:
    found = find_timestamp(text.encode(), BERLIN, NOW)
    assert found is None or 0 <= found[0] < 1 << 63


def test_rfc3339_takes_whole_texts_only() -> None:
    assert parse_rfc3339("2024-01-02T03:04:05Z") == utc(2024, 1, 2, 3, 4, 5)
    assert parse_rfc3339("2024-01-02T03:04:05") == utc(2024, 1, 2, 3, 4, 5)
    assert parse_rfc3339("2024-01-02T03:04:05Z ") is None
    assert parse_rfc3339("2024-01-02T03:04:05\ud800Z") is None


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(ConfigError, match="Middle/Earth"):
        zone_named("Middle/Earth")
    with pytest.raises(ConfigError, match="/etc/passwd"):
        zone_named("/etc/passwd")
