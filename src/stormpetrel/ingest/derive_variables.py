"""Numbers in log lines as series: `log_variable{log, pattern, variable, quantile}`, where somebody chose so.

Per window of the grid the median and the 95 % quantile of the values in the records of one pattern, from a
sample of them where there are many. Nothing is said of a window without a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.ingest.derive_series import DERIVED_SOURCE, Samples
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.ingest.series import REFUSED_SERIES
from stormpetrel.model.pattern import Pattern, WatchedVariable
from stormpetrel.model.signal import LogBatch, MetricBatch, MetricKind
from stormpetrel.ports.source import SeriesInterner

QUANTILES = ((0.5, "0.5"), (0.95, "0.95"))
# Records of a pattern and window that are looked into, and bytes of each.
SAMPLE, MAX_BYTES = 200, 8192
_REFRESH = 50  # batches after which it is asked again what watched patterns are called by now

Values = Callable[[int, str], Sequence[tuple[str, str]]]


@dataclass(slots=True)
class _Watched:
    pattern: Pattern
    entity: str
    series: dict[tuple[str, str], int] = field(default_factory=dict)  # by variable and quantile
    open: dict[int, dict[str, list[float]]] = field(default_factory=dict)  # window: variable: values
    seen: dict[int, int] = field(default_factory=dict)  # window: records looked into


class VariableSeries:
    """See the module. Deterministic in the records, the times of `advance`, and what is watched.

    Args:
        registry: gives series their ids.
        grid: the windows.
        find: what is known of a pattern by an id of any age.
        values: names and values of a line, by the id of its pattern.
        watched: what somebody chose; asked once for each batch.
        start_unix_nano: when counting began; windows that began before are not told.
    """

    def __init__(
        self,
        registry: SeriesInterner,
        grid: WindowGrid,
        find: Callable[[int], Pattern | None],
        values: Values,
        watched: Callable[[], Sequence[WatchedVariable]],
        start_unix_nano: int,
    ) -> None:
        self._registry, self._grid = registry, grid
        self._find, self._values, self._watched = find, values, watched
        self._closed = grid.cell(start_unix_nano - 1)
        self._open: dict[int, _Watched] = {}
        self._asked: tuple[WatchedVariable, ...] = ()
        self._ids: dict[int, tuple[Pattern, frozenset[str]]] = {}
        self._age = 0

    def take(self, batch: LogBatch) -> None:
        """Look into the records of watched patterns; O(rows), some 30 µs for each record looked into."""
        watched = tuple(self._watched())
        if not watched:
            return
        self._age += 1
        if watched != self._asked or self._age >= _REFRESH:
            self._asked, self._age, self._ids = watched, 0, self._chosen(watched)
        chosen = self._ids
        if not chosen:
            return
        stored = batch.records.column("pattern").to_numpy()
        rows = np.flatnonzero(np.isin(stored, list(chosen)))
        cells = batch.records.column("time_unix_nano").to_numpy() // self._grid.step_nanos
        body, entity = batch.records.column("body"), batch.records.column("entity")
        for row in rows.tolist():
            cell = int(cells[row])
            if not self._closed < cell <= self._closed + 1000:
                continue
            pattern, names = chosen[int(stored[row])]
            one = self._open.get(pattern.id)
            if one is None:
                one = self._open[pattern.id] = _Watched(pattern, entity[row].as_py())
            looked = one.seen.get(cell, 0)
            if looked >= SAMPLE:
                continue
            one.seen[cell] = looked + 1
            self._look(one, cell, body[row].as_py()[:MAX_BYTES], names)

    def _chosen(self, watched: Sequence[WatchedVariable]) -> dict[int, tuple[Pattern, frozenset[str]]]:
        """Ids under which records of watched patterns are stored, with the variables that are watched."""
        names: dict[int, set[str]] = {}
        patterns: dict[int, Pattern] = {}
        for one in watched:
            pattern = self._find(one.pattern)
            if pattern is not None:
                patterns[pattern.id] = pattern
                names.setdefault(pattern.id, set()).add(one.variable)
        return {
            stored: (pattern, frozenset(names[number]))
            for number, pattern in patterns.items()
            for stored in (pattern.id, *pattern.merged)
        }

    def _look(self, one: _Watched, cell: int, line: str, names: frozenset[str]) -> None:
        taken: dict[str, int] = {}
        for name, value in self._values(one.pattern.id, line):
            taken[name] = taken.get(name, 0) + 1
            own = name if taken[name] == 1 else f"{name} {taken[name]}"
            number = _number(value) if own in names else None
            if number is not None:
                one.open.setdefault(cell, {}).setdefault(own, []).append(number)

    def advance(self, now_unix_nano: int) -> MetricBatch:
        """Time has reached `now`: the samples of all windows that are complete."""
        samples = Samples()
        last = max(self._closed, self._grid.last_closed(now_unix_nano))
        for one in self._open.values():
            for cell in sorted(cell for cell in one.seen if cell <= last):
                del one.seen[cell]
                for variable, values in sorted(one.open.pop(cell, {}).items()):
                    for share, text in QUANTILES:
                        series = self._series(one, variable, text)
                        if series != REFUSED_SERIES:
                            samples.add(series, self._grid.end(cell), float(np.quantile(values, share)))
        self._closed = last
        return samples.batch()

    def _series(self, one: _Watched, variable: str, quantile: str) -> int:
        known = one.series.get((variable, quantile))
        if known is None:
            labels = (
                ("log", one.pattern.source),
                ("pattern", f"{one.pattern.id:016x}"),
                ("quantile", quantile),
                ("variable", variable),
            )
            known = self._registry.intern(
                "log_variable", labels, DERIVED_SOURCE, MetricKind.GAUGE, "", one.entity
            )
            one.series[variable, quantile] = known
        return known


def _number(text: str) -> float | None:
    """The number that a value begins with, `532` of `532ms`; None where it begins with none.

    >>> _number("532ms"), _number("-1.5"), _number("a1"), _number("1e999")
    (532.0, -1.5, None, None)
    """
    end = 0
    while end < len(text) and end < 32 and (text[end].isdigit() or text[end] in "+-.eE"):
        end += 1
    while end:
        try:
            value = float(text[:end])
        except ValueError:
            end -= 1
            continue
        return value if np.isfinite(value) else None
    return None
