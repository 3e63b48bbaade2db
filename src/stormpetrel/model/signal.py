"""Signals as columns: the batches that move through the pipeline, and what a series is.

A batch is a handful of equally long columns; nothing in the system hands single samples around.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# A Prometheus staleness marker: this very NaN says "the series ended here".
STALE_MARKER_BITS = 0x7FF0000000000002

# OpenTelemetry log data model, severity_number of the first value of each range.
SEVERITY_UNSET, SEVERITY_TRACE, SEVERITY_DEBUG, SEVERITY_INFO = 0, 1, 5, 9
SEVERITY_WARN, SEVERITY_ERROR, SEVERITY_FATAL = 13, 17, 21


class MetricKind(StrEnum):
    """How the numbers of a series are to be read."""

    GAUGE = "gauge"
    COUNTER = "counter"  # cumulative and monotonic; what is judged is its rate per second
    DELTA = "delta"  # counts since the previous sample
    UNKNOWN = "unknown"  # judged as a gauge


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One series: its id in this installation, and what the sender said of it.

    `labels` are sorted by name and do not hold `__name__`, which is `metric`.
    """

    series: int
    metric: str
    labels: tuple[tuple[str, str], ...]
    entity: str
    source: str
    kind: MetricKind = MetricKind.UNKNOWN
    unit: str = ""

    def label_map(self) -> Mapping[str, str]:
        """The labels as a mapping."""
        return dict(self.labels)

    def greatest(self) -> float:
        """The greatest value that makes sense: 1 for what is called a ratio, else infinity."""
        return 1.0 if self.metric.endswith("_ratio") else math.inf

    def text(self) -> str:
        """The series as PromQL would select it.

        >>> SeriesInfo(1, "up", (("job", "node"),), "job:node", "prometheus").text()
        'up{job="node"}'
        """
        inner = ",".join(f'{k}="{_escape(v)}"' for k, v in self.labels)
        return f"{self.metric}{{{inner}}}" if inner else self.metric


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclass(frozen=True, slots=True)
class MetricBatch:
    """Samples as three columns of length n, in order of arrival.

    Attributes:
        series: ids given by the series registry, uint32[n].
        time_unix_nano: event time of each sample, int64[n].
        value: float64[n]; NaN only where the sender sent NaN.
    """

    series: NDArray[np.uint32]
    time_unix_nano: NDArray[np.int64]
    value: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not (len(self.series) == len(self.time_unix_nano) == len(self.value)):
            raise ValueError("the columns of a metric batch differ in length")

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> MetricBatch:
        """The rows selected by a mask or by positions."""
        return MetricBatch(self.series[rows], self.time_unix_nano[rows], self.value[rows])

    @staticmethod
    def empty() -> MetricBatch:
        """A batch of no samples."""
        return MetricBatch(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.float64))

    @staticmethod
    def concat(batches: list[MetricBatch]) -> MetricBatch:
        """Several batches as one, in the order given."""
        if not batches:
            return MetricBatch.empty()
        if len(batches) == 1:
            return batches[0]
        return MetricBatch(
            np.concatenate([b.series for b in batches]),
            np.concatenate([b.time_unix_nano for b in batches]),
            np.concatenate([b.value for b in batches]),
        )


@dataclass(frozen=True, slots=True)
class AdmittedMetrics:
    """What the quality gate let through.

    Attributes:
        batch: the samples as the sender gave them; this is what is stored.
        signal: float64[n], what detectors judge: the value of a gauge, the per-second rate of a counter.
            NaN where there is nothing to judge (first sample of a counter, a reset, after a gap).
        resumed: bool[n], true where the series was silent before this sample for longer than its gap
            bound: what lay between is unknown, not normal.
    """

    batch: MetricBatch
    signal: NDArray[np.float64]
    resumed: NDArray[np.bool_]


_CLOCK_OFF_NANOS = 7 * 86_400 * 1_000_000_000

LOG_SCHEMA = pa.schema(
    [
        ("time_unix_nano", pa.int64()),
        ("observed_unix_nano", pa.int64()),
        ("entity", pa.string()),
        ("source", pa.string()),
        ("severity_number", pa.uint8()),
        ("body", pa.string()),
        ("attributes", pa.string()),  # a JSON object
        ("trace_id", pa.string()),  # 32 hex digits or ""
        ("span_id", pa.string()),  # 16 hex digits or ""
        ("request_token", pa.uint64()),  # hash of the request it came in; 0: none. See `ports.intake`
        ("pattern", pa.int64()),  # id of its pattern when it was admitted; 0: not mined
    ]
)

SPAN_SCHEMA = pa.schema(
    [
        ("start_unix_nano", pa.int64()),
        ("end_unix_nano", pa.int64()),
        ("entity", pa.string()),
        ("source", pa.string()),
        ("trace_id", pa.string()),
        ("span_id", pa.string()),
        ("parent_span_id", pa.string()),
        ("name", pa.string()),
        ("kind", pa.uint8()),  # OpenTelemetry SpanKind
        ("status_code", pa.uint8()),  # 0 unset, 1 ok, 2 error
        ("attributes", pa.string()),  # a JSON object
        ("request_token", pa.uint64()),
    ]
)


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Log records as an Arrow record batch of `LOG_SCHEMA`."""

    records: pa.RecordBatch

    def __post_init__(self) -> None:
        if not self.records.schema.equals(LOG_SCHEMA):
            raise ValueError("a log batch needs LOG_SCHEMA")

    def __len__(self) -> int:
        return int(self.records.num_rows)

    def observed_by(self, now_unix_nano: int) -> LogBatch:
        """The batch in which no record was observed later than now, whatever its sender says of that.

        For whatever believes the time of observation more than that of the event.
        """
        observed = self.records.column("observed_unix_nano").to_numpy()
        if not len(observed) or observed.max() <= now_unix_nano:
            return self
        capped = pa.array(np.minimum(observed, now_unix_nano), pa.int64())
        place = LOG_SCHEMA.get_field_index("observed_unix_nano")
        return LogBatch(self.records.set_column(place, LOG_SCHEMA.field(place), capped))

    def believed_unix_nano(self) -> NDArray[np.int64]:
        """int64[n]: event times; where a sender's clock is a week off or more, when the record was observed.

        For whatever reckons with ages: one record from 1970 would make its source half a century old.
        """
        time = self.records.column("time_unix_nano").to_numpy()
        observed = self.records.column("observed_unix_nano").to_numpy()
        off = (time < observed - _CLOCK_OFF_NANOS) | (time > observed + _CLOCK_OFF_NANOS)
        believed: NDArray[np.int64] = np.where(off, observed, time)
        return believed


@dataclass(frozen=True, slots=True)
class SpanBatch:
    """Spans as an Arrow record batch of `SPAN_SCHEMA`."""

    records: pa.RecordBatch

    def __post_init__(self) -> None:
        if not self.records.schema.equals(SPAN_SCHEMA):
            raise ValueError("a span batch needs SPAN_SCHEMA")

    def __len__(self) -> int:
        return int(self.records.num_rows)


@dataclass(frozen=True, slots=True)
class SeriesPoints:
    """One series over a window, down-sampled by the store to at most the points asked for.

    All arrays have one length; `low` and `high` are the extremes inside each step, so that a spike is
    never averaged away. `step_seconds` 0 means raw samples.
    """

    time_unix_nano: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    step_seconds: float = 0.0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One stored log record, for showing; the pipeline itself moves `LogBatch`."""

    time_unix_nano: int
    entity: str
    source: str
    severity_number: int
    body: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    pattern: int = 0
