from __future__ import annotations

import gzip
from typing import Any

import cramjam
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest
from stormpetrel.model.signal import MetricKind
from stormpetrel.model.time import from_iso, from_seconds
from stormpetrel.simulate.encode import varint, write_metadata, write_request
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS
from stormpetrel.simulate.otlp import logs_request, spans_request
from stormpetrel.simulate.signals import MetricColumns, Signals, series

START = from_iso("2026-03-02T12:00:00Z")
TEXT, DOUBLE, INT64, UINT32, NESTED = 9, 1, 3, 13, 11


def signals() -> Signals:
    fault = FAULTS["deploy-bug"](START + from_seconds(300), 300.0)
    return Estate(7, START, 5.0, (fault,)).step(START + from_seconds(600))


def message_class(name: str) -> Any:
    """A message of the protocol, built from its published definition and not from our code."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    fields: dict[str, list[tuple[str, int, int, str]]] = {
        "Label": [("name", 1, TEXT, ""), ("value", 2, TEXT, "")],
        "Sample": [("value", 1, DOUBLE, ""), ("timestamp", 2, INT64, "")],
        "TimeSeries": [("labels", 1, NESTED, "Label"), ("samples", 2, NESTED, "Sample")],
        "Metadata": [
            ("type", 1, UINT32, ""),
            ("family", 2, TEXT, ""),
            ("help", 4, TEXT, ""),
            ("unit", 5, TEXT, ""),
        ],
        "WriteRequest": [("timeseries", 1, NESTED, "TimeSeries"), ("metadata", 3, NESTED, "Metadata")],
    }
    for title, rows in fields.items():
        made = file.message_type.add(name=title)
        for label, number, kind, of in rows:
            repeated = 3 if kind == NESTED else 1
            field = made.field.add(name=label, number=number, type=kind, label=repeated)
            if of:
                field.type_name = f".t.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}"))


def test_protobuf_reads_back_every_sample_and_label() -> None:
    metrics = signals().metrics
    request = message_class("WriteRequest").FromString(
        bytes(cramjam.snappy.decompress_raw(write_request(metrics)))
    )
    read = request.timeseries
    assert len(read) == len(metrics.specs)
    for place, (spec, one) in enumerate(zip(metrics.specs, read, strict=True)):
        pairs = [(label.name, label.value) for label in one.labels]
        assert pairs == sorted(pairs)
        assert dict(pairs) == {"__name__": spec.metric, **dict(spec.labels)}
        assert [s.value for s in one.samples] == metrics.value[:, place].tolist()
        assert [s.timestamp for s in one.samples] == (metrics.time_unix_nano // 1_000_000).tolist()


def test_our_receiver_reads_the_same_samples_and_kinds() -> None:
    metrics = signals().metrics
    registry = SeriesRegistry()
    decoder = RemoteWriteDecoder(registry, 128 << 20)
    for body in (write_metadata(metrics.specs), write_request(metrics)):
        request = PushRequest(body, "application/x-protobuf", "snappy", "/api/v1/write", "t", START)
        decoded = decoder.decode(request)
        assert decoded.rejected == ()
    assert decoded.metrics is not None
    assert len(decoded.metrics) == metrics.value.size
    for place in (0, 40, len(metrics.specs) - 1):
        spec = metrics.specs[place]
        series_id = next(i for i in range(len(registry)) if registry.info(i).labels == spec.labels
                         and registry.info(i).metric == spec.metric)  # fmt: skip
        rows = decoded.metrics.series == series_id
        assert np.array_equal(decoded.metrics.value[rows], metrics.value[:, place])
        assert np.array_equal(decoded.metrics.time_unix_nano[rows], metrics.time_unix_nano)
        assert registry.info(series_id).kind is spec.kind


def test_metadata_names_each_family_once_with_its_type_and_unit() -> None:
    metrics = signals().metrics
    raw = bytes(cramjam.snappy.decompress_raw(write_metadata(metrics.specs)))
    told = message_class("WriteRequest").FromString(raw).metadata
    by_name = {one.family: one for one in told}
    assert len(by_name) == len(told)
    assert (by_name["http_requests_total"].type, by_name["queue_depth"].type) == (1, 2)
    histogram = by_name["http_request_duration_seconds"]
    assert (histogram.type, histogram.unit) == (3, "seconds")
    assert not any(name.endswith("_bucket") for name in by_name)


@given(st.integers(0, 2**64 - 1))
def test_varints_are_those_of_protobuf(number: int) -> None:
    message = message_class("Sample")(timestamp=number if number < 2**63 else number - 2**64)
    assert message.SerializeToString() == (b"\x10" + varint(number) if number else b"")


def one_series(value: list[float], time: list[int]) -> MetricColumns:
    spec = series("m", MetricKind.GAUGE, "", ü="€ \n")
    return MetricColumns((spec,), np.array(time, np.int64), np.array([value]).T)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20), st.integers(1 << 35, (1 << 42) - 100))
def test_any_values_and_times_survive(values: list[float], millis: int) -> None:
    times = [(millis + i) * 1_000_000 for i in range(len(values))]
    raw = bytes(cramjam.snappy.decompress_raw(write_request(one_series(values, times))))
    read = message_class("WriteRequest").FromString(raw).timeseries[0]
    assert [s.value for s in read.samples] == values
    assert [s.timestamp for s in read.samples] == [t // 1_000_000 for t in times]
    assert {label.name: label.value for label in read.labels} == {"__name__": "m", "ü": "€ \n"}


def test_absent_samples_are_left_out_and_times_out_of_reach_refused() -> None:
    raw = bytes(cramjam.snappy.decompress_raw(write_request(one_series([1.0, np.nan, 3.0], [START] * 3))))
    read = message_class("WriteRequest").FromString(raw).timeseries
    assert [s.value for s in read[0].samples] == [1.0, 3.0]
    assert bytes(cramjam.snappy.decompress_raw(write_request(one_series([np.nan], [START])))) == b""
    for time in (0, 1 << 62):
        with pytest.raises(ValueError, match="1971 to 2109"):
            write_request(one_series([1.0], [time]))


def test_log_records_survive_with_their_resource() -> None:
    logs = signals().logs
    request = ExportLogsServiceRequest.FromString(gzip.decompress(logs_request(logs)))
    read = set()
    for block in request.resource_logs:
        resource = {a.key: a.value.string_value for a in block.resource.attributes}
        for record in block.scope_logs[0].log_records:
            attributes = tuple((a.key, a.value.string_value) for a in record.attributes)
            read.add(
                (record.time_unix_nano, resource.get("service.name", ""), resource["host.name"],
                 int(record.severity_number), record.body.string_value, attributes)
            )  # fmt: skip
    columns = (
        logs.time_unix_nano.tolist(),
        logs.service,
        logs.host,
        logs.severity_number.tolist(),
        logs.body,
    )
    assert read == set(zip(*columns, logs.attributes, strict=True))
    assert len(read) > 500


def test_spans_survive_with_their_parents() -> None:
    spans = signals().spans
    request = ExportTraceServiceRequest.FromString(gzip.decompress(spans_request(spans)))
    read = {
        (s.span_id, s.parent_span_id, s.trace_id, s.name, s.start_time_unix_nano, s.end_time_unix_nano,
         int(s.kind), int(s.status.code), block.resource.attributes[0].value.string_value)
        for block in request.resource_spans for s in block.scope_spans[0].spans
    }  # fmt: skip
    assert read == set(
        zip(spans.span_id, spans.parent_span_id, spans.trace_id, spans.name, spans.start_unix_nano.tolist(),
            spans.end_unix_nano.tolist(), spans.kind.tolist(), spans.status_code.tolist(), spans.service,
            strict=True)
    )  # fmt: skip
    assert len(read) > 100
