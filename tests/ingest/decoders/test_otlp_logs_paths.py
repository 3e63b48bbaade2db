"""The ways of decoding OTLP logs agree: kernels, the tree of JSON, and protobuf messages."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import numpy as np
import orjson
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from stormpetrel.errors import DecodeError
from stormpetrel.ingest import otlp_logs, otlp_logs_rows
from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.otlp_logs_columns import read_columns
from stormpetrel.ingest.otlp_logs_json import read_rows
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest

RECEIVED = 1_700_000_000_000_000_000
JSON, PROTOBUF = "application/json", "application/x-protobuf"
DECODER = OtlpLogsDecoder(SeriesRegistry(), 1 << 20)


def outcome(body: bytes, content_type: str = PROTOBUF) -> Any:
    """Everything that a request gives; the reason where it is refused."""
    try:
        decoded = DECODER.decode(PushRequest(body, content_type, "", "/v1/logs", "test", RECEIVED))
    except DecodeError as error:
        return error.reason
    if decoded.logs is not None:
        decoded.logs.records.validate(full=True)
    return decoded.logs and decoded.logs.records.to_pydict(), decoded.rejected, decoded.answer


def long_way(body: bytes, content_type: str = PROTOBUF) -> Any:
    """The same by protobuf messages alone."""
    with (
        mock.patch.object(otlp_logs, "read_columns", return_value=None),
        mock.patch.object(otlp_logs, "read_rows", return_value=None),
    ):
        return outcome(body, content_type)


TEXT = st.text(max_size=12)
TIMES = st.one_of(st.just(0), st.integers(0, 2**64 - 1), st.just(RECEIVED))
KEYS = st.one_of(TEXT, st.sampled_from(["a", "b", "n", "severity_text", "event.name", "http.route"]))
PLAIN = st.one_of(
    st.none(),
    TEXT,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=64),
    st.binary(max_size=5),
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=4
)
PAIRS = st.lists(st.tuples(KEYS, st.one_of(PLAIN, PLAIN, PLAIN, VALUES)), max_size=4)
SAID = st.sampled_from(["", "", "INFO", "info", "ERROR2", "Warning", "nonsense", ' "x"\\ ', "\x1b[0m"])
RECORDS = st.fixed_dictionaries(
    {
        "time_unix_nano": TIMES,
        "observed_time_unix_nano": TIMES,
        "severity_number": st.one_of(st.integers(0, 24), st.integers(-(2**31), 2**31 - 1)),
        "severity_text": SAID,
        "event_name": st.sampled_from(["", "", "device.lost", 'a"b']),
        "flags": st.sampled_from([0, 1, 2**32 - 1]),
        "dropped_attributes_count": st.sampled_from([0, 3, 2**32 - 1]),
        "trace_id": st.sampled_from([b"", bytes(16), bytes(range(16)), b"\xff" * 15]),
        "span_id": st.sampled_from([b"", bytes(8), bytes(range(8)), b"\xff" * 9]),
    }
)
RECORD = st.tuples(RECORDS, st.one_of(TEXT, VALUES), PAIRS, st.sampled_from([b"", b"", b"", b"\xf8\x3e\x01"]))
SCOPE = st.tuples(st.sampled_from(["", "lib", "ünï"]), st.lists(RECORD, max_size=5))
REQUESTS = st.lists(st.tuples(PAIRS, st.lists(SCOPE, max_size=3)), max_size=3)


def put(value: Any, into: Any) -> None:
    """A Python value as an AnyValue; None sets nothing."""
    kinds = {bool: "bool", int: "int", float: "double", str: "string", bytes: "bytes"}
    if isinstance(value, list):
        into.array_value.SetInParent()
        for one in value:
            put(one, into.array_value.values.add())
    elif isinstance(value, dict):
        into.kvlist_value.SetInParent()
        put_pairs(list(value.items()), into.kvlist_value.values)
    elif value is not None:
        setattr(into, f"{kinds[type(value)]}_value", value)


def put_pairs(pairs: list[tuple[str, Any]], into: Any) -> None:
    for name, value in pairs:
        pair = into.add(key=name)
        if value is not None or name != "a":  # now and then without any value
            put(value, pair.value)
            pair.value.SetInParent()


def built(groups: Any) -> Any:
    message: Any = ExportLogsServiceRequest()
    for resource, scopes in groups:
        group = message.resource_logs.add(schema_url="s")
        put_pairs(resource, group.resource.attributes)
        for name, records in scopes:
            scope = group.scope_logs.add()
            scope.scope.name = name
            for fields, body, pairs, unknown in records:
                record = scope.log_records.add(**fields)
                put(body, record.body)
                put_pairs(pairs, record.attributes)
                record.MergeFromString(unknown)
    return message


@settings(max_examples=250, deadline=None)
@given(REQUESTS)
def test_the_kernels_say_what_the_messages_say(groups: Any) -> None:
    body = built(groups).SerializeToString()
    assert outcome(body) == long_way(body)


@settings(max_examples=250, deadline=None)
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


@settings(max_examples=150, deadline=None)
@given(REQUESTS)
def test_the_tree_says_what_the_messages_say(groups: Any) -> None:
    body = as_json(built(groups))
    assert outcome(body, JSON) == long_way(body, JSON)


def as_json(message: Any) -> bytes:
    """OTLP's JSON with the plain spellings that the exporters use."""
    tree = json_format.MessageToDict(message, use_integers_for_enums=True)
    for group, told in zip(tree.get("resourceLogs", []), message.resource_logs, strict=True):
        for scope, said in zip(group.get("scopeLogs", []), told.scope_logs, strict=True):
            for record, one in zip(scope.get("logRecords", []), said.log_records, strict=True):
                for key, raw in (("traceId", one.trace_id), ("spanId", one.span_id)):
                    if key in record:
                        record[key] = raw.hex()
    return orjson.dumps(tree)


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
