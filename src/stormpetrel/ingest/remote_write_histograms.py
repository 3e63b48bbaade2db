"""Native histograms of remote write, 1.0 and 2.0: messages to rows of classic series.

`native_histograms` says which bounds there are. Of a histogram `NAME` come `NAME_count`, `NAME_sum` and
`NAME_bucket{le}`: gauges where the sender calls it a gauge histogram, else counters. A staleness marker ends
all series that the histogram had.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError as ProtobufError
from numpy.typing import NDArray

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest.native_histograms import (
    CUSTOM_SCHEMA,
    STALE,
    Buckets,
    HistogramError,
    NativeHistogram,
    flatten,
    spread,
    undo_deltas,
)
from stormpetrel.ingest.remote_write_labels import LabelPairs
from stormpetrel.ingest.remote_write_proto import Histogram
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind

# Histograms of one request: each takes some hundred microseconds when it is new.
MAX_HISTOGRAMS = 20_000

# Bytes of one histogram: 10,000 buckets of float counts fit.
MAX_HISTOGRAM_BYTES = 256 << 10

# Rows that the histograms of one request may come to.
MAX_ROWS = 2_000_000

# Histograms whose series are remembered: some 60 MB at most.
MAX_LAYOUTS = 50_000

# Milliseconds whose nanoseconds still fit int64.
MAX_MILLIS = 9_223_372_036_854

_GAUGE_HINT = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """One histogram as sent: whose it is, its message, since when it counts (milliseconds; 0: not said)."""

    metric: str
    labels: LabelPairs
    message: bytes
    unit: str = ""
    created_millis: int = 0


@dataclass(slots=True)
class HistogramRows:
    """Rows of one request's histograms, in order."""

    series: list[NDArray[np.uint32]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    millis: list[int] = field(default_factory=list)
    created: list[int] = field(default_factory=list)
    total: int = 0

    def add(self, series: NDArray[np.uint32], values: NDArray[np.float64], millis: int, created: int) -> None:
        """The rows of one histogram.

        Raises:
            TooLargeError: the request has come to more than `MAX_ROWS` rows.
        """
        self.total += len(series)
        if self.total > MAX_ROWS:
            raise TooLargeError(f"the histograms come to more than {MAX_ROWS} samples: send smaller requests")
        self.series.append(series)
        self.values.append(values)
        self.millis.append(millis)
        self.created.append(created)

    def columns(
        self,
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Series, milliseconds, values, and since when each counts (milliseconds)."""
        lengths = [len(series) for series in self.series]
        return (
            np.concatenate([np.empty(0, np.uint32), *self.series]),
            np.repeat(np.array(self.millis, np.int64), lengths),
            np.concatenate([np.empty(0, np.float64), *self.values]),
            np.repeat(np.array(self.created, np.int64), lengths),
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """The series of one histogram: count, sum, then a bucket for each `le`."""

    kind: MetricKind
    unit: str
    le: tuple[str, ...]
    series: NDArray[np.uint32]


class HistogramSeries:
    """Turns histograms into rows and remembers the series of each. Not thread-safe: decoders hold their lock.

    Args:
        registry: gives the series their ids.
        max_layouts: histograms remembered; beyond it all are forgotten, and learnt anew.
    """

    def __init__(self, registry: SeriesRegistry, max_layouts: int = MAX_LAYOUTS) -> None:
        self._registry = registry
        self._max_layouts = max_layouts
        self._layouts: dict[tuple[str, tuple[tuple[str, str], ...]], _Layout] = {}

    def add(self, sent: Sent, source: str, rows: HistogramRows) -> bool:
        """The rows of one histogram; false when the source may not have all series that it needs.

        Series that it had and has no more, because its own bounds changed, end here.

        Raises:
            HistogramError: the reason why it is refused.
            TooLargeError: see `HistogramRows.add`.
        """
        message = _parse(sent.message)
        if abs(message.timestamp) > MAX_MILLIS:
            raise HistogramError("time_out_of_range")
        key = (sent.metric, tuple(sent.labels))
        known = self._layouts.get(key)
        if message.sum == STALE_MARKER_BITS:
            ended = known.series if known else self._totals(sent, source)
            rows.add(ended, np.full(len(ended), STALE), message.timestamp, 0)
            return bool((ended != UNKNOWN_ID).all())
        flat = flatten(_read(message))
        kind = MetricKind.GAUGE if message.reset_hint == _GAUGE_HINT else MetricKind.COUNTER
        layout = known
        if layout is None or (layout.kind, layout.unit, layout.le) != (kind, sent.unit, flat.le):
            layout = self._intern(sent, source, kind, flat.le)
            self._remember(key, layout)
            gone = np.setdiff1d(known.series, layout.series) if known else layout.series[:0]
            if len(gone):
                rows.add(gone, np.full(len(gone), STALE), message.timestamp, 0)
        total = np.array([flat.counts[-1], _as_float(message.sum)])
        created = message.start_timestamp or sent.created_millis
        rows.add(layout.series, np.concatenate((total, flat.counts)), message.timestamp, created)
        return bool((layout.series != UNKNOWN_ID).all())

    def _totals(self, sent: Sent, source: str) -> NDArray[np.uint32]:
        """Count and sum of a histogram that is not remembered."""
        names = (f"{sent.metric}_count", f"{sent.metric}_sum")
        return np.array([self._registry.intern(name, sent.labels, source) for name in names], np.uint32)

    def _intern(self, sent: Sent, source: str, kind: MetricKind, le: tuple[str, ...]) -> _Layout:
        intern, labels = self._registry.intern, dict(sent.labels)
        count = intern(f"{sent.metric}_count", labels, source, kind)
        if count == UNKNOWN_ID:  # no room for the first, so for none: forty questions less each time
            return _Layout(kind, sent.unit, le, np.full(2 + len(le), UNKNOWN_ID, np.uint32))
        ids = [
            count,
            intern(f"{sent.metric}_sum", labels, source, kind, sent.unit),
            *(intern(f"{sent.metric}_bucket", {**labels, "le": bound}, source, kind) for bound in le),
        ]
        return _Layout(kind, sent.unit, le, np.array(ids, np.uint32))

    def _remember(self, key: tuple[str, tuple[tuple[str, str], ...]], layout: _Layout) -> None:
        """A layout with a refused series is not remembered: room may come back."""
        if (layout.series == UNKNOWN_ID).any():
            self._layouts.pop(key, None)
            return
        if len(self._layouts) >= self._max_layouts:
            self._layouts.clear()
        self._layouts[key] = layout


def _parse(message: bytes) -> Any:
    if len(message) > MAX_HISTOGRAM_BYTES:
        raise HistogramError("too_many_buckets")
    try:
        return Histogram.FromString(message)
    except ProtobufError:
        raise HistogramError("bad_histogram") from None


def _as_float(bits: int) -> float:
    return float(np.array([bits], np.uint64).view(np.float64)[0])


def _read(message: Any) -> NativeHistogram:
    """What a Histogram message says.

    Raises:
        HistogramError: what it says of its buckets cannot be.
    """
    zero_count = message.zero_count_int + message.zero_count_float
    if message.schema == CUSTOM_SCHEMA and (message.negative_spans or zero_count):
        raise HistogramError("bad_buckets")
    return NativeHistogram(
        schema=message.schema,
        count=message.count_int + message.count_float,
        zero_count=zero_count,
        zero_threshold=message.zero_threshold,
        positive=_buckets(message.positive_spans, message.positive_deltas, message.positive_counts),
        negative=_buckets(message.negative_spans, message.negative_deltas, message.negative_counts),
        bounds=tuple(message.custom_values),
    )


def _buckets(spans: Any, deltas: Any, counts: Any) -> Buckets:
    if deltas and counts:
        raise HistogramError("bad_buckets")
    held = undo_deltas(list(deltas)) if deltas else np.array(list(counts), np.float64)
    return spread([span.offset for span in spans], [span.length for span in spans], held)
