"""What the OpenTelemetry SDK sends is read whole."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stormpetrel.ingest.otlp_metrics import OtlpMetricsDecoder
from stormpetrel.ingest.otlp_traces import OtlpTracesDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest

RESOURCE = Resource({"service.name": "shop", "process.pid": 4})


def test_metrics_of_the_sdk() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=RESOURCE)
    meter = provider.get_meter("lib")
    meter.create_counter("orders", unit="1").add(3, {"kind": "book"})
    meter.create_up_down_counter("open").add(-2)
    meter.create_histogram("took", unit="s").record(0.2)
    read = reader.get_metrics_data()
    provider.shutdown()
    assert read is not None
    registry = SeriesRegistry()
    body = encode_metrics(read).SerializeToString()
    request = PushRequest(body, "application/x-protobuf", "", "/v1/metrics", "sdk", 0)
    decoded = OtlpMetricsDecoder(registry, 1 << 20).decode(request)
    assert decoded.rejected == ()
    assert decoded.metrics is not None
    values = {
        registry.info(int(s)).text(): (registry.info(int(s)).kind.value, v)
        for s, v in zip(decoded.metrics.series, decoded.metrics.value.tolist(), strict=True)
    }
    assert values['orders{kind="book",otel.scope.name="lib",service.name="shop"}'] == ("counter", 3.0)
    assert values['open{otel.scope.name="lib",service.name="shop"}'] == ("gauge", -2.0)
    assert values['took_bucket{le="+Inf",otel.scope.name="lib",service.name="shop"}'] == ("counter", 1.0)


def test_spans_of_the_sdk() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("lib")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner", attributes={"n": 1}):
        pass
    provider.shutdown()
    spans = exporter.get_finished_spans()
    body = encode_spans(spans).SerializeToString()
    request = PushRequest(body, "application/x-protobuf", "", "/v1/traces", "sdk", 0)
    decoded = OtlpTracesDecoder(SeriesRegistry(), 1 << 20).decode(request)
    assert decoded.spans is not None
    inner, outer = decoded.spans.records.to_pylist()
    assert (inner["name"], outer["name"]) == ("inner", "outer")
    assert inner["parent_span_id"] == outer["span_id"]
    assert inner["trace_id"] == outer["trace_id"]
    assert {row["entity"] for row in (inner, outer)} == {"service:shop"}
    assert [row["start_unix_nano"] for row in (inner, outer)] == [s.start_time for s in spans]
