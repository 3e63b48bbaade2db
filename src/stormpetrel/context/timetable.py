"""The calendar compiled: which occurrences cover an entity, a series, a sample, answered in columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.context.recur import occurrences
from stormpetrel.context.scope import read_scope
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Occurrence
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import Window, from_seconds

I64 = NDArray[np.int64]

_DAY = from_seconds(86_400)
# Series with one and the same set of windows are one group; more groups than this share the last.
_MAX_REMEMBERED = 100_000


class Timetable:
    """Every occurrence of the entries around a moment, by scope.

    Occurrences are worked out for a horizon and anew when time leaves it, so that an answer depends on the
    entries and the moment only. Samples are masked by compiled search in interval arrays, one a group of
    series that share their windows; findings, which are few, are looked up one by one.

    Args:
        describe: what is known of a series id.
        entries: the calendar.
        ahead_days: how far the horizon reaches; it starts two days before.

    Cost: building, some microseconds an occurrence; `masked`, about 10 ns a row while windows are near and
    nothing otherwise, and a few microseconds for each series seen first.
    """

    def __init__(
        self,
        describe: Callable[[int], SeriesInfo],
        entries: Sequence[CalendarEntry] = (),
        ahead_days: int = 8,
    ) -> None:
        self._describe = describe
        self._ahead = ahead_days * _DAY
        self.entries: tuple[CalendarEntry, ...] = ()
        self.set_entries(entries)

    def set_entries(self, entries: Sequence[CalendarEntry]) -> None:
        """The calendar from now on."""
        self.entries = tuple(entries)
        self._masks = [e for e in self.entries if e.kind is EntryKind.MAINTENANCE and not e.train]
        self._scopes = {e.entry_id: [read_scope(text) for text in e.scopes] for e in self.entries}
        self._members: dict[tuple[str, int | str], bool] = {}
        self._group_of: NDArray[np.int32] = np.full(1024, -1, np.int32)
        self._sets: list[tuple[int, ...]] = [()]
        self._horizon = Window(0, 0)

    def look(self, first_unix_nano: int, last_unix_nano: int) -> None:
        """Have the horizon reach over these moments."""
        horizon = self._horizon
        if horizon.start_unix_nano <= first_unix_nano and last_unix_nano < horizon.end_unix_nano - 2 * _DAY:
            return
        start = first_unix_nano // _DAY * _DAY - 2 * _DAY
        self._horizon = Window(start, last_unix_nano // _DAY * _DAY + self._ahead)
        self._of = {e.entry_id: occurrences(e, self._horizon) for e in self.entries}
        self._starts = {key: [o.start_unix_nano for o in found] for key, found in self._of.items()}
        self._lay_out()

    # ------------------------------------------------------------------------------------ samples

    def _lay_out(self) -> None:
        """Interval arrays of the groups: `bounds[from[g]:from[g + 1]]` are start, end, start, end, …"""
        parts = [self._merged(members) for members in self._sets]
        self._from = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        self._bounds: I64 = np.concatenate([*parts, np.empty(0, np.int64)])
        spans = [o for e in self._masks for o in self._of[e.entry_id]]
        self._earliest = min((o.start_unix_nano for o in spans), default=np.iinfo(np.int64).max)

    def _merged(self, members: tuple[int, ...]) -> I64:
        spans = sorted(
            (o.start_unix_nano, o.end_unix_nano)
            for index in members
            for o in self._of[self._masks[index].entry_id]
        )
        joined: list[list[int]] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], end)
            elif end > start:
                joined.append([start, end])
        return np.array(joined, np.int64).ravel()

    def masked(self, series: NDArray[np.uint32], time_unix_nano: I64) -> NDArray[np.bool_] | None:
        """Which rows lie in a maintenance window that is not to be learnt from; None: none of them."""
        if not self._masks or not len(series):
            return None
        first, last = int(time_unix_nano.min()), int(time_unix_nano.max())
        self.look(first, last)
        if last < self._earliest:
            return None
        self._group(series)
        out = np.zeros(len(series), np.bool_)
        found = _inside(series, time_unix_nano, (self._group_of, self._from, self._bounds), out)
        return out if found else None

    def _group(self, series: NDArray[np.uint32]) -> None:
        """Put series not seen before into their group."""
        largest = int(series.max())
        if largest >= len(self._group_of):
            grown = np.full(1 << largest.bit_length(), -1, np.int32)
            grown[: len(self._group_of)] = self._group_of
            self._group_of = grown
        new = np.unique(series[self._group_of[series] < 0])
        if not len(new):
            return
        sets = {members: number for number, members in enumerate(self._sets)}
        for one in new.tolist():
            known = self._describe(one)
            members = tuple(
                k
                for k, e in enumerate(self._masks)
                if any(s.has_series(known) for s in self._scopes[e.entry_id])
            )
            self._group_of[one] = sets.setdefault(members, len(sets))
        if len(sets) > len(self._sets):
            self._sets = list(sets)
            self._lay_out()

    # ----------------------------------------------------------------------------------- findings

    def in_scope(self, entry: CalendarEntry, entity: str, series: int) -> bool:
        """Whether an entity, or a series (-1: none) of it, is in an entry's scope; remembered."""
        key = (entry.entry_id, series if series >= 0 else entity)
        known = self._members.get(key)
        if known is None:
            scopes = self._scopes[entry.entry_id]
            known = any(scope.has_entity(entity) for scope in scopes)
            if not known and series >= 0:
                about = self._describe(series)
                known = any(scope.has_series(about) for scope in scopes)
            if len(self._members) >= _MAX_REMEMBERED:
                self._members.clear()
            self._members[key] = known
        return known

    def covering(
        self, kind: EntryKind, entity: str, series: int, time_unix_nano: int, after_nanos: int = 0
    ) -> Occurrence | None:
        """The newest occurrence of a kind that covers a moment, or ended `after_nanos` before it at most."""
        self.look(time_unix_nano, time_unix_nano)
        found: Occurrence | None = None
        for entry in self.entries:
            if entry.kind is not kind or not self.in_scope(entry, entity, series):
                continue
            one = self.at(entry, time_unix_nano, after_nanos)
            if one is not None and (found is None or one.start_unix_nano > found.start_unix_nano):
                found = one
        return found

    def at(self, entry: CalendarEntry, time_unix_nano: int, after_nanos: int = 0) -> Occurrence | None:
        """The occurrence of an entry at a moment, widened at its end, and by its watch's lateness."""
        self.look(time_unix_nano, time_unix_nano)
        found = self._of[entry.entry_id]
        watch = entry.watch
        slack = from_seconds(max(watch.late_seconds, watch.overlong_seconds)) if watch else 0
        before = bisect_right(self._starts[entry.entry_id], time_unix_nano)
        # Long and short spans may be mixed in a file: the few newest that began are looked at.
        for one in reversed(found[max(0, before - 8) : before]):
            if one.covers(time_unix_nano, 0, max(slack, after_nanos)):
                return one
        return None

    def last_start(self, entry: CalendarEntry, time_unix_nano: int) -> Occurrence | None:
        """The newest occurrence of an entry that began at or before a moment."""
        self.look(time_unix_nano, time_unix_nano)
        before = bisect_right(self._starts[entry.entry_id], time_unix_nano)
        return self._of[entry.entry_id][before - 1] if before else None

    def between(self, window: Window, kinds: Sequence[EntryKind] = tuple(EntryKind)) -> list[Occurrence]:
        """All occurrences that overlap a window, in order of start, then entry."""
        self.look(window.start_unix_nano, window.end_unix_nano)
        found = [
            o
            for e in self.entries
            if e.kind in kinds
            for o in self._of[e.entry_id]
            if o.start_unix_nano < window.end_unix_nano and o.end_unix_nano > window.start_unix_nano
        ]
        return sorted(found, key=lambda o: (o.start_unix_nano, o.entry.entry_id))


@njit(cache=True, nogil=True)
def _inside(
    series: NDArray[np.uint32], times: I64, table: tuple[NDArray[np.int32], I64, I64], out: NDArray[np.bool_]
) -> int:
    """Marks the rows that lie in `[start, end)` of their group's intervals; how many there are."""
    group_of, first, bounds = table
    found = 0
    for k in range(len(series)):
        group = group_of[series[k]]
        a, b = first[group], first[group + 1]
        if a == b:
            continue
        if (np.searchsorted(bounds[a:b], times[k], side="right") & 1) == 1:
            out[k] = True
            found += 1
    return found
