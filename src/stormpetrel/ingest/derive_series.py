"""Requests, failures and durations by key as series of samples: what spans and edges have in common.

Per window of the grid and key: `PREFIX_requests` and `PREFIX_errors` are DELTA counts, so that their sums are
exact and detectors read them as rates; `PREFIX_error_ratio` and `PREFIX_duration_seconds{quantile=…}` are
gauges. The ratio is drawn towards the key's usual one, see `derive_ratio`. A known key of
which nothing came has zero requests while its source spoke in that window, else nothing is said: unknown is
not zero. A quantile that stops for want of requests is marked as ended, not as missing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.ingest.derive_ratio import UsualRatio
from stormpetrel.ingest.derive_windows import QUANTILES, Counted, CountWindows, Rows, WindowGrid
from stormpetrel.ingest.series import REFUSED_SERIES
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind
from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.ports.source import SeriesInterner

DERIVED_SOURCE = "derived"
STALE = float(np.array([STALE_MARKER_BITS], np.uint64).view(np.float64)[0])
# A key of which nothing came for this long gives its place to another.
_FORGET_NANOS = 3600 * NANOS_PER_SECOND
_QUANTILE_TEXTS = tuple(str(q) for q in QUANTILES)

Labels = tuple[tuple[str, str], ...]


class Samples:
    """Samples in the making."""

    def __init__(self) -> None:
        self._series: list[int] = []
        self._times: list[int] = []
        self._values: list[float] = []

    def add(self, series: int, time_unix_nano: int, value: float) -> None:
        """One sample; of a series that was refused there is none."""
        if series != REFUSED_SERIES:
            self._series.append(series)
            self._times.append(time_unix_nano)
            self._values.append(value)

    def batch(self) -> MetricBatch:
        """All of them, in order."""
        return MetricBatch(
            np.array(self._series, np.uint32),
            np.array(self._times, np.int64),
            np.array(self._values, np.float64),
        )


@dataclass(slots=True)
class _Key:
    labels: Labels
    source: str
    first_cell: int
    last_cell: int
    requests: int
    errors: int
    ratio: int
    quantiles: tuple[int, ...]
    given: list[bool] = field(default_factory=lambda: [False] * len(QUANTILES))
    ratio_given: bool = False
    usual: UsualRatio = field(default_factory=UsualRatio)


class KeyedSeries:
    """The series of one family. Deterministic; driven by `advance` alone.

    Args:
        prefix: what the metrics' names begin with.
        registry: gives series their ids.
        grid: the windows.
        max_keys: keys followed at a time; rows of further ones are dropped and counted.
        start_unix_nano: when counting began.
    """

    def __init__(
        self, prefix: str, registry: SeriesInterner, grid: WindowGrid, max_keys: int, start_unix_nano: int
    ) -> None:
        self._prefix = prefix
        self._registry = registry
        self._keys: dict[Labels, int] = {}
        self._rows: dict[int, _Key] = {}
        self._free = list(range(max_keys - 1, -1, -1))
        self._heard: dict[int, set[str]] = {}  # open window: sources that spoke in it
        self.held: Counter[str] = Counter()  # keys by the value of their first label
        self.windows = CountWindows(grid, max_keys, start_unix_nano)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, labels: object) -> bool:
        return labels in self._keys

    def key(self, labels: Labels, entity: str, source: str, cells: tuple[int, int]) -> int:
        """The number of a key, new or known; -1 when there is no room for it.

        Args:
            labels: what tells it from others.
            entity: who its series are about.
            source: who spoke of it.
            cells: the first and the last window in which rows of it come now; both open.
        """
        number = self._keys.get(labels)
        if number is None:
            if not self._free:
                return -1
            number = self._free.pop()
            self._keys[labels] = number
            self.held[labels[0][1]] += 1
            self._rows[number] = self._new(labels, entity, source, cells)
        row = self._rows[number]
        row.source = source
        row.first_cell, row.last_cell = min(row.first_cell, cells[0]), max(row.last_cell, cells[1])
        return number

    def _new(self, labels: Labels, entity: str, source: str, cells: tuple[int, int]) -> _Key:
        def series(name: str, kind: MetricKind, extra: Labels = (), unit: str = "") -> int:
            return self._registry.intern(
                f"{self._prefix}_{name}", (*labels, *extra), DERIVED_SOURCE, kind, unit, entity
            )

        quantiles = tuple(
            series("duration_seconds", MetricKind.GAUGE, (("quantile", text),), "s")
            for text in _QUANTILE_TEXTS
        )
        requests, errors = series("requests", MetricKind.DELTA), series("errors", MetricKind.DELTA)
        ratio = series("error_ratio", MetricKind.GAUGE, (), "1")
        return _Key(labels, source, *cells, requests, errors, ratio, quantiles)

    def hear(self, source: pa.Array, time_unix_nano: NDArray[np.int64]) -> None:
        """These sources spoke at these times, whatever they said."""
        good = self.windows.is_open(time_unix_nano)
        cells = (time_unix_nano // self.windows.grid.step_nanos)[good]
        named = source.filter(pa.array(good)).dictionary_encode()
        codes = named.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        names = named.dictionary.to_pylist()
        for cell, code in set(zip(cells.tolist(), codes.tolist(), strict=True)):
            self._heard.setdefault(cell, set()).add(names[code])

    def add(self, rows: Rows) -> None:
        """Count rows whose keys are numbers of `key`; those without a place are dropped and counted."""
        placed = rows.key >= 0
        if not placed.all():
            self.windows.dropped.overflow += int((~placed).sum())
            rows = Rows(
                rows.key[placed], rows.time_unix_nano[placed], rows.failed[placed], rows.seconds[placed]
            )
        if len(rows.key):
            self.windows.add(rows)

    def advance(self, now_unix_nano: int) -> MetricBatch:
        """Time has reached `now`: the samples of all windows that are complete."""
        samples = Samples()
        last = self.windows.closing(now_unix_nano)
        counted = {one.cell: one for one in self.windows.close(now_unix_nano)}
        cells = sorted(cell for cell in counted.keys() | self._heard.keys() if cell <= last)
        for cell in cells:
            self._tell(samples, cell, counted.get(cell), self._heard.pop(cell, set()))
        self._forget(samples, last)
        return samples.batch()

    def _tell(self, samples: Samples, cell: int, counted: Counted | None, heard: set[str]) -> None:
        time = self.windows.grid.end(cell)
        for number, row in sorted(self._rows.items()):
            known = counted is not None and number < len(counted.requests)
            requests = int(counted.requests[number]) if counted is not None and known else 0
            if not requests and (row.source not in heard or row.first_cell > cell):
                continue
            failures = int(counted.failures[number]) if counted is not None and known else 0
            samples.add(row.requests, time, float(requests))
            samples.add(row.errors, time, float(failures))
            if requests or row.ratio_given:
                samples.add(row.ratio, time, row.usual.drawn(requests, failures) if requests else STALE)
            row.ratio_given = requests > 0
            for place, series in enumerate(row.quantiles):
                value = counted.quantiles[number, place] if counted is not None and known else np.nan
                given = bool(np.isfinite(value))
                if given or row.given[place]:
                    samples.add(series, time, float(value) if given else STALE)
                row.given[place] = given

    def _forget(self, samples: Samples, last: int) -> None:
        """Give up keys of which nothing came for long, and say that their series ended."""
        grid = self.windows.grid
        old = last - _FORGET_NANOS // grid.step_nanos
        for number in [number for number, row in self._rows.items() if row.last_cell < old]:
            row = self._rows.pop(number)
            del self._keys[row.labels]
            self.held[row.labels[0][1]] -= 1
            self._free.append(number)
            given = [series for series, given in zip(row.quantiles, row.given, strict=True) if given]
            given += [row.ratio] if row.ratio_given else []
            for series in (row.requests, row.errors, *given):
                samples.add(series, grid.end(last), STALE)
