"""A text that is not UTF-8 costs itself, not the request; and what rows share is bounded beforehand."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import otlp_scopes
from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.otlp_mend import parse_mended
from stormpetrel.ingest.otlp_traces import OtlpTracesDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest

Build = dict[str, Callable[[], Any]]
Push = Callable[..., PushRequest]
DECODERS: dict[str, Any] = {"logs": OtlpLogsDecoder, "traces": OtlpTracesDecoder}


def decoded(signal: str, body: bytes, content_type: str = "application/x-protobuf") -> list[dict[str, Any]]:
    request = PushRequest(body, content_type, "", "/v1/x", "t", 5)
    found = DECODERS[signal](SeriesRegistry(), 1 << 24).decode(request)
    batch = found.logs or found.spans
    assert found.rejected == ()
    batch.records.validate(full=True)
    rows: list[dict[str, Any]] = batch.records.to_pylist()
    return rows


def latin(message: Any, *words: str) -> bytes:
    """The request with a byte of Latin-1 in each of these words, which end in `e`."""
    body: bytes = message.SerializeToString()
    for word in words:
        assert word.encode() in body
        body = body.replace(word.encode(), word[:-1].encode() + b"\xe9")
    return body


def logs(*bodies: str) -> Any:
    message: Any = ExportLogsServiceRequest()
    group = message.resource_logs.add()
    group.resource.attributes.add(key="host.name").value.string_value = "here"
    for text in bodies:
        record = group.scope_logs.add().log_records.add(severity_text="fine", event_name="done")
        record.body.string_value = text
        record.attributes.add(key="some").value.string_value = "bite"
    return message


@pytest.mark.parametrize("word", ["cafe", "here", "fine", "done", "some", "bite"])
def test_only_what_is_wrong_is_replaced(word: str) -> None:
    right = decoded("logs", logs("cafe", "tea").SerializeToString())
    mended = decoded("logs", latin(logs("cafe", "tea"), word))
    assert len(mended) == 2
    said = orjson.dumps([{k: v for k, v in row.items() if k != "request_token"} for row in mended]).decode()
    assert word[:-1] + "\N{REPLACEMENT CHARACTER}" in said
    assert mended[1]["body"] == "tea"
    assert [row["time_unix_nano"] for row in mended] == [row["time_unix_nano"] for row in right]


def test_spans_are_mended_too(build: Build) -> None:
    message = build["traces"]()
    message.resource_spans[0].scope_spans[0].spans[0].name = "cafe"
    (row,) = decoded("traces", latin(message, "cafe"))
    assert row["name"] == "caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("half", [b"\\ud83d", b"\xe9"])
def test_json_is_mended_too(half: bytes) -> None:
    """JavaScript's exporters cut texts in the middle of an emoji, and write the half that is left."""
    records = b'{"body":{"stringValue":"cut %s"}},{"body":{"stringValue":"\\ud83d\\ude00"}}' % half
    text = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[%s]}]}]}' % records
    rows = decoded("logs", text, "application/json")
    assert [row["body"] for row in rows] == ["cut \N{REPLACEMENT CHARACTER}", "\N{GRINNING FACE}"]


def test_what_is_malformed_otherwise_stays_refused() -> None:
    body = latin(logs("cafe"), "cafe")
    assert parse_mended(ExportLogsServiceRequest(), body[:-1]) is None
    with pytest.raises(DecodeError, match="does not parse"):
        decoded("logs", body[:-1])


@pytest.mark.parametrize("content_type", ["application/x-protobuf", "application/json"])
@pytest.mark.parametrize("signal", DECODERS)
def test_what_rows_would_repeat_is_bounded(
    build: Build, push: Push, signal: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = build[signal]()
    group = getattr(message, f"resource_{'spans' if signal == 'traces' else signal}")[0]
    group.resource.attributes.add(key="long").value.string_value = "x" * 5000
    decode = DECODERS[signal](SeriesRegistry(), 1 << 20).decode
    monkeypatch.setattr(otlp_scopes, "MAX_SHARED", 12_000)
    decode(push(message, content_type))
    monkeypatch.setattr(otlp_scopes, "MAX_SHARED", 5000)
    with pytest.raises(TooLargeError, match="resource and scope"):
        decode(push(message, content_type))


@pytest.mark.parametrize("records", [0, 1])
def test_a_long_resource_with_very_many_scopes_is_no_bomb(
    records: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_scopes, "MAX_SHARED", 16 << 20)
    message: Any = ExportLogsServiceRequest()
    group = message.resource_logs.add()
    group.resource.attributes.add(key="long").value.string_value = "x" * 500_000
    for _ in range(20_000):
        scope = group.scope_logs.add()
        for _ in range(records):
            scope.log_records.add(severity_number=9)
    request = PushRequest(message.SerializeToString(), "application/x-protobuf", "", "/v1/logs", "t", 5)
    decode = OtlpLogsDecoder(SeriesRegistry(), 1 << 24).decode
    tracemalloc.start()
    try:
        if records:
            with pytest.raises(TooLargeError):
                decode(request)
        else:
            assert decode(request).logs is None
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()
