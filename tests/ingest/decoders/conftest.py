"""Requests shared by the decoder tests: one of each OTLP signal, as protobuf and as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stormpetrel.model.push import PushRequest

RECEIVED = 1_700_000_000_000_000_000
TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))
HEX_KEYS = {"traceId", "spanId", "parentSpanId"}


def as_otlp_json(message: Message) -> bytes:
    """The message as an OTLP sender writes JSON: enums as numbers, ids in hexadecimal."""

    def fix(tree: Any) -> Any:
        if isinstance(tree, list):
            return [fix(one) for one in tree]
        if not isinstance(tree, dict):
            return tree
        return {
            key: base64.b64decode(value).hex() if key in HEX_KEYS else fix(value)
            for key, value in tree.items()
        }

    return json.dumps(fix(json_format.MessageToDict(message, use_integers_for_enums=True))).encode()


def push(message: Message, content_type: str = "application/x-protobuf") -> PushRequest:
    body = as_otlp_json(message) if "json" in content_type else message.SerializeToString()
    return PushRequest(body, content_type, "", "/v1/x", "test", RECEIVED)


def attribute(target: Any, name: str, value: Any) -> None:
    pair = target.add(key=name)
    if isinstance(value, bool):
        pair.value.bool_value = value
    elif isinstance(value, int):
        pair.value.int_value = value
    elif isinstance(value, float):
        pair.value.double_value = value
    elif isinstance(value, bytes):
        pair.value.bytes_value = value
    elif isinstance(value, list):
        pair.value.array_value.SetInParent()
        for one in value:
            pair.value.array_value.values.add(string_value=one)
    else:
        pair.value.string_value = value


def log_request() -> Any:
    message: Any = ExportLogsServiceRequest()
    group = message.resource_logs.add()
    attribute(group.resource.attributes, "service.name", "checkout")
    scope = group.scope_logs.add()
    scope.scope.name = "app"
    record = scope.log_records.add(
        time_unix_nano=RECEIVED - 5, observed_time_unix_nano=RECEIVED - 1, severity_number=17,
        severity_text="ERROR", trace_id=TRACE, span_id=SPAN,
    )  # fmt: skip
    record.body.string_value = "card refused: ünïcode"
    attribute(record.attributes, "n", 2**53 + 1)
    attribute(record.attributes, "list", ["a", "b"])
    record = scope.log_records.add(severity_text="Warning", event_name="device.lost")
    record.body.kvlist_value.values.add(key="k").value.double_value = 1.5
    return message


def span_request() -> Any:
    message: Any = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    attribute(group.resource.attributes, "service.name", "checkout")
    span = group.scope_spans.add().spans.add(
        trace_id=TRACE, span_id=SPAN, parent_span_id=SPAN[::-1], name="GET /", kind=2,
        start_time_unix_nano=RECEIVED - 9, end_time_unix_nano=RECEIVED,
    )  # fmt: skip
    span.status.code = 2
    span.status.message = "timed out"
    attribute(span.attributes, "http.route", "/")
    attribute(span.events.add(name="retry", time_unix_nano=7).attributes, "try", 2)
    span.links.add(trace_id=TRACE, span_id=SPAN)
    return message


def metric_request() -> Any:
    message: Any = ExportMetricsServiceRequest()
    group = message.resource_metrics.add()
    attribute(group.resource.attributes, "service.name", "checkout")
    attribute(group.resource.attributes, "process.pid", 12)
    metrics = group.scope_metrics.add().metrics
    gauge = metrics.add(name="queue.depth", unit="{item}").gauge.data_points
    attribute(gauge.add(time_unix_nano=RECEIVED, as_int=7).attributes, "queue", "in")
    attribute(gauge.add(time_unix_nano=RECEIVED, as_double=2.5).attributes, "queue", "out")
    total = metrics.add(name="requests", unit="1").sum
    total.aggregation_temporality, total.is_monotonic = 2, True
    total.data_points.add(time_unix_nano=RECEIVED, as_int=100)
    histogram = metrics.add(name="latency", unit="s").histogram
    histogram.aggregation_temporality = 2
    histogram.data_points.add(
        time_unix_nano=RECEIVED, count=6, sum=3.5, explicit_bounds=[0.5, 1.0], bucket_counts=[1, 2, 3]
    )
    summary = metrics.add(name="old", unit="s").summary.data_points.add(
        time_unix_nano=RECEIVED, count=2, sum=4
    )
    summary.quantile_values.add(quantile=0.99, value=3.0)
    exponential = metrics.add(name="wide").exponential_histogram
    exponential.aggregation_temporality = 1
    exponential.data_points.add(time_unix_nano=RECEIVED, count=4, sum=9.0)
    return message


@pytest.fixture
def build() -> dict[str, Callable[[], Any]]:
    return {"logs": log_request, "traces": span_request, "metrics": metric_request}


@pytest.fixture(name="push")
def push_fixture() -> Callable[..., PushRequest]:
    return push


@pytest.fixture(name="attribute")
def attribute_fixture() -> Callable[..., None]:
    return attribute
