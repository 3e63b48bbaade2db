"""The number of objects in a request is known before they are built, and bounded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import otlp_bound, otlp_request
from stormpetrel.ingest.elastic import ElasticDecoder
from stormpetrel.ingest.loki import LokiDecoder
from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.otlp_metrics import OtlpMetricsDecoder
from stormpetrel.ingest.otlp_traces import OtlpTracesDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest

Build = dict[str, Callable[[], Any]]
Push = Callable[..., PushRequest]
DECODERS: dict[str, Any] = {
    "logs": OtlpLogsDecoder,
    "traces": OtlpTracesDecoder,
    "metrics": OtlpMetricsDecoder,
}


def messages_in(message: Message) -> int:
    count = 1
    for field, value in message.ListFields():
        if field.message_type is not None:
            count += sum(map(messages_in, value if field.is_repeated else [value]))
    return count


def counted(body: bytes, message: Message, limit: int = 10**6) -> int:
    children = otlp_bound._children(message.DESCRIPTOR)
    return int(otlp_bound._count(np.frombuffer(body, np.uint8), children, limit))


@pytest.mark.parametrize("signal", DECODERS)
def test_the_count_is_exact(build: Build, signal: str) -> None:
    message = build[signal]()
    assert counted(message.SerializeToString(), message) == messages_in(message)
    assert counted(message.SerializeToString(), message, limit=3) == 4, "it stops just over the limit"


def test_no_way_round_the_count() -> None:
    message = ExportLogsServiceRequest()
    many = b"\x0a\x00" * 50
    assert counted(many, message) == 51
    assert counted(b"\x0b" + many + b"\x0c", message) == 51, "in a group"
    assert counted(b"\x0b\x0c" + many, message) == 51, "behind a group"
    assert counted(b"\xfa\x3e\x02\x0a\x00" + many, message) == 51, "behind a field that nobody knows"
    assert counted(b"\x0a\x82\x80\x80\x00\x12\x00" + many, message) == 53, "with a long length"


@pytest.mark.parametrize("signal", DECODERS)
@pytest.mark.parametrize("content_type", ["application/x-protobuf", "application/json"])
def test_requests_of_too_many_objects_are_refused(
    build: Build, push: Push, signal: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = push(build[signal](), content_type)
    monkeypatch.setattr(otlp_bound, "MAX_MESSAGES", 5)
    with pytest.raises(TooLargeError, match="5 objects"):
        DECODERS[signal](SeriesRegistry(), 1 << 20).decode(request)


@pytest.mark.parametrize(
    ("path", "content_type", "decoder"),
    [
        ("/v1/logs", "application/json", OtlpLogsDecoder),
        ("/loki/api/v1/push", "application/json", LokiDecoder),
        ("/elastic/_bulk", "application/x-ndjson", ElasticDecoder),
    ],
)
def test_json_of_very_many_little_things_is_not_built(
    path: str, content_type: str, decoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten bytes of memory for one that came, which gzip makes of a thousandth: four requests took it all."""
    monkeypatch.setattr(otlp_bound, "MAX_VALUES", 100_000)
    monkeypatch.setattr(otlp_bound, "MAX_JSON_OBJECTS", 50_000)
    for one, times, what in ((b'"ab",', 200_000, "100000 values"), (b'{"a":1}', 60_000, "50000 objects")):
        body = b'{"streams":[' + one * times + b"1]}"
        tracemalloc.start()
        try:
            with pytest.raises(TooLargeError, match=what):
                decoder(SeriesRegistry(), 1 << 24).decode(PushRequest(body, content_type, "", path, "t", 0))
            assert tracemalloc.get_traced_memory()[1] < 2 * len(body)
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(("signal", "rows"), [("logs", 2), ("traces", 1)])
def test_requests_of_too_many_rows_are_refused(
    build: Build, push: Push, signal: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_request, "MAX_ROWS", rows - 1)
    with pytest.raises(TooLargeError, match=f"holds {rows} rows"):
        DECODERS[signal](SeriesRegistry(), 1 << 20).decode(push(build[signal]()))


def test_other_content_types_are_named() -> None:
    request = PushRequest(b"", "text/plain", "", "/v1/logs", "t", 0)
    with pytest.raises(DecodeError, match="text/plain"):
        OtlpLogsDecoder(SeriesRegistry(), 1 << 20).decode(request)
