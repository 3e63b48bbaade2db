"""Log records of an entity as series: `log_records` and `log_error_records{entity}`, DELTA counts a window.

For objectives over logs: which share of what an entity says may be errors. In a window in which an entity
said anything both are told, the errors as 0 if there were none; in others nothing is said, for unknown is not
zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stormpetrel.ingest.derive_series import DERIVED_SOURCE, STALE, Samples
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import SEVERITY_ERROR, LogBatch, MetricBatch, MetricKind
from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.ports.source import SeriesInterner

METRICS = ("log_records", "log_error_records")
_FORGET_NANOS = 24 * 3600 * NANOS_PER_SECOND
_AHEAD_CELLS = 1000


@dataclass(slots=True)
class _Speaker:
    """An entity: its two series, and when it spoke last."""

    series: tuple[int, int]
    last_cell: int = 0
    open: dict[int, list[int]] = field(default_factory=dict)  # window: all records, errors


class LevelSeries:
    """See the module. Deterministic in the records and the times of `advance`.

    Args:
        registry: gives series their ids.
        grid: the windows.
        max_entities: followed at a time; records of further ones are counted in `overflow`.
        start_unix_nano: when counting began; windows that began before are not told.
    """

    def __init__(
        self, registry: SeriesInterner, grid: WindowGrid, max_entities: int, start_unix_nano: int
    ) -> None:
        self._registry, self._grid, self._max = registry, grid, max_entities
        self._closed = grid.cell(start_unix_nano - 1)
        self._speakers: dict[str, _Speaker] = {}
        self.overflow = 0

    def __len__(self) -> int:
        """Entities followed now."""
        return len(self._speakers)

    def take(self, batch: LogBatch) -> None:
        """Count the records of a batch but late ones; vectorised, and Python for each entity and window."""
        if not len(batch):
            return
        records = batch.records
        cells = records.column("time_unix_nano").to_numpy() // self._grid.step_nanos
        good = np.flatnonzero((cells > self._closed) & (cells <= self._closed + _AHEAD_CELLS))
        coded = records.column("entity").dictionary_encode()
        names = [root_of(one) for one in coded.dictionary.to_pylist()]
        who = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        severe = records.column("severity_number").to_numpy() >= SEVERITY_ERROR
        pairs, inverse = np.unique(np.stack([who[good], cells[good]]), axis=1, return_inverse=True)
        inverse = inverse.ravel()
        many = np.bincount(inverse, minlength=pairs.shape[1])
        errors = np.bincount(inverse, weights=severe[good], minlength=pairs.shape[1])
        for k in range(pairs.shape[1]):
            self._count(names[int(pairs[0, k])], int(pairs[1, k]), (int(many[k]), int(errors[k])))

    def _count(self, name: str, cell: int, more: tuple[int, int]) -> None:
        one = self._speakers.get(name)
        if one is None:
            if len(self._speakers) >= self._max:
                self.overflow += more[0]
                return
            one = self._speakers[name] = _Speaker(
                (self._intern(METRICS[0], name), self._intern(METRICS[1], name))
            )
        counts = one.open.setdefault(cell, [0, 0])
        counts[0] += more[0]
        counts[1] += more[1]

    def _intern(self, metric: str, name: str) -> int:
        labels = (("entity", name),)
        return self._registry.intern(metric, labels, DERIVED_SOURCE, MetricKind.DELTA, "", name)

    def advance(self, now_unix_nano: int) -> MetricBatch:
        """Time has reached `now`: the samples of all windows that are complete, oldest first."""
        samples = Samples()
        last = max(self._closed, self._grid.last_closed(now_unix_nano))
        done = sorted(
            (cell, name) for name, one in self._speakers.items() for cell in one.open if cell <= last
        )
        for cell, name in done:
            one = self._speakers[name]
            one.last_cell = cell
            for series, many in zip(one.series, one.open.pop(cell), strict=True):
                samples.add(series, self._grid.end(cell), float(many))
        if done:
            self._forget(samples, last)
        self._closed = last
        return samples.batch()

    def _forget(self, samples: Samples, last: int) -> None:
        """Let go entities that said nothing for a day, and say that their series ended."""
        old = last - _FORGET_NANOS // self._grid.step_nanos
        for name in [name for name, one in self._speakers.items() if one.last_cell < old and not one.open]:
            for series in self._speakers.pop(name).series:
                samples.add(series, self._grid.end(last), STALE)
