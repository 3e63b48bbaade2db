"""Times of tests, as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from stormpetrel.context.recur import nanos_of
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Once, Recurrence, Watch
from stormpetrel.model.signal import MetricKind, SeriesInfo

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo | None = None) -> int:
    """Nanoseconds of a time; of UTC when no zone is given."""
    return nanos_of(datetime.fromisoformat(text).replace(tzinfo=zone or UTC))


def shown(time_unix_nano: int, zone: ZoneInfo = BERLIN) -> str:
    """What the clocks of a zone show."""
    return datetime.fromtimestamp(time_unix_nano / 1e9, zone).strftime("%m-%d %H:%M %z")


def entry(
    rule: Recurrence | None = None,
    kind: EntryKind = EntryKind.MAINTENANCE,
    scopes: tuple[str, ...] = ("*",),
    key: str = "e1",
    watch: Watch | None = None,
    train: bool = False,
) -> CalendarEntry:
    """An entry with what a test does not care for."""
    return CalendarEntry(key, kind, f"title of {key}", scopes, rule or Once(0, 1), "config", train, watch)


def series(number: int, metric: str = "load", **labels: str) -> SeriesInfo:
    """A series of the host h, unless its labels say otherwise."""
    pairs = tuple(sorted(labels.items()))
    entity = f"host:{labels.get('host', 'h')}"
    return SeriesInfo(number, metric, pairs, entity, "test", MetricKind.GAUGE)
