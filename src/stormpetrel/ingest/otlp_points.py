"""OTLP data points: each kind of point as samples of series."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest.native_histograms import (
    MAX_BUCKETS,
    MAX_CUSTOM_BOUNDS,
    STALE,
    Buckets,
    HistogramError,
    NativeHistogram,
    bound_text,
    fixed_bounds,
    flatten,
    spread,
)
from stormpetrel.ingest.otlp_values import INT64_MAX, label_map
from stormpetrel.ingest.remote_write_labels import MAX_LABEL_BYTES, MAX_LABELS
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.resource import UNKNOWN_ENTITY
from stormpetrel.model.signal import MetricKind

MAX_NAME_BYTES = 1024

# Samples of one request; a histogram point is as many as it has buckets.
MAX_SAMPLES = 5_000_000

_NO_RECORDED_VALUE = 1
_DELTA, _CUMULATIVE = 1, 2


@dataclass(frozen=True, slots=True)
class Identity:
    """What all points of a scope share: labels from resource and scope, and the resource's entity."""

    labels: dict[str, str]
    entity: str


@dataclass(frozen=True, slots=True)
class _Origin:
    """One data point: whose series it belongs to, its time, and since when it counts (0: not said)."""

    metric: str
    unit: str
    kind: MetricKind
    entity: str
    labels: dict[str, str]
    time_unix_nano: int
    start_unix_nano: int = 0


class Points:
    """Collects the samples of one request, and what of it is refused.

    Attributes:
        series: ids, one a sample.
        times: Unix nanoseconds, one a sample.
        values: one a sample.
        starts: Unix nanoseconds since when the sample's series counts, 0 where not said; one a sample.
        tally: refused data points by reason.
    """

    def __init__(self, registry: SeriesRegistry, source: str, received_unix_nano: int) -> None:
        self.series: list[int] = []
        self.times: list[int] = []
        self.values: list[float] = []
        self.starts: list[int] = []
        self.tally = RejectTally()
        self._registry = registry
        self._source = source
        self._received = received_unix_nano

    def add(self, metric: Any, identity: Identity) -> None:
        """All points of a Metric message.

        Raises:
            TooLargeError: the request has come to more than `MAX_SAMPLES` samples.
        """
        shape = metric.WhichOneof("data")
        if shape is None:
            self.tally.add("no_points", 1, metric.name[:80])
            return
        points = getattr(metric, shape).data_points
        if not metric.name or len(metric.name) > MAX_NAME_BYTES:
            self.tally.add("bad_metric_name", len(points), metric.name[:80])
            return
        kind = _kind(metric, shape)
        write = _WRITERS[shape]
        for point in points:
            if len(self.series) > MAX_SAMPLES:
                raise TooLargeError(
                    f"the request holds more than {MAX_SAMPLES} samples: send smaller requests"
                )
            labels = {**identity.labels, **label_map(point.attributes)}
            fault = _fault(labels, point)
            if fault:
                self.tally.add(fault, 1, metric.name[:80])
                continue
            entity = identity.entity
            # A resource that names nobody: the point's own labels may.
            entity = "" if entity == UNKNOWN_ENTITY else entity
            time = point.time_unix_nano or self._received
            start = point.start_time_unix_nano if point.start_time_unix_nano <= INT64_MAX else 0
            write(self, _Origin(metric.name, metric.unit, kind, entity, labels, time, start), point)

    def put(
        self, origin: _Origin, suffix: str, value: float, extra: dict[str, str] | None = None, unit: str = ""
    ) -> None:
        """One sample of the series `origin.metric + suffix`."""
        labels = {**origin.labels, **extra} if extra else origin.labels
        self.series.append(
            self._registry.intern(
                origin.metric + suffix, labels, self._source, origin.kind, unit, origin.entity
            )
        )
        self.times.append(origin.time_unix_nano)
        self.values.append(value)
        self.starts.append(origin.start_unix_nano)


def _kind(metric: Any, shape: str) -> MetricKind:
    """Sums and histograms say how they count; gauges and the quantiles of summaries are gauges."""
    if shape == "gauge":
        return MetricKind.GAUGE
    if shape == "summary":
        return MetricKind.COUNTER
    temporality = getattr(metric, shape).aggregation_temporality
    if temporality == _DELTA:
        return MetricKind.DELTA
    if temporality != _CUMULATIVE:
        return MetricKind.UNKNOWN
    return MetricKind.COUNTER if shape != "sum" or metric.sum.is_monotonic else MetricKind.GAUGE


