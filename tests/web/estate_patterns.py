"""The part of the estate in memory that is about log patterns: some of them hostile."""

from __future__ import annotations

from tests.web import content

from stormpetrel.errors import NotFoundError
from stormpetrel.model.access import Caller
from stormpetrel.model.pattern import Pattern, Variable
from stormpetrel.model.pattern_view import Comparison, PatternList, PatternOrder, PatternPage, PatternRow
from stormpetrel.model.query import LogQuery
from stormpetrel.model.time import Window

MINUTE = content.MINUTE
TEXTS = {
    1: "served order <*> in <*> ms",
    2: f"cannot reach {content.HOSTILE} at <*>",
    3: "cache flushed",
    4: "worker <*> stopped",
}


def row(pattern: int, window: Window, before: int, now: int, new: bool = False) -> PatternRow:
    """One pattern; 5 was let go."""
    half = now // 2
    return PatternRow(
        pattern=pattern,
        text=TEXTS.get(pattern, f"let go {content.HOSTILE}"),
        known=pattern in TEXTS,
        source=f"syslog/process:{content.HOSTILE}" if pattern == 2 else "syslog/process:shop",
        entity="service:checkout",
        entities=pattern,
        severity=17 if pattern == 2 else 9,
        records=now,
        before=before,
        surprise=float(now - before) / 10,
        first_unix_nano=window.start_unix_nano + 5 * MINUTE if new else content.NOW - 9000 * MINUTE,
        last_unix_nano=window.end_unix_nano - MINUTE,
        new=new,
        counts=tuple([0] * 20 + [half] * 10 + [now - half] * 10),
    )


def known(pattern: int) -> Pattern:
    """All that is known of a pattern."""
    return Pattern(
        id=pattern,
        source="syslog/process:shop",
        text=TEXTS[pattern],
        template=TEXTS[pattern],
        lines=12_345,
        first_unix_nano=content.NOW - 9000 * MINUTE,
        last_unix_nano=content.NOW - MINUTE,
        by_minute={},
        severities=(0, 0, 0, 40, 2, 12, 0),
        origins=((f"host:{content.HOSTILE}", 5), ("host:web-1", 3)),
        samples=(f"a sample {content.HOSTILE}",),
        variables=(
            Variable("order", 90, (("4711", 3), (content.HOSTILE, 2)), 80, 1.0, 9e9, 5e3, (2.0, 400.0, 9e8)),
            Variable("v2", 12, (), 0, float("nan"), float("nan"), float("nan"), (float("nan"),) * 3),
        ),
        merged=(77,),
    )


class PatternEstate:
    """Patterns of the estate."""

    empty: bool

    def patterns(
        self, query: LogQuery, limit: int = 500, order: PatternOrder = PatternOrder.COUNT
    ) -> PatternList:
        window = query.window
        rows = [
            row(1, window, 90, 100), row(2, window, 0, 14, new=True), row(5, window, 3, 2),
            row(0, window, 1, 1),
        ]  # fmt: skip
        if self.empty or query.text == "zzz":
            rows = []
        if order is PatternOrder.SEVERITY:
            rows.sort(key=lambda one: -one.severity)
        return PatternList(rows[:limit], window, self._before(window), 117, 1, len(rows), len(rows) <= limit)

    def pattern(self, pattern: int, query: LogQuery) -> PatternPage:
        if pattern not in (*TEXTS, 5):
            raise NotFoundError(f"there is no pattern {pattern:016x}")
        found = known(pattern) if pattern in TEXTS else None
        records = [] if pattern == 3 else content.logs()[:5]
        shown = None if pattern == 3 else row(pattern, query.window, 4, 9)
        watched = tuple(variable for number, variable in self.watching if number == pattern)
        return PatternPage(pattern, found, shown, records, query.window, (77, 78), watched)

    @property
    def watching(self) -> list[tuple[int, str]]:
        held: list[tuple[int, str]] = self.__dict__.setdefault("_watching", [])
        return held

    def watch_variable(self, pattern: int, variable: str, by: Caller) -> None:
        self.watching.append((pattern, variable))

    def unwatch_variable(self, pattern: int, variable: str, by: Caller) -> None:
        if (pattern, variable) not in self.watching:
            raise NotFoundError("not watched")
        self.watching.remove((pattern, variable))

    def compare_patterns(
        self, query: LogQuery, first: Window, second: Window, limit: int = 200
    ) -> Comparison:
        rows = [
            row(2, second, 0, 40, new=True), row(3, second, 50, 0), row(1, second, 10, 90),
            row(4, second, 90, 40), row(5, second, 0, 30),
        ]  # fmt: skip
        return Comparison(first, second, [] if query.text == "zzz" else rows[:limit], (150, 200), True)

    def _before(self, window: Window) -> Window:
        length = window.end_unix_nano - window.start_unix_nano
        return Window(window.start_unix_nano - length, window.start_unix_nano)
