"""Public holidays of countries, from the tables of the package `holidays`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays

from stormpetrel.adapters.calendar.ical import CalendarSourceError
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Listed
from stormpetrel.model.time import Window, to_seconds

SOURCE = "holidays"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


def read_holidays(country: str, subdivision: str, zone: ZoneInfo, window: Window) -> list[CalendarEntry]:
    """The holidays whose day overlaps a window, from midnight to midnight of the zone, one entry each name.

    Raises:
        CalendarSourceError: the package knows no such country or subdivision.
    """
    first, last = (
        datetime.fromtimestamp(to_seconds(t), zone).date()
        for t in (window.start_unix_nano, window.end_unix_nano)
    )
    try:
        table = holidays.country_holidays(
            country, subdiv=subdivision or None, years=range(first.year, last.year + 1)
        )
    # What the library raises for a country or a part of it that it does not know.
    except NotImplementedError as error:
        raise CalendarSourceError(f"holidays of {country} {subdivision}: {str(error)[:200]}") from None
    spans: dict[str, list[tuple[int, int]]] = {}
    for day, name in sorted(table.items()):
        if first <= day <= last:
            start = datetime(day.year, day.month, day.day, tzinfo=zone)
            spans.setdefault(name, []).append((_nanos(start), _nanos(start + _DAY)))
    return [
        CalendarEntry(
            entry_id=f"{SOURCE}:{country}:{name}"[:250],
            kind=EntryKind.HOLIDAY,
            title=name[:200],
            scopes=("*",),
            recurrence=Listed(tuple(days)),
            source=SOURCE,
            train=True,
        )
        for name, days in spans.items()
    ]


def _nanos(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000
