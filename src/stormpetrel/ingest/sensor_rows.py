"""What network sensors write (Zeek, Suricata): JSON lines, flat attributes, log records a person can read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.flow_rows import MAX_ROWS
from stormpetrel.ingest.webhook_values import NAME_LETTERS, TEXT_LETTERS, text_of
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import PushRequest
from stormpetrel.model.signal import LogBatch

MAX_LINE_BYTES = 1 << 20
MAX_NAMES = 256
LEFT_OUT = "attributes_left_out"

_MAX_DEPTH = 4
_GZIP = b"\x1f\x8b"
_GENERAL_NAMES = 8  # values shown of a record of no known kind

Flat = dict[str, Any]  # text, number, bool, or list by dotted name


class LogRow(NamedTuple):
    """One log record; the fields are those of `model.signal.LOG_SCHEMA`."""

    time_unix_nano: int
    entity: str
    severity_number: int
    body: str
    attributes: str


def log_batch(rows: Sequence[LogRow], source: str, received_unix_nano: int, token: int) -> LogBatch | None:
    """The rows as a batch; None where there are none."""
    if not rows:
        return None
    columns: dict[str, Any] = dict(zip(LogRow._fields, zip(*rows, strict=True), strict=True))
    return build_logs(**columns, source=source, observed_unix_nano=received_unix_nano, request_token=token)


def open_body(request: PushRequest, limit: int) -> bytes:
    """The unpacked body; a file that was sent as it is, compressed by gzip, is unpacked too.

    Raises:
        TooLargeError: beyond `limit` bytes once unpacked.
        DecodeError: an unknown encoding, or bytes that are not of it.
    """
    body = unpack(request.body, request.content_encoding, limit)
    return unpack(body, "gzip", limit) if body[:2] == _GZIP else body


def lines_of(body: bytes) -> Iterator[bytes]:
    """The lines that hold anything, without their ends.

    Raises:
        TooLargeError: more than `MAX_ROWS` of them.
    """
    rows = 0
    for line in io.BytesIO(body):
        bare = line.rstrip(b"\r\n")
        if bare and not bare.isspace():
            rows += 1
            if rows > MAX_ROWS:
                raise TooLargeError(f"the request has more than {MAX_ROWS} lines: send fewer at once")
            yield bare


def flat(tree: Mapping[str, Any]) -> Flat:
    """Nested objects as dotted names; nulls are left out, what lies deeper than 4 levels is JSON text.

    At most `MAX_NAMES` names are kept; how many were not is told under `attributes_left_out`.

    >>> flat({"id": {"orig_h": "10.0.0.1"}, "n": 1, "none": None, "list": [1, {"a": 2}]})
    {'id.orig_h': '10.0.0.1', 'n': 1, 'list': [1, '{"a":2}']}
    """
    found: Flat = {}
    left_out = _flatten(tree, "", 1, found)
    if left_out:
        found[LEFT_OUT] = left_out
    return found


def _flatten(tree: Mapping[str, Any], prefix: str, depth: int, into: Flat) -> int:
    left_out = 0
    for key, value in tree.items():
        name = f"{prefix}{key}"[:NAME_LETTERS]
        if value is None:
            continue
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            left_out += _flatten(value, f"{name}.", depth + 1, into)
        elif len(into) >= MAX_NAMES:
            left_out += 1
        else:
            into[name] = _plain(value)
    return left_out


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value[:TEXT_LETTERS]
    if isinstance(value, list):
        return [one if isinstance(one, int | float) else text_of(one) for one in value[:MAX_NAMES]]
    return text_of(value) if isinstance(value, dict) else value


def attributes_of(record: Flat, without: frozenset[str] = frozenset()) -> str:
    """The record as a JSON object, without what has a column of its own."""
    return orjson.dumps({name: value for name, value in record.items() if name not in without}).decode()


def entity_of_sensor(sensor: object, source: str) -> str:
    """The host that the sensor says it is, else the job: who sent it.

    >>> entity_of_sensor("", "edge/zeek"), entity_of_sensor("ids-1", "edge/zeek")
    ('job:edge', 'host:ids-1')
    """
    if isinstance(sensor, str) and sensor:
        return f"host:{sensor[:NAME_LETTERS]}"
    return f"job:{source.partition('/')[0]}"


def readable(
    kind: str, record: Flat, names: Sequence[str], ends: tuple[str, str], quiet: frozenset[str]
) -> str:
    """One line for people: the kind, the values that matter, and from where to where.

    Args:
        kind: of the record.
        record: all of it.
        names: whose values matter, in order; none: the first few that are not `quiet`, with their names.
        ends: names of the addresses it was about.
        quiet: names that tell people little.
    """
    if names:
        told = [text_of(record.get(name)) for name in names]
    else:
        shown = [name for name in record if name not in quiet and name not in ends][:_GENERAL_NAMES]
        told = [f"{name}={text_of(record[name])}" for name in shown]
    here, there = (text_of(record.get(name)) for name in ends)
    told.append(f"({here} -> {there})" if here and there else "")
    return " ".join([kind, *(text for text in told if text)])[:TEXT_LETTERS]
