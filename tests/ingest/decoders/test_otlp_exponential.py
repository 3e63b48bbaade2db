"""OTLP: exponential histograms as classic series, and points that say since when they count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from stormpetrel.ingest.native_histograms import fixed_bounds
from stormpetrel.ingest.otlp_metrics import OtlpMetricsDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind

DELTA, CUMULATIVE = 1, 2


class Sender:
    def __init__(self) -> None:
        self.registry = SeriesRegistry()
        self.decoder = OtlpMetricsDecoder(self.registry, 1 << 22)

    def send(self, message: Any) -> Decoded:
        body = message.SerializeToString()
        return self.decoder.decode(PushRequest(body, "application/x-protobuf", "", "/v1/metrics", "s", 7))

    def rows(self, decoded: Decoded) -> list[tuple[str, int, float]]:
        assert decoded.metrics is not None
        batch = decoded.metrics
        columns = (batch.series.tolist(), batch.time_unix_nano.tolist(), batch.value.tolist())
        return [(self.registry.info(s).text(), t, v) for s, t, v in zip(*columns, strict=True)]


def metric(name: str) -> tuple[Any, Any]:
    message: Any = ExportMetricsServiceRequest()
    return message, message.resource_metrics.add().scope_metrics.add().metrics.add(name=name, unit="s")


def exponential(temporality: Any = CUMULATIVE, **fields: Any) -> Any:
    """One observation in (1, 2], two in (2, 4], one zero, three in [-2, -1)."""
    message, added = metric("rpc")
    added.exponential_histogram.aggregation_temporality = temporality
    base = {
        "time_unix_nano": 1000, "scale": 0, "count": 7, "zero_count": 1, "sum": 3.5,
        "positive": {"offset": 0, "bucket_counts": [1, 2]},
        "negative": {"offset": 0, "bucket_counts": [3]},
    }  # fmt: skip
    added.exponential_histogram.data_points.add(**{**base, **fields})
    return message


def test_buckets_are_counted_up_to_fixed_bounds() -> None:
    sender = Sender()
    rows = {text: value for text, _, value in sender.rows(sender.send(exponential()))}
    assert (rows["rpc_count"], rows["rpc_sum"]) == (7, 3.5)
    counts = {le: rows[f'rpc_bucket{{le="{le}"}}'] for le in ("-2", "-1", "-0.5", "0", "1", "2", "4", "+Inf")}
    assert counts == {"-2": 0, "-1": 3, "-0.5": 3, "0": 4, "1": 4, "2": 5, "4": 7, "+Inf": 7}
    assert set(sender.registry.kinds()) == {MetricKind.COUNTER}


def test_another_scale_is_the_same_series() -> None:
    sender = Sender()
    sender.send(exponential())
    known = len(sender.registry)
    finer = {"offset": 5 * 2**20 - 1, "bucket_counts": [6]}
    decoded = sender.send(exponential(scale=20, positive=finer, negative={}))
    rows = {text: value for text, _, value in sender.rows(decoded)}
    assert (rows['rpc_bucket{le="16"}'], rows['rpc_bucket{le="32"}']) == (1, 7)
    assert len(sender.registry) == known


def test_deltas_are_deltas_and_nothing_recorded_ends_the_series() -> None:
    sender = Sender()
    sender.send(exponential(DELTA, negative={}, count=4))
    assert set(sender.registry.kinds()) == {MetricKind.DELTA}
    decoded = sender.send(exponential(DELTA, flags=1))
    assert decoded.metrics is not None
    assert len(decoded.metrics) == 2 + len(fixed_bounds())
    assert (decoded.metrics.value.view(np.uint64) == STALE_MARKER_BITS).all()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"scale": 60}, "unknown_schema"),
        ({"scale": -11}, "unknown_schema"),
        ({"count": 6}, "bad_buckets"),
        ({"zero_threshold": float("nan")}, "bad_buckets"),
        ({"positive": {"bucket_counts": [0] * 10_001}}, "too_many_buckets"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], reason: str) -> None:
    decoded = Sender().send(exponential(**fields))
    assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 1)]
    assert decoded.metrics is None


def number(time: int, start: int, temporality: Any = CUMULATIVE, monotonic: bool = True) -> Any:
    message, added = metric("orders")
    added.sum.aggregation_temporality, added.sum.is_monotonic = temporality, monotonic
    added.sum.data_points.add(time_unix_nano=time, start_time_unix_nano=start, as_int=5)
    return message


def test_a_restart_that_the_value_does_not_show() -> None:
    sender = Sender()
    assert sender.rows(sender.send(number(100, 10))) == [("orders", 100, 5.0)]
    assert sender.rows(sender.send(number(200, 10))) == [("orders", 200, 5.0)]
    assert sender.rows(sender.send(number(300, 250))) == [("orders", 250, 0.0), ("orders", 300, 5.0)]
    assert sender.rows(sender.send(number(400, 2**64 - 1))) == [("orders", 400, 5.0)]


@pytest.mark.parametrize(("temporality", "monotonic"), [(DELTA, True), (CUMULATIVE, False)])
def test_deltas_and_gauges_never_restart(temporality: Any, monotonic: bool) -> None:
    sender = Sender()
    sender.send(number(100, 10, temporality, monotonic))
    assert sender.rows(sender.send(number(300, 250, temporality, monotonic))) == [("orders", 300, 5.0)]
