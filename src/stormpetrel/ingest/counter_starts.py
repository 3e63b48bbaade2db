"""Counters that began anew, told by their senders: remote write's created timestamp, OTLP's start time.

A counter that restarts and soon counts more than before looks as if it had gone on. Where its sender says
since when it counts, and that moment lies behind its newest sample, a zero at that moment goes before the
next one: admission then sees the restart, and the rate behind it is right. Prometheus does the same (its
created-timestamp zero ingestion).
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.series import KIND_CODES, REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.signal import MetricBatch, MetricKind

_COUNTER = KIND_CODES[MetricKind.COUNTER]


class CounterStarts:
    """The newest sample of each counter whose sender says since when it counts. Thread-safe; 8 bytes a
    series.

    A start behind the newest sample is a restart; one before it is not, however it moves: senders that work
    it out from an uptime say it a little differently each time. A request that is refused after decoding and
    sent again brings no second zero: its restarts are then seen as all others are, by values that went down.
    What is not known as a counter is let alone.

    Args:
        registry: knows the kinds.
    """

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._newest = np.zeros(1024, np.int64)

    def with_zeros(self, batch: MetricBatch, start_unix_nano: NDArray[np.int64]) -> MetricBatch:
        """The batch with a zero before each first sample of a counter that was started again. O(rows).

        A start that is not before its sample is none: senders that do not know it say so that way.

        Args:
            batch: samples in order of arrival.
            start_unix_nano: int64[n], since when the sample's series counts; 0: not said.
        """
        rows = np.flatnonzero((start_unix_nano > 0) & (batch.series != REFUSED_SERIES))
        rows = rows[self._registry.kind_codes()[batch.series[rows]] == _COUNTER]
        if not len(rows):
            return batch
        series, starts, times = batch.series[rows], start_unix_nano[rows], batch.time_unix_nano[rows]
        with self._lock:
            self._grow(int(series.max()))
            newest = self._newest[series]
            again = (newest > 0) & (newest < starts) & (starts < times)
            np.maximum.at(self._newest, series, times)
        if not again.any():
            return batch
        # Of several samples of one series the first brings the zero.
        _, first = np.unique(series[again], return_index=True)
        at, when = rows[again][first], starts[again][first]
        return MetricBatch(
            np.insert(batch.series, at, batch.series[at]),
            np.insert(batch.time_unix_nano, at, when),
            np.insert(batch.value, at, 0.0),
        )

    def _grow(self, series: int) -> None:
        if series >= len(self._newest):
            grown = np.zeros(max(2 * len(self._newest), series + 1), np.int64)
            grown[: len(self._newest)] = self._newest
            self._newest = grown
