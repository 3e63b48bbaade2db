"""From an entry to its occurrences in a window, in order; time zones and clock changes are settled here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.calendar import DAY_SECONDS, CalendarEntry, Cron, Every, Listed, Occurrence, Once
from stormpetrel.model.time import Window, from_seconds, to_seconds

# More occurrences of one entry in a window than this are left out: a job every minute has 1,440 a day.
MAX_OCCURRENCES = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5)  # noqa: DTZ001 - the wall clock of a zone that is put to it later
_DAY, _TICK = timedelta(days=1), timedelta(milliseconds=1)
_SECOND = from_seconds(1)


class RecurrenceError(StormPetrelError, ValueError):
    """A recurrence that cannot be read; the message says why."""

    reason = "bad_recurrence"


def check_zone(name: str) -> ZoneInfo:
    """The time zone of a name such as Europe/Berlin.

    Raises:
        RecurrenceError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise RecurrenceError(
            f"{name[:60]!r} is no time zone; write UTC or a name as Europe/Berlin"
        ) from None


def check_cron(expression: str) -> None:
    """Whether a cron expression of five fields can be read, and ever comes true.

    Raises:
        RecurrenceError: naming the expression and what is wrong.
    """
    try:
        next(CronSim(expression, _EPOCH))
    except CronSimError as error:
        raise RecurrenceError(f"{expression[:100]!r} is no cron expression: {error}") from None
    except StopIteration:
        raise RecurrenceError(f"{expression[:100]!r} never comes true") from None


def occurrences(entry: CalendarEntry, window: Window) -> list[Occurrence]:
    """The occurrences that overlap a window, in order of start; at most `MAX_OCCURRENCES`.

    Cost: a few microseconds an occurrence (cron: some 20).
    """
    length = from_seconds(entry.duration_seconds)
    rule = entry.recurrence
    if isinstance(rule, Once):
        spans: Iterator[tuple[int, int]] = iter([(rule.start_unix_nano, rule.end_unix_nano)])
    elif isinstance(rule, Listed):
        spans = iter(rule.spans)
    else:
        wider = Window(window.start_unix_nano - length, window.end_unix_nano)
        begins = cron_starts(rule, wider) if isinstance(rule, Cron) else every_starts(rule, wider)
        spans = ((start, start + length) for start in begins)
    inside = (
        Occurrence(entry, start, end)
        for start, end in spans
        if start < window.end_unix_nano and max(end, start + 1) > window.start_unix_nano
    )
    return list(itertools.islice(inside, MAX_OCCURRENCES))


def cron_starts(rule: Cron, window: Window) -> Iterator[int]:
    """Starts in `[start, end)` of the window."""
    zone = check_zone(rule.zone)
    before = _EPOCH + timedelta(microseconds=(window.start_unix_nano - 1) // 1000)
    try:
        for moment in CronSim(rule.expression, before.astimezone(zone)):
            start = nanos_of(moment)
            if start >= window.end_unix_nano:
                return
            if start >= window.start_unix_nano:
                yield start
    except CronSimError as error:
        raise RecurrenceError(f"{rule.expression[:100]!r} is no cron expression: {error}") from None


def every_starts(rule: Every, window: Window) -> Iterator[int]:
    """Starts in `[start, end)` of the window."""
    period = from_seconds(rule.period_seconds)
    if rule.period_seconds < DAY_SECONDS:
        offset = from_seconds(rule.offset_seconds)
        first = -(-(window.start_unix_nano - offset) // period)
        while first * period + offset < window.end_unix_nano:
            yield first * period + offset
            first += 1
        return
    zone = check_zone(rule.zone)
    step = timedelta(seconds=rule.period_seconds)
    since = (_EPOCH + timedelta(microseconds=window.start_unix_nano // 1000)).astimezone(zone)
    naive = since.replace(tzinfo=None) - _DAY
    count = (naive - _MONDAY - timedelta(seconds=rule.offset_seconds)) // step
    wall = _MONDAY + timedelta(seconds=rule.offset_seconds) + count * step
    while True:
        start = nanos_of(wall_clock(wall, zone))
        if start >= window.end_unix_nano:
            return
        if start >= window.start_unix_nano:
            yield start
        wall += step


def wall_clock(naive: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a zone's clocks show a time: the first of two, and the end of a gap if never.

    >>> str(wall_clock(datetime(2026, 3, 29, 2, 30), ZoneInfo("Europe/Berlin")))
    '2026-03-29 03:00:00+02:00'
    """
    moment = naive.replace(tzinfo=zone)
    there = moment.astimezone(UTC).astimezone(zone)
    if there.replace(tzinfo=None) == naive:
        return moment
    # In a gap the two readings lie on its two sides, and the clocks jumped between them.
    low, high = sorted((moment.astimezone(UTC), moment.replace(fold=1).astimezone(UTC)))
    ahead = low.astimezone(zone).utcoffset()
    while high - low > _TICK:
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == ahead:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0).astimezone(zone)


def nanos_of(moment: datetime) -> int:
    """Unix nanoseconds of a moment with a zone, exact to the microsecond."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


def offset_nanos(zone: ZoneInfo, time_unix_nano: int) -> int:
    """How far the zone's clocks are ahead of UTC at a moment, in nanoseconds."""
    ahead = datetime.fromtimestamp(to_seconds(time_unix_nano), zone).utcoffset()
    return 0 if ahead is None else round(ahead.total_seconds()) * _SECOND


def local_nanos(zone: ZoneInfo, time_unix_nano: int) -> int:
    """What the zone's clocks show, as nanoseconds since Monday, 5 January 1970, 00:00 on them."""
    return time_unix_nano + offset_nanos(zone, time_unix_nano) - 4 * from_seconds(DAY_SECONDS)
