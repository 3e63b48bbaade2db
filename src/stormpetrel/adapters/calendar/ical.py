"""iCalendar (RFC 5545) as entries: every VEVENT with its recurrences, exceptions and time zones.

The text is a stranger's: bytes, components and occurrences are bounded, and a series of seconds or minutes
is refused. A component names its own kind by a category (`MAINTENANCE`, `FREEZE`, `HOLIDAY`, `DEPLOY`,
`EXPECTED_JOB`) and its own scopes by `X-STORM-PETREL-SCOPE`; what it does not name, the source does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Listed
from stormpetrel.model.time import Window, from_seconds

MAX_BYTES = 4 << 20
MAX_OCCURRENCES = 20_000
MAX_TITLE = 200
_FREQUENT = re.compile(rb"^(RRULE|EXRULE)[^\r\n]*FREQ=(SECONDLY|MINUTELY)", re.MULTILINE | re.IGNORECASE)
_SCOPE = "X-STORM-PETREL-SCOPE"
_DAY = from_seconds(86_400)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CalendarSourceError(StormPetrelError):
    """A source of entries that cannot be read; the message says which, why, and what to do."""

    reason = "bad_calendar"


@dataclass(frozen=True, slots=True)
class IcalDefaults:
    """What holds where a component says nothing: source, kind, scopes, and the zone of floating times."""

    source: str
    kind: EntryKind
    scopes: tuple[str, ...]
    zone: ZoneInfo


def read_ical(body: bytes, defaults: IcalDefaults, window: Window) -> list[CalendarEntry]:
    """The entries whose occurrences overlap a window, in order of first start.

    Raises:
        CalendarSourceError: not iCalendar, too large, or a recurrence more often than hourly.
    """
    if len(body) > MAX_BYTES:
        raise CalendarSourceError(
            f"{defaults.source}: more than {MAX_BYTES >> 20} MiB; give a smaller calendar"
        )
    if _FREQUENT.search(re.sub(rb"\r?\n[ \t]", b"", body)):
        raise CalendarSourceError(
            f"{defaults.source}: a recurrence by seconds or minutes; use a cron job for it"
        )
    try:
        calendar = icalendar.Calendar.from_ical(body)
        found = _by_uid(calendar, defaults.zone, window)
    except Exception as error:  # noqa: BLE001 - hostile text meets many kinds of errors in the library, all mean this
        raise CalendarSourceError(
            f"{defaults.source}: cannot be read as iCalendar: {type(error).__name__}: {str(error)[:200]}"
        ) from None
    entries = [_entry(uid, parts, defaults) for uid, parts in found.items()]
    return sorted(entries, key=lambda entry: (_first(entry), entry.entry_id))


def _first(entry: CalendarEntry) -> int:
    rule = entry.recurrence
    return rule.spans[0][0] if isinstance(rule, Listed) else 0


Part = tuple[icalendar.Event, int, int]


def _by_uid(calendar: icalendar.Calendar, zone: ZoneInfo, window: Window) -> dict[str, list[Part]]:
    start = _EPOCH + timedelta(microseconds=window.start_unix_nano // 1000)
    query = recurring_ical_events.of(calendar, skip_bad_series=True)
    found: dict[str, list[Part]] = {}
    for component in itertools.islice(_until(query.after(start), zone, window), MAX_OCCURRENCES):
        uid = str(component[0].get("UID", "")) or str(component[0].get("SUMMARY", ""))
        found.setdefault(uid, []).append(component)
    return found


def _until(components: Iterator[icalendar.Event], zone: ZoneInfo, window: Window) -> Iterator[Part]:
    for component in components:
        if str(component.get("STATUS", "")).upper() == "CANCELLED":
            continue
        start = _nanos(component.start, zone)
        if start >= window.end_unix_nano:
            return
        yield component, start, max(_nanos(component.end, zone), start)


def _nanos(moment: date | datetime, zone: ZoneInfo) -> int:
    """A whole day begins at its midnight in the zone, and so does a time without a zone count."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


def _entry(uid: str, parts: list[Part], defaults: IcalDefaults) -> CalendarEntry:
    component = parts[0][0]
    kind = next((k for k in EntryKind if k.value in _categories(component)), defaults.kind)
    own = component.get(_SCOPE, [])
    scopes = tuple(str(text) for text in (own if isinstance(own, list) else [own]))
    return CalendarEntry(
        entry_id=f"{defaults.source}:{uid[:200]}",
        kind=kind,
        title=str(component.get("SUMMARY", "")).strip()[:MAX_TITLE] or kind.value.replace("_", " "),
        scopes=scopes or defaults.scopes,
        recurrence=Listed(tuple(sorted((start, end) for _, start, end in parts))),
        source=defaults.source,
        train=kind is not EntryKind.MAINTENANCE,
    )


def _categories(component: icalendar.Event) -> set[str]:
    named = component.get("CATEGORIES", [])
    lists = named if isinstance(named, list) else [named]
    return {str(one).lower().replace(" ", "_") for part in lists for one in getattr(part, "cats", [part])}


def horizon(now_unix_nano: int, days: float = 60.0) -> Window:
    """The span for which occurrences are worked out: a little back, and as far as a calendar is planned."""
    now_unix_nano = now_unix_nano // _DAY * _DAY  # the same all day, so that nothing changes without a change
    return Window(now_unix_nano - 3 * _DAY, now_unix_nano + from_seconds(86_400 * days))
