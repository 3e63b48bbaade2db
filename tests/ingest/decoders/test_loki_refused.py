"""Loki pushes: what is refused alone, with the others stored, and what is refused whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ingest.decoders.test_loki import STREAMS, T, as_message, decode, lines_of, push, rows

from stormpetrel.errors import DecodeError, TooLargeError, UnsupportedError


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (["x", "y"], "malformed_time"),
        (["1.5", "y"], "malformed_time"),
        (["99999999999999999999", "y"], "malformed_time"),
        ([None, "y"], "malformed_time"),
        ([True, "y"], "malformed_time"),
        ([str(T), 5], "line_not_text"),
        ([str(T), None], "line_not_text"),
        ([str(T)], "malformed_value"),
        (["1", "2", {}, "4"], "malformed_value"),
        ("12", "malformed_value"),
        ([str(T), "y", "z"], "bad_metadata"),
        ([str(T), "y", {"a": 1}], "bad_metadata"),
        ([str(T), "y", {str(n): "" for n in range(129)}], "bad_metadata"),
        ([str(T), "y" * (256 * 1024 + 1)], "line_too_long"),
    ],
)
def test_a_bad_line_is_refused_alone_with_400(value: Any, reason: str) -> None:
    decoded = decode(lines_of([str(T), "before"], value, [str(T + 2), "behind", {"k": "v"}]))
    assert decoded.logs is not None
    assert decoded.logs.records.column("body").to_pylist() == ["before", "behind"]
    assert decoded.logs.records.column("time_unix_nano").to_pylist() == [T, T + 2]
    assert json.loads(decoded.logs.records.column("attributes")[1].as_py()) == {"job": "a", "k": "v"}
    assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 1)]
    assert decoded.status == 400
    assert decoded.answer_type.startswith("text/plain")
    assert reason in decoded.answer.decode()


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"a": 1}, "label_not_text"),
        ({f"l{n}": "x" for n in range(65)}, "too_many_labels"),
        ({"a": "x" * 20_000}, "labels_too_long"),
    ],
)
def test_a_bad_stream_is_refused_alone(labels: Any, reason: str) -> None:
    streams = [
        {"stream": labels, "values": [[str(T), "bad"], [str(T), "bad"]]},
        {"values": [[str(T), "good"]]},
    ]
    decoded = decode(push(json.dumps({"streams": streams}).encode()))
    assert decoded.logs is not None
    assert decoded.logs.records.column("body").to_pylist() == ["good"]
    assert decoded.logs.records.column("entity").to_pylist() == ["unknown:unknown"]
    assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 2)]


def test_labels_that_do_not_parse_and_times_that_cannot_be() -> None:
    message = as_message([STREAMS[0], ({}, [(T, "bad", {})]), STREAMS[1]])
    message.streams[1].labels = b"{job=}"
    message.streams[2].entries[0].timestamp.nanos = -1
    message.streams[2].entries[1].timestamp.seconds = 1 << 62
    decoded = decode(push(message.SerializeToString(), "application/x-protobuf"))
    assert decoded.logs is not None
    assert decoded.logs.records.column("body").to_pylist() == ["cart is slow", "käse"]
    assert {r.reason: r.rows for r in decoded.rejected} == {"malformed_labels": 1, "time_out_of_range": 2}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"streams": 5}', b'{"streams": [5]}', b'{"streams": [{"stream": {}}]}', b"{"],
)
def test_what_is_no_push_is_refused_whole(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(push(body))


def test_other_content_types_are_refused() -> None:
    with pytest.raises(UnsupportedError):
        decode(push(b"x", "text/plain"))


def test_long_labels_of_many_short_lines_are_too_large() -> None:
    lines = [[str(T + n), ""] for n in range(3000)]
    labels = {"a": "x" * 10_000}
    assert len(rows(lines_of(*lines, labels=labels), 16 << 20)) == 3000
    with pytest.raises(TooLargeError, match="labels"):
        decode(lines_of(*lines, labels=labels), 8 << 20)
