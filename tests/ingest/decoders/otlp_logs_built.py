"""Log requests of every sort, and what becomes of them by the short ways and by the long one."""

from __future__ import annotations

from typing import Any
from unittest import mock

import orjson
from google.protobuf import json_format
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stormpetrel.errors import DecodeError
from stormpetrel.ingest import otlp_logs
from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
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
