"""The telemetry store port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.finding import Finding
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.query import (
    CallTally,
    GridSamples,
    LastSamples,
    LogCounts,
    LogQuery,
    PatternRows,
    PatternTally,
    SampleSpans,
    TableSize,
)
from stormpetrel.model.records import Alert, AlertBatch, Change, ChangeBatch, Flow, FlowBatch
from stormpetrel.model.signal import (
    LogBatch,
    LogRecord,
    MetricBatch,
    SeriesInfo,
    SeriesPoints,
    SpanBatch,
)
from stormpetrel.model.time import Window


class StoredPast(Protocol):
    """What a diagnosis and a verification read of a store; a flight hands them one that ends at its own time.

    Contract: as of `TelemetryStore`, which every store is.
    """

    def read_points(self, series: int, window: Window, max_points: int) -> SeriesPoints:
        """One series, down-sampled in the store to at most `max_points` (raw when fewer)."""
        ...

    def grid_samples(self, window: Window, step_seconds: float, limit: int) -> GridSamples:
        """Mean and highest sample of each series and step, by series; of the `limit` first series there."""
        ...

    def tally_patterns(self, window: Window, step_seconds: float, limit: int) -> PatternTally:
        """Log records by step, entity and pattern; the `limit` rows with the most records."""
        ...

    def tally_calls(self, window: Window, step_seconds: float, spans: int, limit: int) -> CallTally:
        """Calls by step, caller, callee, name and whether they failed, from the `spans` newest spans; the
        `limit` rows with the most calls."""
        ...

    def read_changes(self, window: Window, limit: int = 500) -> list[Change]:
        """The newest message about each change of the window, newest first."""
        ...


class TelemetryStore(StoredPast, Protocol):
    """Keeps samples, series, logs, spans, findings and the quarantine.

    Contract (run by `stormpetrel.testing.check_store`):
    - an insert that returned is durable against the death of the process (`kill -9`);
    - an insert that raised left nothing, or all; repeating it with the same `token` leaves it once;
    - reads see every insert that returned before;
    - times come back exactly, to the nanosecond; values bit for bit;
    - methods may be called from several threads at once;
    - `StoreFullError` when the device is full, `StoreError` for the rest, and the store works on
      when the cause is gone.
    """

    def insert_series(self, series: Sequence[SeriesInfo]) -> None:
        """Register series; a series given again replaces what was known of it."""
        ...

    def insert_samples(self, batch: MetricBatch, token: str) -> None:
        """Store samples of registered series."""
        ...

    def insert_quarantine(self, quarantined: Quarantined, token: str) -> None:
        """Store samples apart, where nothing learns from them."""
        ...

    def insert_logs(self, batch: LogBatch, token: str) -> None:
        """Store log records."""
        ...

    def insert_spans(self, batch: SpanBatch, token: str) -> None:
        """Store spans."""
        ...

    def insert_records(self, batch: FlowBatch | AlertBatch | ChangeBatch, token: str) -> None:
        """Store network flows, alerts of other systems, or changes."""
        ...

    def insert_findings(self, findings: Sequence[Finding]) -> None:
        """Store finding changes; the newest change of an id is what `read_findings` returns."""
        ...

    def all_series(self) -> Iterator[SeriesInfo]:
        """Every registered series, by id."""
        ...

    def last_samples(self, since_unix_nano: int) -> LastSamples:
        """The newest sample of each series that has one since then."""
        ...

    def scan_samples(self, window: Window, chunk_seconds: float = 900.0) -> Iterator[MetricBatch]:
        """All samples of the window ordered by (time, series), in chunks of time: for replay."""
        ...

    def scan_bursts(
        self, series: Sequence[int], window: Window, every_seconds: float, burst_seconds: float
    ) -> MetricBatch:
        """Of a few series only the raw samples of one short run in every step of time, by (series, time).

        Where in its step a run lies changes from step to step, always in the same way: the steps of a
        schedule are not met each time. For learning from a past too long to be read whole.
        """
        ...

    def sample_spans(self, window: Window) -> SampleSpans:
        """How many samples each series has in the window, and its first and last time there."""
        ...

    def count_samples(self, window: Window, step_seconds: float) -> NDArray[np.int64]:
        """How many samples all series have in each step from the start of the window on."""
        ...

    def scan_series(self, series: Sequence[int], window: Window) -> MetricBatch:
        """Raw samples of a few series, ordered by (time, series)."""
        ...

    def scan_logs(self, window: Window, chunk_seconds: float = 900.0) -> Iterator[LogBatch]:
        """All log records of the window ordered by time (ties in a fixed order), for replay."""
        ...

    def read_logs(self, query: LogQuery) -> list[LogRecord]:
        """Log records that match, at most `query.limit`, by time and in a fixed order within a moment."""
        ...

    def count_logs(self, query: LogQuery, buckets: int) -> LogCounts:
        """Log records per time bucket and severity; the place in the list is ignored."""
        ...

    def count_patterns(self, query: LogQuery, buckets: int) -> PatternRows:
        """Matching records by pattern, the `query.limit` patterns with the most; the place in the list is
        ignored. Records that were not mined are pattern 0."""
        ...

    def read_spans(self, window: Window, limit: int = 200, trace_id: str = "") -> SpanBatch:
        """Spans that start in the window, newest first."""
        ...

    def read_findings(self, window: Window, limit: int = 500) -> list[Finding]:
        """The newest state of findings that overlap the window, newest start first."""
        ...

    def read_alerts(self, window: Window, limit: int = 500) -> list[Alert]:
        """The newest state of each alert that was told of in the window, newest first."""
        ...

    def read_flows(self, window: Window, limit: int = 500, address: str = "") -> list[Flow]:
        """Flows that start in the window, newest first; of one address, as source or destination."""
        ...

    def drop_quarantine(self, window: Window, series: Sequence[int] | None = None) -> None:
        """Delete quarantined samples of the window, of some series or of all."""
        ...

    def read_quarantine(self, window: Window, limit: int = 200, series: int | None = None) -> Quarantined:
        """Quarantined samples, newest first."""
        ...

    def recent_tokens(self, since_unix_nano: int) -> NDArray[np.uint64]:
        """Distinct request tokens of records of every kind *stored* since then (insertion time)."""
        ...

    def table_sizes(self) -> list[TableSize]:
        """Rows and bytes per table."""
        ...

    def close(self) -> None:
        """Flush and release; later calls raise StoreError."""
        ...
