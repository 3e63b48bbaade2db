"""Documents as Elasticsearch's shippers write them, to log records: the Elastic Common Schema and its kin.

Source: https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from stormpetrel.ingest.severity import severity_of
from stormpetrel.ingest.timestamps import parse_rfc3339
from stormpetrel.model.resource import UNKNOWN_ENTITY, entity_of
from stormpetrel.model.time import NANOS_PER_MILLISECOND

# As Elasticsearch's own bounds (index.mapping.total_fields.limit, depth.limit).
MAX_FIELDS = 1000
MAX_DEPTH = 20
# Names together: a long one with many fields beneath it is how a small document would become a large one.
MAX_NAME_BYTES = 256 << 10

_MESSAGES = ("message", "log", "msg", "event.original")
_LEVELS = ("log.level", "level", "severity", "loglevel", "event.severity_name")
_TRACES = ("trace.id", "trace_id", "traceId")
_SPANS = ("span.id", "span_id", "spanId")
_LATEST_MILLIS = (1 << 63) // NANOS_PER_MILLISECOND - 1
_HEX = frozenset("0123456789abcdef")

# What names the entity, under the name `entity_of` knows it by. Agents name the host of every document,
# also of those of a pod.
_IDENTITY: dict[str, str] = {
    "service.name": "service.name", "service": "service.name", "service_name": "service.name",
    "kubernetes.pod.name": "pod", "kubernetes.pod_name": "pod", "k8s.pod.name": "pod",
    "container.name": "container.name", "kubernetes.container_name": "container.name",
    "host.name": "host.name", "host.hostname": "host.name", "host": "host.name", "hostname": "host.name",
    "agent.hostname": "host.name", "beat.hostname": "host.name",
}  # fmt: skip


class DocumentRow(NamedTuple):
    """A document as a log record. Severity 0 is unset: the body may say it."""

    time_unix_nano: int
    entity: str
    severity_number: int
    body: str
    attributes: str
    trace_id: str
    span_id: str


def read_document(document: dict[str, Any], index: str, received_unix_nano: int) -> DocumentRow | str:
    """A document as a log record, or the reason why it is refused. Some 10 microseconds.

    The body is the message, else the whole document as JSON. Every other field is an attribute under its
    dotted name, the index among them as `_index`.

    Args:
        document: as it came; it is not changed.
        index: index or data stream it was sent to.
        received_unix_nano: the time of a document that has none.
    """
    fields = flattened(document)
    if fields is None:
        return "too_many_fields"
    time = _time(fields, received_unix_nano)
    if time is None:
        return "malformed_time"
    body = next((fields.pop(name) for name in _MESSAGES if name in fields), None)
    text = body if isinstance(body, str) else orjson.dumps(document if body is None else body).decode()
    trace, span = _take_id(fields, _TRACES, 32), _take_id(fields, _SPANS, 16)
    level = next((fields[name] for name in _LEVELS if isinstance(fields.get(name), str)), "")
    entity = _entity(fields)
    fields["_index"] = index
    return DocumentRow(time, entity, severity_of(level), text, orjson.dumps(fields).decode(), trace, span)


def flattened(document: dict[str, Any]) -> dict[str, Any] | None:
    """The fields by dotted name; None when there are too many. Lists stay what they are.

    >>> flattened({"log": {"level": "warn", "x": {}}, "a.b": [1]})
    {'log.level': 'warn', 'a.b': [1]}
    """
    fields: dict[str, Any] = {}
    size = 0
    for name, value in _leaves(document, "", MAX_DEPTH):
        fields[name] = value
        size += len(name)
        if len(fields) > MAX_FIELDS or size > MAX_NAME_BYTES:
            return None
    return fields


def _leaves(tree: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and depth > 1:
            yield from _leaves(value, f"{prefix}{name}.", depth - 1)
        elif value is not None:
            yield prefix + name, value


def _time(fields: dict[str, Any], received: int) -> int | None:
    """`@timestamp` as text or as milliseconds; None when it is there and is no time.

    Some shippers call it `timestamp`; there it may be anything, and counts only if it is a time.
    """
    stamp = fields.pop("@timestamp", None)
    if stamp is not None:
        return _moment(stamp)
    other = _moment(fields.get("timestamp"))
    if other is None:
        return received
    del fields["timestamp"]
    return other


def _moment(stamp: Any) -> int | None:
    if isinstance(stamp, str):
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 17):
            return parse_rfc3339(stamp)
        stamp = int(stamp)
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 <= stamp <= _LATEST_MILLIS:
        return None
    whole = int(stamp)
    # Fractions of a millisecond are rare and not exact: the whole part is.
    return whole * NANOS_PER_MILLISECOND + round((stamp - whole) * NANOS_PER_MILLISECOND)


def _take_id(fields: dict[str, Any], names: tuple[str, ...], length: int) -> str:
    """Take out the first id that is whole; a shorter one, as of 64-bit traces, gets zeros in front."""
    for name in names:
        value = fields.get(name)
        text = value.lower() if isinstance(value, str) else ""
        if len(text) in (16, length) and _HEX.issuperset(text) and text.strip("0"):
            del fields[name]
            return text.rjust(length, "0")
    return ""


def _entity(fields: dict[str, Any]) -> str:
    identity: dict[str, str] = {}
    for name, known in _IDENTITY.items():
        value = fields.get(name)
        if isinstance(value, str) and value:
            identity.setdefault(known, value)
    return entity_of(identity) if identity else UNKNOWN_ENTITY
