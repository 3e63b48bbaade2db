"""OTLP metrics: each kind of point as series and samples, in both encodings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest import otlp_points
from stormpetrel.ingest.native_histograms import fixed_bounds
from stormpetrel.ingest.otlp_json import fill_json
from stormpetrel.ingest.otlp_metrics import OtlpMetricsDecoder
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind
from stormpetrel.testing.check_decoder import same

Build = dict[str, Callable[[], Any]]
Push = Callable[..., PushRequest]
RECEIVED = 1_700_000_000_000_000_000
TYPES = ("application/x-protobuf", "application/json")


def decode(request: PushRequest, max_series: int = 1000) -> tuple[Decoded, SeriesRegistry]:
    registry = SeriesRegistry(max_series)
    return OtlpMetricsDecoder(registry, 1 << 20).decode(request), registry


def rows(decoded: Decoded, registry: SeriesRegistry) -> dict[str, tuple[str, str, float]]:
    """Series text -> kind, unit, value."""
    assert decoded.metrics is not None
    infos = [registry.info(int(s)) for s in decoded.metrics.series]
    values = decoded.metrics.value.tolist()
    return {
        i.text().replace('service.name="checkout"', "S"): (i.kind.value, i.unit, v)
        for i, v in zip(infos, values, strict=True)
    }


@pytest.mark.parametrize("content_type", TYPES)
def test_every_kind_of_point(build: Build, push: Push, content_type: str) -> None:
    decoded, registry = decode(push(build["metrics"](), content_type))
    assert decoded.metrics is not None
    assert (decoded.metrics.time_unix_nano == RECEIVED).all()
    assert {registry.info(i).entity for i in range(len(registry))} == {"service:checkout"}
    assert rows(decoded, registry) == {
        'queue.depth{queue="in",S}': ("gauge", "{item}", 7.0),
        'queue.depth{queue="out",S}': ("gauge", "{item}", 2.5),
        "requests{S}": ("counter", "1", 100.0),
        "latency_count{S}": ("counter", "", 6.0),
        "latency_sum{S}": ("counter", "s", 3.5),
        'latency_bucket{le="0.5",S}': ("counter", "", 1.0),
        'latency_bucket{le="1",S}': ("counter", "", 3.0),
        'latency_bucket{le="+Inf",S}': ("counter", "", 6.0),
        "old_count{S}": ("counter", "", 2.0),
        "old_sum{S}": ("counter", "s", 4.0),
        'old{quantile="0.99",S}': ("gauge", "s", 3.0),
        "wide_count{S}": ("delta", "", 4.0),
        "wide_sum{S}": ("delta", "", 9.0),
        **{
            f'wide_bucket{{le="{le}",S}}': ("delta", "", 4.0 if le == "+Inf" else 0.0)
            for le in fixed_bounds()
        },
    }


@pytest.mark.parametrize(
    ("temporality", "monotonic", "kind"),
    [
        (2, True, "counter"),
        (2, False, "gauge"),
        (1, True, "delta"),
        (1, False, "delta"),
        (0, True, "unknown"),
    ],
)
def test_kinds_of_sums(push: Push, temporality: Any, monotonic: bool, kind: str) -> None:
    message: Any = ExportMetricsServiceRequest()
    total = message.resource_metrics.add().scope_metrics.add().metrics.add(name="n").sum
    total.aggregation_temporality, total.is_monotonic = temporality, monotonic
    total.data_points.add(as_int=1)
    decoded, registry = decode(push(message))
    assert registry.info(0).kind is MetricKind(kind)
    assert decoded.metrics is not None
    assert decoded.metrics.time_unix_nano.tolist() == [RECEIVED], "without a time it is ours"


def test_no_recorded_value_is_a_staleness_marker(build: Build, push: Push) -> None:
    message = build["metrics"]()
    metrics = message.resource_metrics[0].scope_metrics[0].metrics
    metrics[0].gauge.data_points[0].flags = 1
    metrics[2].histogram.data_points[0].flags = 1
    decoded, registry = decode(push(message))
    assert decoded.metrics is not None
    stale = decoded.metrics.value.view(np.uint64) == STALE_MARKER_BITS
    names = [registry.info(int(s)).metric for s in decoded.metrics.series[stale]]
    assert names == ["queue.depth", "latency_count", "latency_sum"]


def test_refused_points_leave_the_others_and_are_answered(push: Push) -> None:
    message: Any = ExportMetricsServiceRequest()
    metrics = message.resource_metrics.add().scope_metrics.add().metrics
    metrics.add(name="nothing")
    metrics.add(name="").gauge.data_points.add(as_int=1)
    points = metrics.add(name="g").gauge.data_points
    points.add()
    points.add(as_int=1, time_unix_nano=2**63)
    points.add(as_int=1).attributes.add(key="a").value.string_value = "x" * (17 << 10)
    many = points.add(as_int=1)
    for i in range(65):
        many.attributes.add(key=f"a{i}").value.int_value = i
    points.add(as_int=5)
    metrics.add(name="h").histogram.data_points.add(bucket_counts=[1, 2, 3], explicit_bounds=[1.0])
    for bounds in ([1.0, 1.0], [2.0, 1.0], [float("nan")], [float("inf")], [float("-inf"), 0.0]):
        metrics.add(name="h").histogram.data_points.add(explicit_bounds=bounds)
    for quantile in (1.5, float("nan")):
        summary = metrics.add(name="s").summary.data_points.add()
        summary.quantile_values.add(quantile=quantile)
    decoded, registry = decode(push(message))
    assert [(r.reason, r.rows) for r in decoded.rejected] == [
        ("bad_buckets", 6),
        ("bad_metric_name", 1),
        ("bad_quantiles", 2),
        ("labels_too_long", 1),
        ("no_points", 1),
        ("no_value", 1),
        ("time_out_of_range", 1),
        ("too_many_labels", 1),
    ]
    assert rows(decoded, registry) == {"g": ("gauge", "", 5.0)}
    partial = ExportMetricsServiceResponse.FromString(decoded.answer).partial_success
    assert partial.rejected_data_points == 14
    assert "bad_buckets: 6, such as h" in partial.error_message


def test_requests_of_too_many_samples_are_refused(
    build: Build, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_points, "MAX_SAMPLES", 6)
    with pytest.raises(TooLargeError, match="6 samples"):
        decode(push(build["metrics"]()))


def test_a_full_registry_leaves_the_rows_to_admission(build: Build, push: Push) -> None:
    decoded, _ = decode(push(build["metrics"]()), max_series=2)
    assert decoded.metrics is not None
    assert decoded.metrics.series.tolist() == [0, 1] + [REFUSED_SERIES] * (11 + len(fixed_bounds()))


def test_a_points_attribute_wins_and_scopes_tell_series_apart(push: Push) -> None:
    message: Any = ExportMetricsServiceRequest()
    group = message.resource_metrics.add()
    group.resource.attributes.add(key="host.name").value.string_value = "resource"
    for scope_name in ("a", "b"):
        scope = group.scope_metrics.add()
        scope.scope.name = scope_name
        point = scope.metrics.add(name="m").gauge.data_points.add(as_int=1)
        point.attributes.add(key="host.name").value.string_value = "point"
    decoded, registry = decode(push(message))
    assert list(rows(decoded, registry)) == [
        'm{host.name="point",otel.scope.name="a"}',
        'm{host.name="point",otel.scope.name="b"}',
    ]


# JSON has one NaN only.
FLOAT = st.one_of(st.floats(allow_nan=False), st.just(float("nan")))
VALUE = st.one_of(
    st.text(max_size=5),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    FLOAT,
    st.binary(max_size=5),
    st.lists(st.text(max_size=3), max_size=3),
)
POINT = st.tuples(
    st.dictionaries(st.text(max_size=6), VALUE, max_size=4),
    st.one_of(st.integers(-(2**63), 2**63 - 1), FLOAT),
    st.integers(0, 2**64 - 1),
    st.integers(0, 1),
)


# The fixtures are plain functions: nothing of them lives from one example to the next.
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(POINT, max_size=5), histogram=st.lists(FLOAT, max_size=4), kind=st.integers(0, 2))
def test_json_says_the_same_as_protobuf(
    push: Push, attribute: Callable[..., None], points: Any, histogram: list[float], kind: Any
) -> None:
    message: Any = ExportMetricsServiceRequest()
    metrics = message.resource_metrics.add().scope_metrics.add().metrics
    gauge = metrics.add(name="g").gauge
    for attributes, value, time, flags in points:
        number = {"as_int": value} if isinstance(value, int) else {"as_double": value}
        point = gauge.data_points.add(time_unix_nano=time, flags=flags, **number)
        for name, one in attributes.items():
            attribute(point.attributes, name, one)
    shape = metrics.add(name="h").histogram
    shape.aggregation_temporality = kind
    counts = range(len(histogram) + 1)
    shape.data_points.add(explicit_bounds=histogram, bucket_counts=counts, count=3, time_unix_nano=1)
    binary, text = (push(message, content_type) for content_type in TYPES)
    again = ExportMetricsServiceRequest()
    fill_json(again, text.body)
    assert again.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
    (one, ours), (two, theirs) = decode(binary), decode(text)
    assert same(Decoded(one.metrics, rejected=one.rejected), Decoded(two.metrics, rejected=two.rejected))
    assert [ours.info(i) for i in range(len(ours))] == [theirs.info(i) for i in range(len(theirs))]
