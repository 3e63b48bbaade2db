"""Loki pushes: what becomes of labels, metadata and lines, and what is refused alone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any

import cramjam
import pytest

from stormpetrel.ingest.loki import LokiDecoder
from stormpetrel.ingest.loki_proto import LokiRequest
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest

T = 1_700_000_000_123_456_789
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LABELS = {"job": "shop", "host": "web-1", "level": "warn"}
# Labels, and lines of (time, text, metadata).
Stream = tuple[dict[str, str], Sequence[tuple[int, str, dict[str, str]]]]
STREAMS: list[Stream] = [
    (
        LABELS,
        [(T, "cart is slow", {}), (T + 1, "käse", {"trace_id": TRACE, "span_id": SPAN, "level": "error"})],
    ),
    ({"service_name": "checkout"}, [(T + 2, 'level=debug msg="x"', {}), (T + 3, "nothing", {"user": "7"})]),
]


def as_json(streams: Sequence[Stream]) -> bytes:
    pushed = [
        {
            "stream": labels,
            "values": [[str(t), line, more] if more else [str(t), line] for t, line, more in lines],
        }
        for labels, lines in streams
    ]
    return json.dumps({"streams": pushed}).encode()


def as_message(streams: Sequence[Stream]) -> Any:
    message = LokiRequest()
    for labels, lines in streams:
        pairs = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
        stream = message.streams.add(labels=f"{{{pairs}}}".encode())
        for time, line, more in lines:
            entry = stream.entries.add(line=line.encode())
            entry.timestamp.seconds, entry.timestamp.nanos = divmod(time, 10**9)
            for name, value in more.items():
                entry.structured_metadata.add(name=name.encode(), value=value.encode())
    return message


def push(
    body: bytes, content_type: str = "application/json", encoding: str = "", **headers: str
) -> PushRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PushRequest(body, content_type, encoding, "/loki/api/v1/push", "test", T + 9, headers=named)


PROTOBUF = as_message(STREAMS).SerializeToString()
VALID_REQUESTS = [push(as_json(STREAMS)), push(PROTOBUF, "application/x-protobuf")]


def decode(request: PushRequest, limit: int = 1 << 20) -> Decoded:
    return LokiDecoder(SeriesRegistry(), limit).decode(request)


def rows(request: PushRequest, limit: int = 1 << 20) -> list[dict[str, Any]]:
    decoded = decode(request, limit)
    assert decoded.logs is not None
    found: list[dict[str, Any]] = decoded.logs.records.to_pylist()
    return found


def lines_of(*lines: Any, labels: Any = None) -> PushRequest:
    return push(json.dumps({"streams": [{"stream": labels or {"job": "a"}, "values": lines}]}).encode())


def test_what_becomes_of_a_push() -> None:
    decoded = decode(VALID_REQUESTS[0])
    assert (decoded.status, decoded.answer, decoded.rejected) == (204, b"", ())
    slow, cheese, debug, nothing = rows(VALID_REQUESTS[0])
    assert [row["time_unix_nano"] for row in (slow, cheese, debug, nothing)] == [T, T + 1, T + 2, T + 3]
    assert (slow["body"], slow["entity"], slow["severity_number"]) == ("cart is slow", "host:web-1", 13)
    assert json.loads(slow["attributes"]) == LABELS
    assert (slow["trace_id"], slow["source"], slow["observed_unix_nano"]) == ("", "test", T + 9)
    assert (cheese["severity_number"], cheese["trace_id"], cheese["span_id"]) == (17, TRACE, SPAN)
    assert json.loads(cheese["attributes"]) == {**LABELS, "level_extracted": "error"}
    assert (debug["entity"], debug["severity_number"]) == ("service:checkout", 5)
    assert json.loads(nothing["attributes"]) == {"service_name": "checkout", "user": "7"}
    assert nothing["severity_number"] == 0
    assert len({row["request_token"] for row in (slow, cheese, debug, nothing)} - {0}) == 1


def without_token(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "request_token": 1} for row in found]


@pytest.mark.parametrize(
    "content_type", ["application/x-protobuf", "", "application/x-protobuf; proto=logproto"]
)
def test_protobuf_says_the_same_as_json_however_it_is_packed(content_type: str) -> None:
    wanted = without_token(rows(VALID_REQUESTS[0]))
    snappy = bytes(cramjam.snappy.compress_raw(PROTOBUF))
    for body, encoding in (
        (PROTOBUF, ""), (snappy, ""), (snappy, "snappy"), (gzip.compress(PROTOBUF), "gzip"),
        (gzip.compress(snappy), "gzip"),
    ):  # fmt: skip
        assert without_token(rows(push(body, content_type, encoding))) == wanted


def test_the_tenant_is_kept_and_tells_requests_apart() -> None:
    one, other = (push(VALID_REQUESTS[0].body, x_scope_orgid=tenant) for tenant in ("blue", "green"))
    assert json.loads(rows(one)[0]["attributes"]) == {**LABELS, "loki.tenant": "blue"}
    assert rows(one)[0]["request_token"] != rows(other)[0]["request_token"]
    assert rows(one)[0]["request_token"] == rows(one)[0]["request_token"]


def test_the_old_path_takes_its_old_form() -> None:
    entries = [
        {"ts": "2023-11-14T22:13:20.123456789Z", "line": "x"},
        {"ts": "now", "line": "y"},
        {"line": "z"},
    ]
    body = json.dumps({"streams": [{"labels": '{job="a\\"b"}', "entries": [*entries, 5]}]}).encode()
    decoded = decode(push(body))
    assert decoded.logs is not None
    assert decoded.logs.records.column("time_unix_nano").to_pylist() == [T]
    assert json.loads(decoded.logs.records.column("attributes")[0].as_py()) == {"job": 'a"b'}
    assert {r.reason: r.rows for r in decoded.rejected} == {"malformed_time": 2, "malformed_value": 1}


def test_times_that_are_numbers_are_taken() -> None:
    assert [row["time_unix_nano"] for row in rows(lines_of([T, "x"], [str(T + 1), "y"]))] == [T, T + 1]


def test_one_bad_character_refuses_nothing() -> None:
    body = as_json([(LABELS, [(T, "a half \x01 pair", {})])])
    (row,) = rows(push(body.replace(b"\\u0001", b"\\ud83d")))
    assert row["body"] == "a half � pair"
    (row,) = rows(push(body.replace(b"\\u0001", b"\xff\xfe")))
    assert row["body"] == "a half �� pair"
    message = as_message([(LABELS, [(T, "x", {"k": "v"}), (T, "y", {})])])
    message.streams[0].entries[0].line = b"\xff x"
    message.streams[0].entries[0].structured_metadata[0].value = b"\xff"
    found = rows(push(message.SerializeToString(), "application/x-protobuf"))
    assert [row["body"] for row in found] == ["� x", "y"]
    assert json.loads(found[0]["attributes"])["k"] == "�"


def test_nothing_in_a_push_is_fine() -> None:
    assert decode(push(b'{"streams": []}')).logs is None
    assert decode(push(b"", "application/x-protobuf")).logs is None
    assert decode(lines_of()).logs is None


@pytest.mark.parametrize(
    ("trace", "wanted"),
    [
        (TRACE.upper(), TRACE),
        ("b7ad6b7169203331", "0" * 16 + "b7ad6b7169203331"),
        ("0" * 32, ""),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_trace_ids_are_whole_or_none(trace: str, wanted: str) -> None:
    (row,) = rows(lines_of([str(T), "x", {"traceID": trace}]))
    assert row["trace_id"] == wanted
    assert ("traceID" in json.loads(row["attributes"])) is (not wanted and trace != "")
