"""What OTLP senders are answered: nothing on success, counts and reasons otherwise; and all of a span."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.otlp_metrics import OtlpMetricsDecoder
from stormpetrel.ingest.otlp_traces import OtlpTracesDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest

Build = dict[str, Callable[[], Any]]
Push = Callable[..., PushRequest]
SIGNALS: dict[str, tuple[Any, Any, str]] = {
    "logs": (OtlpLogsDecoder, ExportLogsServiceResponse, "rejected_log_records"),
    "traces": (OtlpTracesDecoder, ExportTraceServiceResponse, "rejected_spans"),
    "metrics": (OtlpMetricsDecoder, ExportMetricsServiceResponse, "rejected_data_points"),
}
TYPES = ("application/x-protobuf", "application/json")


def decode(signal: str, request: PushRequest) -> Decoded:
    decoded: Decoded = SIGNALS[signal][0](SeriesRegistry(), 1 << 20).decode(request)
    return decoded


def spoilt(signal: str, message: Any) -> Any:
    """One row of the request has a time beyond what 63 bits hold."""
    if signal == "logs":
        message.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano = 2**63
    elif signal == "traces":
        spans = message.resource_spans[0].scope_spans[0].spans
        spans.add(trace_id=b"\1" * 16, span_id=b"\1" * 8, start_time_unix_nano=2**63, name="late")
    else:
        gauge = message.resource_metrics[0].scope_metrics[0].metrics[0].gauge
        gauge.data_points[0].time_unix_nano = 2**63
    return message


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_full_success_leaves_partial_success_unset(
    build: Build, push: Push, signal: str, content_type: str
) -> None:
    decoded = decode(signal, push(build[signal](), content_type))
    assert (decoded.status, decoded.answer_type, decoded.rejected) == (200, content_type, ())
    assert decoded.answer == (b"{}" if "json" in content_type else b"")
    assert not SIGNALS[signal][1].FromString(b"").HasField("partial_success")


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_partial_success_counts_and_explains(
    build: Build, push: Push, signal: str, content_type: str
) -> None:
    decoded = decode(signal, push(spoilt(signal, build[signal]()), content_type))
    assert (decoded.status, decoded.answer_type) == (200, content_type)
    _, response, field = SIGNALS[signal]
    if "json" in content_type:
        head, *tail = field.split("_")
        partial = orjson.loads(decoded.answer)["partialSuccess"]
        count, message = int(partial[head + "".join(p.capitalize() for p in tail)]), partial["errorMessage"]
    else:
        partial = response.FromString(decoded.answer).partial_success
        count, message = getattr(partial, field), partial.error_message
    assert count == 1
    assert "time_out_of_range" in message
    assert sum(part.rows for part in decoded.rejected) == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_gzip_and_nothing_to_tell(build: Build, push: Push, signal: str) -> None:
    """Both compressions that the specification asks for; and an empty request succeeds."""
    request = push(build[signal]())
    packed = PushRequest(
        gzip.compress(request.body), request.content_type, "gzip", "/v1/x", "test", request.received_unix_nano
    )
    assert decode(signal, packed).answer == decode(signal, request).answer == b""
    for content_type, empty in zip(TYPES, (b"", b"{}"), strict=True):
        nothing = decode(signal, PushRequest(empty, content_type, "", "/v1/x", "test", 1))
        assert (nothing.status, nothing.answer, nothing.rejected) == (200, empty, ())


@pytest.mark.parametrize("content_type", TYPES)
def test_all_of_a_span_is_kept(build: Build, push: Push, content_type: str) -> None:
    message = build["traces"]()
    span = message.resource_spans[0].scope_spans[0].spans[0]
    span.trace_state = "vendor=1"
    span.links[0].trace_state = "other=2"
    span.links[0].attributes.add(key="why").value.string_value = "retry"
    span.links.add(trace_id=b"\1" * 3, span_id=bytes(8))
    span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count = 1, 2, 0
    decoded = decode("traces", push(message, content_type))
    assert decoded.spans is not None
    attributes = orjson.loads(decoded.spans.records["attributes"][0].as_py())
    assert attributes["trace_state"] == "vendor=1"
    assert attributes["status.message"] == "timed out"
    assert attributes["events"] == [{"time_unix_nano": 7, "name": "retry", "attributes": {"try": 2}}]
    assert attributes["links"][0]["trace_state"] == "other=2"
    assert attributes["links"][0]["attributes"] == {"why": "retry"}
    assert attributes["links"][1] == {"trace_id": "", "span_id": "", "attributes": {}}
    assert (attributes["dropped_attributes_count"], attributes["dropped_events_count"]) == (1, 2)
    assert "dropped_links_count" not in attributes
