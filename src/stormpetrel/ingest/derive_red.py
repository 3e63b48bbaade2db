"""RED of spans: requests, errors and durations by service and operation.

Counted are spans of the kinds SERVER and CONSUMER, in the window in which they end; a span failed when its
status is ERROR. `span_requests`, `span_errors`, `span_duration_seconds{quantile="0.5"|"0.9"|"0.99"}`
carry the
labels `service` and `operation` (see `derive_names`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.ingest.derive_names import MOST_LETTERS, OTHER, operation_of
from stormpetrel.ingest.derive_series import KeyedSeries
from stormpetrel.ingest.derive_windows import Rows, WindowGrid
from stormpetrel.model.signal import MetricBatch, SpanBatch
from stormpetrel.ports.source import SeriesInterner

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
FAILED = 2


@dataclass(frozen=True, slots=True)
class DeriveLimits:
    """Bounds of what is derived from spans.

    Attributes:
        grid: the windows.
        max_keys: operations (and, apart from them, edges) followed at a time.
        max_operations: operations of one service; further ones are counted as `other`.
        max_waiting: spans that wait for their other half.
    """

    grid: WindowGrid
    max_keys: int = 2000
    max_operations: int = 50
    max_waiting: int = 100_000


class RedSeries:
    """See the module. Deterministic: same spans, same samples, however they are cut into batches.

    While a service has no more than `max_operations` operations, their order does not matter either.
    Cost: vectorised over the batch, some microseconds for each distinct operation in it.
    """

    def __init__(self, registry: SeriesInterner, limits: DeriveLimits, start_unix_nano: int) -> None:
        self._most = limits.max_operations
        self.series = KeyedSeries("span", registry, limits.grid, limits.max_keys, start_unix_nano)

    def take(self, batch: SpanBatch) -> None:
        """Count the spans of a batch."""
        records = batch.records
        ends = records.column("end_unix_nano").to_numpy()
        self.series.hear(records.column("source"), ends)
        kinds = records.column("kind").to_numpy()
        rows = np.flatnonzero((kinds == SERVER) | (kinds == CONSUMER))
        if not len(rows):
            return
        entered = records.take(pa.array(rows))
        ends = ends[rows]
        failed = entered.column("status_code").to_numpy() == FAILED
        seconds = (ends - entered.column("start_unix_nano").to_numpy()) * 1e-9
        self.series.add(Rows(self._keys(entered, ends), ends, failed, seconds))

    def advance(self, now_unix_nano: int) -> MetricBatch:
        """The samples of all windows that are complete at `now`."""
        return self.series.advance(now_unix_nano)

    def _keys(self, records: pa.RecordBatch, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """The key of each row; 0 for rows that are not counted anyway, -1 where there is no room."""
        entity, entities = _coded(records.column("entity"))
        name, names = _coded(records.column("name"))
        keys = np.zeros(len(ends), np.int64)
        good = np.flatnonzero(self.series.windows.is_open(ends))
        if not len(good):
            return keys
        pairs, first, inverse = np.unique(
            entity[good] * len(names) + name[good], return_index=True, return_inverse=True
        )
        sources = records.column("source")
        cells = ends[good] // self.series.windows.grid.step_nanos
        lows, highs = _extremes(inverse, cells, len(pairs))
        numbers = np.empty(len(pairs), np.int64)
        for place in np.argsort(first).tolist():  # in order of arrival: the first operations have a name
            who, what = divmod(int(pairs[place]), len(names))
            source = sources[int(good[first[place]])].as_py()
            numbers[place] = self._key(
                entities[who], names[what], source, (int(lows[place]), int(highs[place]))
            )
        keys[good] = numbers[inverse]
        return keys

    def _key(self, entity: str, name: str, source: str, cells: tuple[int, int]) -> int:
        service = service_of(entity)
        labels = (("service", service), ("operation", operation_of(name)))
        if labels not in self.series and self.series.held[service] >= self._most:
            labels = (("service", service), ("operation", OTHER))
        return self.series.key(labels, entity, source, cells)


def service_of(entity: str) -> str:
    """The name of a service entity; another entity stands for itself.

    >>> service_of("service:checkout"), service_of("host:web-1")
    ('checkout', 'host:web-1')
    """
    return entity.removeprefix("service:")[:MOST_LETTERS]


def _coded(column: pa.Array) -> tuple[NDArray[np.int64], list[str]]:
    """A number for each row, and what the numbers stand for."""
    coded = column.dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


def _extremes(
    group: NDArray[np.int64], values: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Least and greatest value of each group."""
    low = np.full(groups, np.iinfo(np.int64).max)
    high = np.full(groups, np.iinfo(np.int64).min)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return low, high
