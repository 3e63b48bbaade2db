"""The use-cases of log patterns: the list, one of them, and two windows compared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stormpetrel.app import access as rules
from stormpetrel.app.usecases_learning import LearningUseCases
from stormpetrel.detect.logs.compare import surprise
from stormpetrel.errors import NotFoundError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.pattern import Pattern, WatchedVariable
from stormpetrel.model.pattern_view import Comparison, PatternList, PatternOrder, PatternPage, PatternRow
from stormpetrel.model.query import LogQuery, PatternRows
from stormpetrel.model.signal import SEVERITY_WARN
from stormpetrel.model.time import Window
from stormpetrel.model.view import TailMessage

BUCKETS = 40
# Patterns counted one by one in a window; an installation with more shows the most frequent.
MOST = 5000
_NEWEST_RECORDS = 50
_LOOKED_UP, _TEXT = 30, 400  # of patterns that were let go: records asked for, and characters of each
_PARTS = 12  # of each window that is compared


@dataclass(slots=True)
class _Folded:
    """What the store holds of patterns by what they are called today."""

    ids: list[int]
    rows: list[list[int]]
    held: PatternRows

    def counts(self, place: int) -> NDArray[np.int64]:
        result: NDArray[np.int64] = self.held.count[self.rows[place]].sum(axis=0)
        return result


class PatternUseCases(LearningUseCases):
    """One part of `app.service.Service`; methods are documented there."""

    def all_named(self, query: LogQuery) -> LogQuery:
        """The query with every id under which records of its patterns were stored."""
        book = self._is.pipeline.patterns
        named = [name for one in query.patterns for name in book.named(one)]
        return replace(query, patterns=tuple(dict.fromkeys(named))) if named else query

    def tail(self, query: LogQuery) -> AsyncIterator[TailMessage]:
        """Log records as they are stored."""
        return super().tail(self.all_named(query))

    def patterns(
        self, query: LogQuery, limit: int = 500, order: PatternOrder = PatternOrder.COUNT
    ) -> PatternList:
        """Patterns of matching records, in an order, beside the window before."""
        window = query.window
        length = window.end_unix_nano - window.start_unix_nano
        before = Window(max(window.start_unix_nano - length, 0), window.start_unix_nano)
        asked = replace(self.all_named(query), limit=MOST)
        now = self._folded(self._is.store.count_patterns(asked, BUCKETS))
        then = self._folded(self._is.store.count_patterns(replace(asked, window=before), BUCKETS))
        rows = self._rows(then, now, (before, window))
        shown = [row for row in rows if row.records]
        return PatternList(
            rows=self._told(sorted(shown, key=lambda row: _rank(row, order))[:limit], window),
            window=window,
            before=before,
            records=int(now.held.count.sum()),
            unmined=sum(row.records for row in shown if row.pattern == 0),
            patterns=len(shown),
            complete=len(now.held) < MOST,
        )

    def compare_patterns(
        self, query: LogQuery, first: Window, second: Window, limit: int = 200
    ) -> Comparison:
        """Patterns of two windows, most surprising first."""
        asked = replace(self.all_named(query), limit=MOST)
        sides = [
            self._folded(self._is.store.count_patterns(replace(asked, window=window), _PARTS))
            for window in (first, second)
        ]
        rows = self._rows(sides[0], sides[1], (first, second))
        ranked = sorted(rows, key=lambda row: (-abs(row.surprise), -row.records, row.pattern))
        return Comparison(
            first,
            second,
            self._told(ranked[:limit], _both(first, second)),
            (int(sides[0].held.count.sum()), int(sides[1].held.count.sum())),
            all(len(side.held) < MOST for side in sides),
        )

    def pattern(self, pattern: int, query: LogQuery) -> PatternPage:
        """One pattern, by an id of any age."""
        book = self._is.pipeline.patterns
        known, names = book.find(pattern), book.named(pattern)
        asked = replace(query, patterns=names, limit=MOST)
        length = query.window.end_unix_nano - query.window.start_unix_nano
        before = Window(max(query.window.start_unix_nano - length, 0), query.window.start_unix_nano)
        now = self._folded(self._is.store.count_patterns(asked, BUCKETS))
        then = self._folded(self._is.store.count_patterns(replace(asked, window=before), BUCKETS))
        rows = [row for row in self._rows(then, now, (before, query.window)) if row.records]
        rows = self._told(rows, query.window)
        records = self._is.store.read_logs(replace(asked, limit=min(query.limit, _NEWEST_RECORDS)))
        if known is None and not records:
            raise NotFoundError(
                f"there is no pattern {pattern:016x}, and no record of it in this window; "
                "it may have been let go: try a longer window"
            )
        watched = tuple(one.variable for one in self._is.watched() if one.pattern in names)
        return PatternPage(
            names[0], known, rows[0] if rows else None, records, query.window, names[1:], watched
        )

    def watch_variable(self, pattern: int, variable: str, by: Caller) -> None:
        """A responder wants the numbers of a variable as a series."""
        rules.require(by, Role.RESPONDER)
        known = self._is.pipeline.patterns.find(pattern)
        if known is None or variable not in {one.name for one in known.variables}:
            raise NotFoundError(f"pattern {pattern:016x} has no variable {variable[:80]!r}")
        self._is.watched.add(WatchedVariable(known.id, variable, by.name))

    def unwatch_variable(self, pattern: int, variable: str, by: Caller) -> None:
        """A responder wants them no more."""
        rules.require(by, Role.RESPONDER)
        for name in self._is.pipeline.patterns.named(pattern):
            if any((one.pattern, one.variable) == (name, variable) for one in self._is.watched()):
                self._is.watched.remove(name, variable)
                return
        raise NotFoundError(f"the variable {variable[:80]!r} of pattern {pattern:016x} is not watched")

    def _told(self, rows: list[PatternRow], window: Window) -> list[PatternRow]:
        """Rows of patterns that were let go, with the text of one of their records; the first ones only."""
        lost = [row.pattern for row in rows if not row.known and row.pattern][:_LOOKED_UP]
        texts = {
            one: record.body[:_TEXT]
            for one in lost
            for record in self._is.store.read_logs(LogQuery(window, patterns=(one,), limit=1))
        }
        return [replace(row, text=texts[row.pattern]) if row.pattern in texts else row for row in rows]

    def _folded(self, held: PatternRows) -> _Folded:
        """Rows of ids that are one pattern today, together."""
        today = self._is.pipeline.patterns.resolve(held.pattern.tolist())
        places: dict[int, list[int]] = {}
        for row, stored in enumerate(held.pattern.tolist()):
            places.setdefault(today[stored], []).append(row)
        return _Folded(list(places), list(places.values()), held)

    def _rows(self, then: _Folded, now: _Folded, windows: tuple[Window, Window]) -> list[PatternRow]:
        """A row for every pattern of either side."""
        ids = list(dict.fromkeys([*now.ids, *then.ids]))
        if not ids:
            return []
        place_now = {one: k for k, one in enumerate(now.ids)}
        place_then = {one: k for k, one in enumerate(then.ids)}
        after = np.stack([_counts(now, place_now, one) for one in ids])
        before = np.stack([_counts(then, place_then, one) for one in ids])
        far = surprise(before, after, (windows[0].seconds, windows[1].seconds))
        texts = self._is.pipeline.patterns.describe(ids)
        return [
            _row(
                one,
                texts.get(one),
                (now, place_now[one]) if one in place_now else (then, place_then[one]),
                (before[k], after[k], float(far[k])),
                windows[1],
            )
            for k, one in enumerate(ids)
        ]


def _rank(row: PatternRow, order: PatternOrder) -> tuple[float, ...]:
    """Where a row stands in an order, the least first."""
    rest = (-row.records, row.pattern)
    if order is PatternOrder.CHANGE:
        return (-abs(row.surprise), *rest)
    if order is PatternOrder.NEW:
        return (-row.first_unix_nano, *rest)
    if order is PatternOrder.SEVERITY:
        return (-row.severity, *rest)
    if order is PatternOrder.REMARKABLE:
        unmined, news = not row.pattern, row.new and row.severity >= SEVERITY_WARN
        return (unmined, not news, -abs(row.surprise) * (1 + row.new), *rest)
    return rest


def _both(one: Window, other: Window) -> Window:
    """The window around two."""
    start = min(one.start_unix_nano, other.start_unix_nano)
    return Window(start, max(one.end_unix_nano, other.end_unix_nano))


def _counts(side: _Folded, places: Mapping[int, int], one: int) -> NDArray[np.int64]:
    return side.counts(places[one]) if one in places else np.zeros(side.held.count.shape[1], np.int64)


def _row(
    one: int,
    known: Pattern | None,
    told: tuple[_Folded, int],
    counts: tuple[NDArray[np.int64], NDArray[np.int64], float],
    window: Window,
) -> PatternRow:
    side, place = told
    held, rows = side.held, side.rows[place]
    before, after, far = counts
    most = max(rows, key=lambda row: int(held.count[row].sum()))
    oldest = min(int(held.first_unix_nano[row]) for row in rows)
    first = min(oldest, known.first_unix_nano) if known is not None else oldest
    return PatternRow(
        pattern=one,
        text=known.text if known is not None else "",
        known=known is not None,
        source=known.source if known is not None else held.source[most],
        entity=held.entity[most],
        entities=max(int(held.entities[row]) for row in rows),
        severity=max(int(held.severity[row]) for row in rows),
        records=int(after.sum()),
        before=int(before.sum()),
        surprise=far,
        first_unix_nano=first,
        last_unix_nano=max(int(held.last_unix_nano[row]) for row in rows),
        new=known is not None and first >= window.start_unix_nano and not int(before.sum()),
        counts=tuple(after.tolist()),
    )
