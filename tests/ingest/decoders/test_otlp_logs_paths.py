"""OTLP logs in protobuf: the kernels agree with the protobuf library."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from tests.ingest.decoders.otlp_logs_built import (
    RECEIVED,
    REQUESTS,
    as_json,
    built,
    long_way,
    outcome,
    put_pairs,
)

from stormpetrel.ingest import otlp_logs_rows
from stormpetrel.ingest.otlp_logs_columns import read_columns
from stormpetrel.ingest.otlp_logs_json import read_rows


@settings(max_examples=150, deadline=None)
@given(REQUESTS)
def test_the_kernels_say_what_the_messages_say(groups: Any) -> None:
    body = built(groups).SerializeToString()
    assert outcome(body) == long_way(body)


@settings(max_examples=150, deadline=None)
@given(REQUESTS, st.randoms(use_true_random=False))
def test_damaged_requests_meet_the_same_end(groups: Any, chance: Any) -> None:
    body = bytearray(built(groups).SerializeToString())
    if not body:
        return
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(body))
        body[place] = chance.choice([body[place] ^ 1 << chance.randrange(8), chance.randrange(256)])
    cut = bytes(body[: chance.choice([len(body), len(body), chance.randrange(len(body) + 1)])])
    assert outcome(cut) == long_way(cut)


def usual() -> Any:
    return built([([("service.name", "a")], [("lib", [USUAL] * 3)])])


USUAL: Any = (
    {"time_unix_nano": RECEIVED, "severity_number": 9, "severity_text": "INFO", "trace_id": bytes(range(16))},
    "all is well",
    [("s", "x"), ("n", -7), ("t", True), ("d", 1.5)],
    b"",
)


def test_usual_requests_do_go_the_short_way() -> None:
    message = usual()
    with mock.patch("stormpetrel.ingest.otlp_logs_columns.row_of", side_effect=AssertionError("odd")):
        columns = read_columns(message.SerializeToString())
    assert columns is not None
    assert len(columns.time) == 3
    with mock.patch("stormpetrel.ingest.otlp_logs_json.row_of", side_effect=AssertionError("odd")):
        assert len(read_rows(as_json(message)) or ()) == 3


def test_an_odd_record_does_not_slow_the_others_down() -> None:
    message = usual()
    put_pairs([("list", ["a"])], message.resource_logs[0].scope_logs[0].log_records[1].attributes)
    body = message.SerializeToString()
    rows = mock.Mock(side_effect=otlp_logs_rows.row_of)
    with mock.patch("stormpetrel.ingest.otlp_logs_columns.row_of", rows):
        assert outcome(body) == long_way(body)
    assert rows.call_count == 1


DOUBLES = [0.0, -0.0, 1.0, 1e16, 5e-324, -2.2250738585072014e-308, math.pi, math.nan, math.inf]


@pytest.mark.parametrize("number", DOUBLES)
def test_doubles_are_written_as_orjson_writes_them(number: float) -> None:
    body = built([([], [("", [({}, "", [("d", number), ("e", 2.5)], b"")])])]).SerializeToString()
    (attributes,) = outcome(body)[0]["attributes"]
    assert attributes.encode() == orjson.dumps({"d": number, "e": 2.5})


def test_every_character_is_escaped_as_orjson_does() -> None:
    text = "".join(map(chr, (*range(0x300), 0x2028, 0xFFFF, 0x1F600)))
    body = built([([], [("", [({}, "", [(text, text)], b"")])])]).SerializeToString()
    assert outcome(body)[0]["attributes"] == [orjson.dumps({text: text}).decode()]


def test_whole_numbers_to_the_edge() -> None:
    numbers = [0, -1, 9, 10, 2**63 - 1, -(2**63), 10**18, -(10**18)]
    pairs = [(str(n), number) for n, number in enumerate(numbers)]
    body = built([([], [("", [({}, "", pairs, b"")])])]).SerializeToString()
    (attributes,) = outcome(body)[0]["attributes"]
    assert list(orjson.loads(attributes).values()) == numbers


@pytest.mark.parametrize("count", [63, 64, 65, 200])
def test_many_attributes_and_many_severity_texts(count: int) -> None:
    pairs = [(f"k{n}", n) for n in range(count)]
    records = [({"severity_text": f"level {n}"}, "", pairs, b"") for n in range(count)]
    body = built([([], [("", records)])]).SerializeToString()
    assert outcome(body) == long_way(body)
    assert len(outcome(body)[0]["body"]) == count


@pytest.mark.parametrize("width", [2, 3, 4, 5, 6])
def test_lengths_with_more_bytes_than_they_need(width: int) -> None:
    """Valid up to five bytes; the library has the last word."""
    record: Any = LogRecord()
    record.severity_number = 9

    def wrapped(tag: int, content: bytes) -> bytes:
        size = bytes([len(content) & 0x7F | 0x80] + [0x80] * (width - 2) + [0])
        return bytes([tag]) + size + content

    body = wrapped(0x0A, wrapped(0x12, wrapped(0x12, record.SerializeToString())))
    assert outcome(body) == long_way(body)


def test_random_bytes_meet_the_same_end() -> None:
    rng = np.random.default_rng(3)
    seeds = [b"", b"\x0a", b"\x0a\x04\x12\x02\x12\x00", usual().SerializeToString()[:40]]
    for _ in range(300):
        body = seeds[int(rng.integers(len(seeds)))] + rng.bytes(int(rng.integers(40)))
        assert outcome(body) == long_way(body)


def test_a_severity_that_the_library_cuts_to_32_bits() -> None:
    record = b"\x10\x89\x80\x80\x80\x10"  # 2^32 + 9
    body = b"\x0a\x0a\x12\x08\x12" + bytes([len(record)]) + record
    assert outcome(body) == long_way(body)
    assert outcome(body)[0]["severity_number"] == [9]


def test_doubles_of_an_odd_record_do_not_move_to_the_next() -> None:
    pairs: Any = [("d", 1.5), ("list", ["a"]), ("e", 2.5)]
    records: Any = [({}, "", pairs, b""), ({}, "", [("f", 3.5)], b"")]
    body = built([([], [("", records)])]).SerializeToString()
    assert outcome(body)[0]["attributes"] == ['{"d":1.5,"list":["a"],"e":2.5}', '{"f":3.5}']
