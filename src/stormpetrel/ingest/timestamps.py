"""Times as log lines and senders write them, as UTC nanoseconds, exactly.

Layouts read by `find_timestamp`, in brackets or quotes or not:

    2024-01-02T03:04:05.678901234Z       RFC 3339, ISO 8601; `T` or a space, point or comma, zone or none
    20240102T030405Z                     ISO 8601, basic
    2024/01/02 03:04:05.678901           Go, nginx's error log
    02/Jan/2024:03:04:05 +0100           Apache, CLF, also after `host ident user [`
    02 Jan 2024 03:04:05,678             log4j, Redis; with hyphens Tomcat and BIND; `Tue, 02 Jan …` RFC 1123
    Tue Jan  2 03:04:05.678901 2024      ctime, Apache's error log, date(1)
    Jan  2 03:04:05, Jan  2 2024 03:04:05.678, *Jan  2 03:04:05.678    RFC 3164, Cisco
    2024 Jan  2 03:04:05                 Cisco NX-OS
    I0102 03:04:05.678901                klog
    1704164645, 1704164645.678, …ms, …us, …ns    epoch: 10, 13, 16 or 19 digits

Refused, as they say no moment or two: seconds since boot (`[   12.345678]`), a time of day alone,
day and month as numbers (`01/02/2024`).

The zone: one in the text wins (`Z`, `UTC`, `GMT`, `+01:00`, `+0100`, `+01`); other letters, such as `CET`,
are not read, as several zones share them; then the zone that the caller names. A wall time that the clocks
skipped counts with the offset before the change, so 02:30 becomes 03:30. One that came twice is the one
nearer to the reception. A day without a year is in the year that puts it nearest to the reception, never
more than a day after it. Second 60 is the first of the next minute. Digits beyond nanoseconds are cut off.
What lies outside of 1970 to 2262 is no time.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stormpetrel.errors import ConfigError
from stormpetrel.model.time import NANOS_PER_SECOND

_DAY_SECONDS = 86_400
_HALF_YEAR_SECONDS = 182 * _DAY_SECONDS
_LATEST_SECONDS = (1 << 63) // NANOS_PER_SECOND - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH_NUMBER = {name: number for number, name in enumerate(_MONTHS, 1)}

# Parts of the patterns. Each pattern has the groups stamp, fraction, zone, in this order.
_MONTH = rb"(?:" + b"|".join(_MONTHS) + rb")"
_WEEKDAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = rb"\d\d:\d\d:\d\d(?!\d)"
# A comma before digits that another comma follows is a table's, no fraction.
_FRACTION = rb"(?:\.(\d+)|,(\d+)(?![\d,]))?"
_OFFSET = rb"[+-]\d\d:?\d\d(?![\d:])"
_ZONE = rb"([Zz]|[+-]\d\d(?![\d:])|[ ]?" + _OFFSET + rb"|[ ]?(?:UTC|GMT)\b)?"
_SPACED_ZONE = rb"([ ]" + _OFFSET + rb"|[ ](?:UTC|GMT)(?=[:\s]|$))?"

_ISO = re.compile(rb"(\d{4}([-/])\d\d\2\d\d[Tt _]" + _CLOCK + rb"|\d{8}T\d{6}(?!\d))" + _FRACTION + _ZONE)
_DAY_FIRST = re.compile(
    rb"(?:" + _WEEKDAY + rb", |\d{1,7}:[A-Z] )?"
    rb"(\d{1,2}([-/ ])" + _MONTH + rb"\2\d{4}[: ]" + _CLOCK + rb")" + _FRACTION + _ZONE
)
_CTIME = re.compile(
    _WEEKDAY
    + rb" ("
    + _MONTH
    + rb" [ \d]\d "
    + _CLOCK
    + rb")()"
    + _FRACTION
    + _SPACED_ZONE
    + rb" (\d{4})(?!\d)"
)
_MONTH_FIRST = re.compile(
    rb"[*.]?(" + _MONTH + rb" {1,2}\d{1,2}(?: \d{4})? " + _CLOCK + rb")()" + _FRACTION + _SPACED_ZONE
)
_YEAR_FIRST = re.compile(rb"(\d{4} " + _MONTH + rb" [ \d]\d " + _CLOCK + rb")()" + _FRACTION + _SPACED_ZONE)
_KLOG = re.compile(rb"[IWEF](\d{4} " + _CLOCK + rb")()\.(\d+)()()")
_NUMBER = re.compile(rb"(\d{10})(?:(\d{9}|\d{6}|\d{3})|\.(\d{1,9})\d*)?(?=[\]\s,:|;)\"]|$)")
# The common log format names host, identity and user before the time.
_ACCESS = re.compile(rb"\S{1,255} \S{1,64} [^\[\"]{1,64}\[(?=\d\d/)")
_OPENING = re.compile(rb"[ \t]{0,16}[\[(\"]?")
_CLOSING = {ord(b"["): b"]", ord(b"("): b")", ord(b'"'): b'"'}


class _Place(NamedTuple):
    """Where and when a line was received: what decides on what it leaves open."""

    zone: tzinfo
    received: int  # seconds


def zone_named(name: str) -> tzinfo:
    """The time zone of a name such as `Europe/Berlin`; `UTC` needs no zone files on the host.

    Raises:
        ConfigError: there is no such zone here.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"time_zone: this host knows no zone {name!r}; write one as in Europe/Berlin, "
            "or install the package tzdata"
        ) from None


