"""OTLP log requests in JSON: rows straight from the tree that orjson reads.

A record whose values are plain becomes a row at once; one with anything else is filled into a protobuf
message first, as are resources and scopes: see `otlp_json`.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from stormpetrel.ingest.otlp_json import MAX_DEPTH, fill_tree, load_tree
from stormpetrel.ingest.otlp_logs_rows import LogRow, completed, row_of
from stormpetrel.ingest.otlp_request import check_rows
from stormpetrel.ingest.otlp_scopes import scopes_of
from stormpetrel.ingest.otlp_values import INT64_MAX, joined

_RECORD_KEYS = frozenset(
    {
        "timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "body", "attributes",
        "droppedAttributesCount", "flags", "traceId", "spanId", "eventName",
    }
)  # fmt: skip
_TEXT = {"stringValue": ""}


def read_rows(body: bytes) -> list[LogRow] | None:
    """The rows of a request whose groups are of the usual shape; None: fill the message and read that.

    Raises:
        DecodeError: not JSON, or a value of the wrong type.
        TooLargeError: more rows than are taken, or more than they may repeat of their resource.
    """
    tree = load_tree(body)
    taken = _take_records(tree)
    if taken is None:
        return None
    frame, records = taken
    check_rows(sum(map(len, records)))
    message: Any = fill_tree(ExportLogsServiceRequest(), frame, MAX_DEPTH)
    groups = ((group.resource, group.scope_logs) for group in message.resource_logs)
    rows: list[LogRow] = []
    for scope, trees in zip(scopes_of(groups, map(len, records)), records, strict=True):
        for one in trees:
            row = _plain_row(one, scope.entity, scope.prefix)
            # Three messages stand above a record.
            rows.append(row or row_of(fill_tree(LogRecord(), one, MAX_DEPTH - 3), scope.entity, scope.prefix))
    return rows


def _take_records(tree: Any) -> tuple[dict[str, Any], list[list[Any]]] | None:
    """The tree without its records, and the records of each scope; None when it is not of the usual shape."""
    groups = _only_list(tree, "resourceLogs", ())
    if groups is None:
        return None
    records: list[list[Any]] = []
    frames = []
    for group in groups:
        scopes = _only_list(group, "scopeLogs", ("resource", "schemaUrl"))
        if scopes is None:
            return None
        inner = []
        for scope in scopes:
            found = _only_list(scope, "logRecords", ("scope", "schemaUrl"))
            if found is None:
                return None
            records.append(found)
            inner.append({**scope, "logRecords": []})
        frames.append({**group, "scopeLogs": inner})
    return {"resourceLogs": frames}, records


def _only_list(tree: Any, key: str, others: tuple[str, ...]) -> list[Any] | None:
    """The list under the key, empty when absent; None when it is none, or there are unknown keys."""
    if type(tree) is not dict or not tree.keys() <= {key, *others}:
        return None
    found = tree.get(key, [])
    return found if type(found) is list else None


def _plain_row(tree: Any, entity: str, prefix: bytes) -> LogRow | None:
    """The row of a record whose values are plain; None for anything else, also what is wrong."""
    if type(tree) is not dict or not tree.keys() <= _RECORD_KEYS:
        return None
    get = tree.get
    try:
        body = get("body", _TEXT)
        attributes = _attributes(get("attributes", []))
        number = _number(get("severityNumber", 0), INT64_MAX >> 32)
        _number(get("flags", 0), 0xFFFF_FFFF)
        _number(get("droppedAttributesCount", 0), 0xFFFF_FFFF)
        if len(body) != 1:
            return None
        severity = completed(attributes, number, _text(get("severityText", "")), _text(get("eventName", "")))
        return (
            _time(get("timeUnixNano", 0)),
            _time(get("observedTimeUnixNano", 0)),
            entity,
            severity,
            _text(body["stringValue"]),
            joined(prefix, attributes),
            _id(get("traceId", ""), 16),
            _id(get("spanId", ""), 8),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _attributes(pairs: Any) -> dict[str, Any]:
    """Attributes by name; a TypeError or alike for what is not plain."""
    found: dict[str, Any] = {}
    if type(pairs) is not list:
        raise TypeError
    for pair in pairs:
        key, value = pair["key"], pair["value"]
        if len(pair) != 2 or type(key) is not str or type(value) is not dict:
            raise TypeError
        ((kind, one),) = value.items()
        if kind == "intValue":
            one = _signed(one)
        elif kind == "doubleValue" and type(one) is int:
            one = float(one)
        if type(one) is not _TYPES[kind]:
            raise TypeError
        found[key] = one
    return found


_TYPES: dict[str, type] = {"stringValue": str, "boolValue": bool, "intValue": int, "doubleValue": float}


def _signed(raw: Any) -> int:
    """A 64-bit number as itself or as decimal digits."""
    if type(raw) is str and len(raw) < 19 and raw.removeprefix("-").isdecimal():
        return int(raw)
    if type(raw) is not int or not -INT64_MAX - 1 <= raw <= INT64_MAX:
        raise TypeError
    return raw


def _time(raw: Any) -> int:
    """Nanoseconds as themselves or as decimal digits."""
    if type(raw) is str and len(raw) < 20 and raw.isdecimal():
        return int(raw)
    return _number(raw, 2 * INT64_MAX + 1)


def _number(raw: Any, most: int) -> int:
    if type(raw) is not int or not 0 <= raw <= most:
        raise TypeError
    return raw


def _text(raw: Any) -> str:
    if type(raw) is not str:
        raise TypeError
    return raw


def _id(raw: Any, length: int) -> str:
    """An id of hexadecimal digits, "" when it is absent or all zero."""
    if raw == "":
        return ""
    if type(raw) is not str or len(raw) != 2 * length:
        raise TypeError
    packed = bytes.fromhex(raw)
    if len(packed) != length:  # it had blanks
        raise ValueError
    return packed.hex() if any(packed) else ""