def _fault(labels: dict[str, str], point: Any) -> str:
    if len(labels) > MAX_LABELS:
        return "too_many_labels"
    if sum(len(name) + len(value) for name, value in labels.items()) > MAX_LABEL_BYTES:
        return "labels_too_long"
    return "time_out_of_range" if point.time_unix_nano > INT64_MAX else ""


def _number(points: Points, origin: _Origin, point: Any) -> None:
    if point.flags & _NO_RECORDED_VALUE:
        points.put(origin, "", STALE, unit=origin.unit)
        return
    shape = point.WhichOneof("value")
    if shape is None:
        points.tally.add("no_value", 1, origin.metric[:80])
        return
    points.put(origin, "", float(getattr(point, shape)), unit=origin.unit)


def _totals(points: Points, origin: _Origin, point: Any) -> bool:
    """Count and sum; false when the point has no recorded value."""
    recorded = not point.flags & _NO_RECORDED_VALUE
    points.put(origin, "_count", float(point.count) if recorded else STALE)
    # A histogram of values that may be negative has no sum; a summary always has.
    if not recorded or point.DESCRIPTOR.name == "SummaryDataPoint" or point.HasField("sum"):
        points.put(origin, "_sum", point.sum if recorded else STALE, unit=origin.unit)
    return recorded


def _exponential(points: Points, origin: _Origin, point: Any) -> None:
    if point.flags & _NO_RECORDED_VALUE:
        _totals(points, origin, point)
        for edge in fixed_bounds():
            points.put(origin, "_bucket", STALE, {"le": edge})
        return
    try:
        flat = flatten(
            NativeHistogram(
                schema=point.scale,
                count=float(point.count),
                zero_count=float(point.zero_count),
                zero_threshold=point.zero_threshold,
                positive=_dense(point.positive),
                negative=_dense(point.negative),
            )
        )
    except HistogramError as error:
        points.tally.add(str(error), 1, origin.metric[:80])
        return
    _totals(points, origin, point)
    for edge, count in zip(flat.le, flat.counts.tolist(), strict=True):
        points.put(origin, "_bucket", count, {"le": edge})


def _dense(buckets: Any) -> Buckets:
    """OTLP's run of buckets; its bucket 0 lies above 1, which is bucket 1 here."""
    if len(buckets.bucket_counts) > MAX_BUCKETS:
        raise HistogramError("too_many_buckets")
    counts = np.array(list(buckets.bucket_counts), np.float64)
    return spread([buckets.offset + 1], [len(counts)], counts)


def _histogram(points: Points, origin: _Origin, point: Any) -> None:
    edges_told, counts_told = len(point.explicit_bounds), len(point.bucket_counts)
    # Before they are taken out: packed numbers are four times as large in a list.
    shaped = edges_told < MAX_CUSTOM_BOUNDS and counts_told in (0, edges_told + 1)
    bounds = list(point.explicit_bounds) if shaped else []
    if not shaped or not _rising(bounds):
        points.tally.add("bad_buckets", 1, origin.metric[:80])
        return
    if not _totals(points, origin, point) or not counts_told:
        return
    edges = itertools.chain(map(bound_text, bounds), ("+Inf",))
    for edge, count in zip(edges, itertools.accumulate(point.bucket_counts), strict=True):
        points.put(origin, "_bucket", float(count), {"le": edge})


def _rising(bounds: list[float]) -> bool:
    """Are these finite and ever greater? Two equal ones would be one series."""
    if not bounds:
        return True
    finite = bounds[0] > -math.inf and bounds[-1] < math.inf
    return finite and all(low < high for low, high in itertools.pairwise(bounds))


def _summary(points: Points, origin: _Origin, point: Any) -> None:
    quantiles = [one.quantile for one in point.quantile_values]
    if len(quantiles) > MAX_CUSTOM_BOUNDS or not all(0 <= quantile <= 1 for quantile in quantiles):
        points.tally.add("bad_quantiles", 1, origin.metric[:80])
        return
    if not _totals(points, origin, point):
        return
    gauge = _Origin(
        origin.metric, origin.unit, MetricKind.GAUGE, origin.entity, origin.labels, origin.time_unix_nano
    )
    for one in point.quantile_values:
        points.put(gauge, "", one.value, {"quantile": bound_text(one.quantile)}, origin.unit)


_WRITERS: dict[str, Callable[[Points, _Origin, Any], None]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
