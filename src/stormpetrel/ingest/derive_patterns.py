"""Records of each frequent log pattern as a series: `log_pattern_records`, a DELTA count a window.

A pattern becomes a series once it is frequent; from then on it has zero records in a window in which its
source spoke of something else. So its surges and its silence are judged like those of every other series.
Labels: `log` (the source of lines), `pattern` (its id) and `template`, which only change together, and
`entity`: each host that runs the program has series of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.ingest.derive_series import DERIVED_SOURCE, STALE, Samples
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import LogBatch, MetricBatch, MetricKind
from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.ports.source import SeriesInterner

# What makes a pattern frequent: this many records, in this many windows.
RECORDS, WINDOWS = 30, 5
PATTERN_METRIC = "log_pattern_records"
_FORGET_NANOS = 24 * 3600 * NANOS_PER_SECOND
_TEXT = 100
Key = tuple[int, str]
_MOST_KNOWN, _MOST_FOLLOWED = 100_000, 50_000


@dataclass(slots=True)
class _Followed:
    """A pattern, followed as a series or not yet."""

    pattern: Pattern
    entity: str
    records: int = 0
    windows: int = 0
    series: int = -1
    last_cell: int = 0
    open: dict[int, int] = field(default_factory=dict)  # window: records

    def absorb(self, other: _Followed) -> None:
        """Count what another one counted."""
        self.records += other.records
        self.windows = max(self.windows, other.windows)
        self.last_cell = max(self.last_cell, other.last_cell)
        for cell, many in other.open.items():
            self.open[cell] = self.open.get(cell, 0) + many


class PatternSeries:
    """See the module. Deterministic in the records and the times of `advance`.

    Args:
        registry: gives series their ids.
        grid: the windows.
        max_series: patterns followed as series at a time; `max_each` of one source.
        find: what is known of a pattern by its id.
        start_unix_nano: when counting began; windows that began before are not told.
    """

    def __init__(
        self,
        registry: SeriesInterner,
        grid: WindowGrid,
        max_series: int,
        find: Callable[[int], Pattern | None],
        start_unix_nano: int,
        max_each: int = 50,
    ) -> None:
        self._registry, self._grid, self._find = registry, grid, find
        self._max_series, self._max_each = max_series, max_each
        self._start = start_unix_nano
        self._closed = grid.cell(start_unix_nano - 1)
        self._names: dict[tuple[int, str], Key] = {}  # an id as it was stored, and who: what is followed
        self._followed: dict[Key, _Followed] = {}
        self._held: dict[str, int] = {}
        self._heard: dict[int, set[tuple[str, str]]] = {}  # open window: who spoke
        self._ended: list[int] = []  # series to be told as ended
        self.late = 0

    def __len__(self) -> int:
        """Patterns that are series now."""
        return sum(self._held.values())

    def take(self, batch: LogBatch) -> None:
        """Count the records of a batch; vectorised, and Python for each pattern and window in it."""
        pattern = batch.records.column("pattern").to_numpy()
        cells = batch.records.column("time_unix_nano").to_numpy() // self._grid.step_nanos
        good = np.flatnonzero((pattern != 0) & (cells > self._closed) & (cells <= self._closed + 1000))
        self.late += int(np.count_nonzero(cells <= self._closed))
        if not len(good):
            return
        coded = batch.records.column("entity").dictionary_encode()
        entities = [root_of(one) for one in coded.dictionary.to_pylist()]
        who = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        triples, many = np.unique(
            np.stack([pattern[good], cells[good], who[good]]), axis=1, return_counts=True
        )
        for k in range(triples.shape[1]):
            one = self._one(int(triples[0, k]), entities[int(triples[2, k])])
            if one is not None:
                cell = int(triples[1, k])
                one.open[cell] = one.open.get(cell, 0) + int(many[k])
                self._heard.setdefault(cell, set()).add((one.pattern.source, one.entity))

    def _one(self, stored: int, entity: str) -> _Followed | None:
        name = self._names.get((stored, entity))
        known = self._followed.get(name) if name is not None else None
        return self._led(stored, entity) if known is None else known

    def _led(self, stored: int, entity: str) -> _Followed | None:
        """What the records of an id count for that was not met, or whose pattern is another or was let go.

        Patterns that became one are one from now on. Where one of them is a series, it goes on; where several
        are, those end, for none of them is what all are together.
        """
        pattern = self._find(stored)
        if pattern is None:
            return None
        if len(self._names) >= _MOST_KNOWN or len(self._followed) >= _MOST_FOLLOWED:
            # Whoever invents patterns for ever fills this: what is a series stays, the others begin anew.
            self._names.clear()
            self._followed = {key: one for key, one in self._followed.items() if one.series >= 0}
        name = (pattern.id, entity)
        ids = dict.fromkeys((pattern.id, *pattern.merged))
        before = [key for one in ids if (key := (one, entity)) in self._followed]
        series = [key for key in before if self._followed[key].series >= 0]
        kept = series[0] if len(series) == 1 else name
        one = self._followed.setdefault(kept, _Followed(pattern, entity))
        for key in before:
            if key != kept:
                gone = self._followed.pop(key)
                one.absorb(gone)
                self._end(gone)
        self._names[stored, entity] = kept
        return one

    def _end(self, one: _Followed) -> None:
        """It is no series any more, which is told with the next windows."""
        if one.series >= 0:
            self._held[one.pattern.source] -= 1
            self._ended.append(one.series)

    def advance(self, now_unix_nano: int) -> MetricBatch:
        """Time has reached `now`: the samples of all windows that are complete."""
        samples = Samples()
        last = max(self._closed, self._grid.last_closed(now_unix_nano))
        cells = sorted(cell for cell in self._heard if cell <= last)
        for cell in cells:
            heard = self._heard.pop(cell)
            for one in self._followed.values():
                self._tell(samples, one, cell, heard)
        self._closed = last
        if cells:
            for series in self._ended:  # of these nothing was told with these windows
                samples.add(series, self._grid.end(last), STALE)
            self._ended.clear()
            self._forget(last)
        return samples.batch()

    def _tell(self, samples: Samples, one: _Followed, cell: int, heard: set[tuple[str, str]]) -> None:
        many = one.open.pop(cell, 0)
        if many:
            one.records += many
            one.windows += 1
            one.last_cell = cell
        if one.series < 0 and many and one.records >= RECORDS and one.windows >= WINDOWS:
            one.series = self._begin(one)
        if one.series >= 0 and (many or (one.pattern.source, one.entity) in heard):
            samples.add(one.series, self._grid.end(cell), float(many))

    def _begin(self, one: _Followed) -> int:
        source = one.pattern.source
        if len(self) >= self._max_series or self._held.get(source, 0) >= self._max_each:
            return -1
        self._held[source] = self._held.get(source, 0) + 1
        labels = (
            ("entity", one.entity),
            ("log", source),
            ("pattern", f"{one.pattern.id:016x}"),
            ("template", one.pattern.template[:_TEXT]),
        )
        return self._registry.intern(PATTERN_METRIC, labels, DERIVED_SOURCE, MetricKind.DELTA, "", one.entity)

    def _forget(self, last: int) -> None:
        """Let go patterns of which nothing came for a day."""
        old = last - _FORGET_NANOS // self._grid.step_nanos
        for name in [name for name, one in self._followed.items() if one.last_cell < old and not one.open]:
            self._end(self._followed.pop(name))
