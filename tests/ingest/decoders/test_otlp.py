"""OTLP logs and traces: what becomes of each field, and that JSON says the same as protobuf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
import xxhash
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.otlp_traces import OtlpTracesDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.severity import severity_of
from stormpetrel.model.push import Decoded, PushRequest

Build = dict[str, Callable[[], Any]]
Push = Callable[..., PushRequest]
RECEIVED = 1_700_000_000_000_000_000
TYPES = ("application/x-protobuf", "application/json")
LIMIT = 1 << 20


def logs_of(request: PushRequest) -> Decoded:
    return OtlpLogsDecoder(SeriesRegistry(), LIMIT).decode(request)


def spans_of(request: PushRequest) -> Decoded:
    return OtlpTracesDecoder(SeriesRegistry(), LIMIT).decode(request)


@pytest.mark.parametrize("content_type", TYPES)
def test_log_fields(build: Build, push: Push, content_type: str) -> None:
    request = push(build["logs"](), content_type)
    decoded = logs_of(request)
    assert decoded.logs is not None
    first, second = decoded.logs.records.to_pylist()
    attributes = [orjson.loads(row.pop("attributes")) for row in (first, second)]
    assert attributes[0] == {
        "resource.service.name": "checkout",
        "scope.name": "app",
        "n": 2**53 + 1,
        "list": ["a", "b"],
    }
    assert attributes[1]["event.name"] == "device.lost"
    assert first == {
        "time_unix_nano": RECEIVED - 5,
        "observed_unix_nano": RECEIVED - 1,
        "entity": "service:checkout",
        "source": "test",
        "severity_number": 17,
        "body": "card refused: ünïcode",
        "trace_id": "0102030405060708090a0b0c0d0e0f10",
        "span_id": "0102030405060708",
        "request_token": xxhash.xxh64_intdigest(request.source.encode() + b"\0" + request.body),
        "pattern": 0,
    }
    assert (second["time_unix_nano"], second["observed_unix_nano"]) == (RECEIVED, RECEIVED)
    assert (second["severity_number"], second["body"]) == (13, '{"k":1.5}')
    assert (second["trace_id"], second["span_id"]) == ("", "")


@pytest.mark.parametrize("content_type", TYPES)
def test_span_fields(build: Build, push: Push, content_type: str) -> None:
    decoded = spans_of(push(build["traces"](), content_type))
    assert decoded.spans is not None
    (row,) = decoded.spans.records.to_pylist()
    assert orjson.loads(row.pop("attributes")) == {
        "resource.service.name": "checkout",
        "http.route": "/",
        "status.message": "timed out",
        "events": [{"time_unix_nano": 7, "name": "retry", "attributes": {"try": 2}}],
        "links": [
            {
                "trace_id": "0102030405060708090a0b0c0d0e0f10",
                "span_id": "0102030405060708",
                "attributes": {},
            }
        ],
    }
    assert row.pop("request_token") > 0
    assert row == {
        "start_unix_nano": RECEIVED - 9,
        "end_unix_nano": RECEIVED,
        "entity": "service:checkout",
        "source": "test",
        "trace_id": "0102030405060708090a0b0c0d0e0f10",
        "span_id": "0102030405060708",
        "parent_span_id": "0807060504030201",
        "name": "GET /",
        "kind": 2,
        "status_code": 2,
    }


def answered(decoded: Decoded, response: Any, count: str) -> tuple[int, str]:
    """Rejected rows and message of an answer, whatever its encoding."""
    if decoded.answer_type == "application/json":
        partial = orjson.loads(decoded.answer)["partialSuccess"]
        head, *tail = count.split("_")
        return int(partial[head + "".join(p.capitalize() for p in tail)]), partial["errorMessage"]
    response.ParseFromString(decoded.answer)
    partial = response.partial_success
    return getattr(partial, count), partial.error_message


@pytest.mark.parametrize("content_type", TYPES)
def test_bad_times_and_ids_are_refused_alone_and_answered(
    build: Build, push: Push, content_type: str
) -> None:
    message = build["logs"]()
    message.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano = 2**63
    decoded = logs_of(push(message, content_type))
    assert decoded.logs is not None
    assert len(decoded.logs) == 1
    rejected = answered(decoded, ExportLogsServiceResponse(), "rejected_log_records")
    assert rejected == (1, "time_out_of_range: 1")
    message = build["traces"]()
    spans = message.resource_spans[0].scope_spans[0].spans
    spans.add(trace_id=b"\1" * 16, span_id=bytes(8), start_time_unix_nano=5, name="zero id")
    spans.add(trace_id=b"\1" * 16, span_id=b"\1" * 8, name="no start")
    spans.add(trace_id=b"\1" * 16, span_id=b"\1" * 8, start_time_unix_nano=5, end_time_unix_nano=4)
    decoded = spans_of(push(message, content_type))
    assert decoded.spans is not None
    assert len(decoded.spans) == 1
    assert [r.reason for r in decoded.rejected] == ["bad_span_id", "ends_before_start", "time_out_of_range"]
    assert answered(decoded, ExportTraceServiceResponse(), "rejected_spans")[0] == 3


def test_success_is_answered_in_the_same_encoding(build: Build, push: Push) -> None:
    for content_type, empty in zip(TYPES, (b"", b"{}"), strict=True):
        decoded = logs_of(push(build["logs"](), content_type))
        assert (decoded.answer, decoded.answer_type, decoded.status) == (empty, content_type, 200)


def test_an_empty_request_gives_nothing_and_succeeds(push: Push) -> None:
    decoded = logs_of(PushRequest(b"{}", "application/json", "", "/v1/logs", "t", 0))
    assert (decoded.logs, decoded.rejected, decoded.answer) == (None, (), b"{}")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"[]", "object"),
        (b'{"resourceLogs": 3}', "resource_logs"),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "x"}]}]}]}', "timeUnixNano"),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": -1}]}]}]}', "timeUnixNano"),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "zz"}]}]}]}', "traceId"),
        (
            b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"doubleValue": "1,5"}}]}]}]}',
            "double",
        ),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityText": 7}]}]}]}', "severityText"),
        (b"{", "JSON"),
    ],
)
def test_wrong_json_is_refused_by_name(text: bytes, key: str) -> None:
    with pytest.raises(DecodeError, match=key):
        logs_of(PushRequest(text, "application/json", "", "/v1/logs", "t", 0))


WRITTEN = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"n","value":%s}]}]}]}]}'


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ('{"intValue":"12"}', 12),
        ('{"intValue":"-12"}', -12),
        ('{"intValue":12}', 12),
        ('{"intValue":"9223372036854775807"}', 2**63 - 1),
        ('{"boolValue":true}', True),
        ('{"doubleValue":2}', 2.0),
        ('{"doubleValue":"-Infinity"}', None),
        ('{"stringValue":"s"}', "s"),
        ('{"bytesValue":"aGk"}', "aGk="),
        ('{"intValue":18446744073709551615}', DecodeError),
        ('{"intValue":"9223372036854775808"}', DecodeError),
        ('{"intValue":1.5}', DecodeError),
        ('{"intValue":true}', DecodeError),
        ('{"boolValue":1}', DecodeError),
        ('{"doubleValue":true}', DecodeError),
        ('{"stringValue":1}', DecodeError),
        ('{"kvlistValue":[]}', DecodeError),
    ],
)
def test_json_attribute_values(value: str, read: Any) -> None:
    request = PushRequest((WRITTEN % value).encode(), "application/json", "", "/v1/logs", "t", 0)
    if read is DecodeError:
        with pytest.raises(DecodeError):
            logs_of(request)
        return
    decoded = logs_of(request)
    assert decoded.logs is not None
    (attributes,) = decoded.logs.records["attributes"].to_pylist()
    assert orjson.loads(attributes)["n"] == read


def test_json_of_any_depth_is_refused_not_followed() -> None:
    record = b'{"body":' + b'{"arrayValue":{"values":[' * 300 + b"{}" + b"]}}" * 300 + b"}"
    text = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + record + b"]}]}]}"
    with pytest.raises(DecodeError, match="deeper"):
        logs_of(PushRequest(text, "application/json", "", "/v1/logs", "t", 0))


def test_json_takes_names_numbers_and_nulls_as_the_specification_allows() -> None:
    text = orjson.dumps(
        {
            "resourceLogs": [
                {
                    "unheardOf": 1,
                    "scopeLogs": [
                        {
                            "logRecords": [
                                {"timeUnixNano": 5, "severityNumber": "SEVERITY_NUMBER_WARN", "body": None},
                                {"time_unix_nano": "6", "severityNumber": 9, "traceId": ""},
                            ]
                        }
                    ],
                }
            ]
        }
    )
    decoded = logs_of(PushRequest(text, "application/json; charset=utf-8", "", "/v1/logs", "t", 9))
    assert decoded.logs is not None
    rows = decoded.logs.records
    assert rows["time_unix_nano"].to_pylist() == [5, 6]
    assert rows["severity_number"].to_pylist() == [13, 9]


def test_severities_of_many_senders() -> None:
    names = ["emerg", "Alert", "CRIT", "err", "WARN", "notice", "info", "debug", "TRACE4", "INFO2", "", "5"]
    assert [severity_of(n) for n in names] == [21, 19, 18, 17, 13, 10, 9, 5, 4, 10, 0, 0]