def parse_rfc3339(text: str) -> int | None:
    """A whole RFC 3339 or ISO 8601 moment in UTC nanoseconds; None when it is none. About a microsecond.

    A missing zone is UTC.

    >>> parse_rfc3339("1970-01-01T00:00:01.000000002+00:00")
    1000000002
    >>> parse_rfc3339("0001-01-01T00:00:00Z"), parse_rfc3339("yesterday")
    (None, None)
    """
    match = _ISO.fullmatch(text.encode("utf-8", "replace"))
    return None if match is None else _iso(match, _Place(UTC, 0))


def find_timestamp(line: bytes, zone: tzinfo, received_unix_nano: int) -> tuple[int, int] | None:
    """The time at the start of a line, and where it ends; None where there is none. 1 to 2 microseconds.

    The end lies behind the bracket or quote that closes it. It is 0 for the common log format, whose time
    stands inside the line. See the module for layouts and zones.

    Args:
        line: the first 512 bytes are looked at.
        zone: for times that name none; see `zone_named`.
        received_unix_nano: when the line was received; decides on a missing year.

    >>> find_timestamp(b"[1970-01-01 00:00:01,5] up", UTC, 0)
    (1500000000, 23)
    """
    opened = _OPENING.match(line, 0, 32)
    start = opened.end() if opened else 0
    readers = _READERS.get(line[start : start + 1])
    place = _Place(zone, received_unix_nano // NANOS_PER_SECOND)
    for pattern, read in readers or ():
        match = pattern.match(line, start, 512)
        if match is not None:
            time = read(match, place)
            if time is not None:
                return time, _closed(line, start, match.end())
    before = _ACCESS.match(line, 0, 512)
    if before is None:
        return None
    match = _DAY_FIRST.match(line, before.end(), 512)
    time = None if match is None else _day_first(match, place)
    return None if time is None else (time, 0)


def _closed(line: bytes, start: int, end: int) -> int:
    closing = _CLOSING.get(line[start - 1]) if start else None
    return end + 1 if closing is not None and line[end : end + 1] == closing else end


# Readers: one a layout, from a match to nanoseconds ------------------------------------------------


def _iso(match: re.Match[bytes], place: _Place) -> int | None:
    stamp, _, point, comma, zone = match.groups()
    return _moment(_iso_seconds(stamp), point or comma, zone, place)


def _day_first(match: re.Match[bytes], place: _Place) -> int | None:
    stamp, _, point, comma, zone = match.groups()
    return _moment(_day_first_seconds(stamp), point or comma, zone, place)


def _ctime(match: re.Match[bytes], place: _Place) -> int | None:
    stamp, _, point, comma, zone, year = match.groups()
    return _moment(_yearless_seconds(stamp, int(year)), point or comma, zone, place)


def _month_first(match: re.Match[bytes], place: _Place) -> int | None:
    stamp, _, point, comma, zone = match.groups()
    if len(stamp) > 15 and stamp[-14:-13] == b" ":  # `Jan  2 2024 03:04:05`
        seconds = _yearless_seconds(stamp[:-14] + stamp[-9:], int(stamp[-13:-9]))
        return _moment(seconds, point or comma, zone, place)
    year = _year_of(place.received // _DAY_SECONDS)
    time = _moment(_yearless_seconds(stamp, year), point or comma, zone, place)
    if time is not None:
        ahead = time // NANOS_PER_SECOND - place.received
        if -_HALF_YEAR_SECONDS <= ahead < _DAY_SECONDS:
            return time
    return _nearest_year(stamp, point or comma, zone, place)


def _year_first(match: re.Match[bytes], place: _Place) -> int | None:
    stamp, _, point, comma, zone = match.groups()
    return _moment(_yearless_seconds(stamp[5:], int(stamp[:4])), point or comma, zone, place)


def _number(match: re.Match[bytes], place: _Place) -> int | None:
    seconds, more, fraction = match.groups()
    if int(seconds) >= place.received + _DAY_SECONDS or seconds < b"1":
        return None  # a number, but no time that could have been written by now
    return _moment(int(seconds), more or fraction, b"Z", place)


_Reader = tuple[re.Pattern[bytes], Callable[[re.Match[bytes], _Place], int | None]]
_DIGIT: tuple[_Reader, ...] = (
    (_ISO, _iso), (_DAY_FIRST, _day_first), (_NUMBER, _number), (_YEAR_FIRST, _year_first),
)  # fmt: skip
_NAMED: tuple[_Reader, ...] = ((_MONTH_FIRST, _month_first), (_CTIME, _ctime), (_DAY_FIRST, _day_first))
_READERS: dict[bytes, tuple[_Reader, ...]] = {
    **{digit.encode(): _DIGIT for digit in "0123456789"},
    **{letter.encode(): _NAMED for letter in "JFMASOND*.TW"},
    **{letter.encode(): (*_NAMED, (_KLOG, _month_first)) for letter in "IWEF"},
}


# From parts to seconds; lines of one second share all of these --------------------------------------


@lru_cache(4096)
def _iso_seconds(stamp: bytes) -> int | None:
    digits = stamp.translate(None, b"-/Tt _:")
    date = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    return _wall_seconds(date, digits[8:10] + b":" + digits[10:12] + b":" + digits[12:])


@lru_cache(4096)
def _day_first_seconds(stamp: bytes) -> int | None:
    day, month, year = re.split(rb"[-/ ]", stamp[:-9])
    return _wall_seconds((int(year), _MONTH_NUMBER[month], int(day)), stamp[-8:])


@lru_cache(4096)
def _yearless_seconds(stamp: bytes, year: int) -> int | None:
    """`Jan  2 03:04:05` or `0102 03:04:05` in a year; None where the year has no such day."""
    if stamp[:1].isdigit():
        month, day = int(stamp[:2]), int(stamp[2:4])
    else:
        month, day = _MONTH_NUMBER[stamp[:3]], int(stamp[4:-9])
    return _wall_seconds((year, month, day), stamp[-8:])


def _wall_seconds(date: tuple[int, int, int], clock: bytes) -> int | None:
    """Seconds since the epoch, were the wall clock in UTC."""
    hour, minute, second = int(clock[:2]), int(clock[3:5]), int(clock[6:8])
    leap = second == 60
    try:
        moment = datetime(*date, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        return None
    return calendar.timegm(moment.timetuple()) + leap


def _moment(wall: int | None, fraction: bytes | None, zone: bytes | None, place: _Place) -> int | None:
    """Nanoseconds of a wall clock's seconds, with a fraction, in the zone of the text or of the place."""
    if wall is None:
        return None
    if zone:
        offset = _offset(zone)
        if offset is None:
            return None
        seconds = wall - offset
    else:
        seconds, later = _local(wall, place.zone)
        if later != seconds and abs(later - place.received) < abs(seconds - place.received):
            seconds = later
    if not 0 <= seconds < _LATEST_SECONDS:
        return None
    if not fraction:
        return seconds * NANOS_PER_SECOND
    return seconds * NANOS_PER_SECOND + int(fraction[:9].ljust(9, b"0"))


@lru_cache(256)
def _offset(zone: bytes) -> int | None:
    """Seconds east of Greenwich."""
    text = zone.strip().replace(b":", b"")
    if text in (b"Z", b"z", b"UTC", b"GMT"):
        return 0
    hours, minutes = int(text[1:3]), int(text[3:5] or b"0")
    if hours > 23 or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (-1 if text[:1] == b"-" else 1)


@lru_cache(4096)
def _local(wall: int, zone: tzinfo) -> tuple[int, int]:
    """The moments that a wall clock shows these seconds: two differ where the clocks were put back."""
    try:
        moment = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=zone)
    except OverflowError:
        return -1, -1
    offsets = [(moment.replace(fold=fold).utcoffset() or timedelta()).total_seconds() for fold in (0, 1)]
    first, second = (wall - int(offset) for offset in offsets)
    return (first, second) if first < second else (first, first)  # skipped: the offset before the change


@lru_cache(64)
def _year_of(day: int) -> int:
    return (_EPOCH + timedelta(days=day)).year


def _nearest_year(stamp: bytes, fraction: bytes | None, zone: bytes | None, place: _Place) -> int | None:
    """The year that puts a day nearest to the reception; nine years hold two leap days."""
    year = _year_of(place.received // _DAY_SECONDS)
    times = [
        _moment(_yearless_seconds(stamp, one), fraction, zone, place) for one in range(year - 8, year + 2)
    ]
    latest = (place.received + _DAY_SECONDS) * NANOS_PER_SECOND
    known = [time for time in times if time is not None and time <= latest]
    return min(known, key=lambda time: abs(time - place.received * NANOS_PER_SECOND), default=None)
