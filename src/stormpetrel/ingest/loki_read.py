"""Loki push bodies, protobuf and JSON, to columns.

Specification: https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import loki_wire as wire
from stormpetrel.ingest.json_body import parse_json
from stormpetrel.ingest.loki_lines import LokiLines
from stormpetrel.ingest.loki_proto import LokiEntry, LokiRequest, metadata_of, parse
from stormpetrel.ingest.loki_streams import Stream, describe, describe_text
from stormpetrel.ingest.otlp_bound import check_size
from stormpetrel.ingest.otlp_request import check_rows
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.text_columns import gather_text
from stormpetrel.ingest.timestamps import parse_rfc3339
from stormpetrel.model.time import NANOS_PER_SECOND

# The protobuf library needs many bytes for each byte of a body made to hurt. Senders' own are not read by it.
MAX_UNUSUAL_BYTES = 8 << 20

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


def read_protobuf(body: bytes, tenant: str, tally: RejectTally) -> LokiLines:
    """The lines of a `logproto.PushRequest`. About 200 ns a line of 100 bytes.

    Raises:
        TooLargeError: more lines than a request may have.
        DecodeError: the body is not such a message.
    """
    buf = np.frombuffer(body, np.uint8)
    usual, stream_count, rows = wire.measure(buf, len(buf))
    if usual:
        check_rows(rows)
        spans = np.zeros((stream_count, 3), np.int64)
        times, entries = np.empty((rows, 2), np.int64), np.empty((rows, 4), np.int64)
        usual = wire.read(buf, len(buf), spans, times, entries)
    if not usual:
        return _read_unusual(body, tenant, tally)
    streams = [describe_text(body[a:b].decode("utf-8", "replace"), tenant) for a, b, _ in spans.tolist()]
    time, keep = _nanoseconds(times, tally)
    line = gather_text(buf, entries[:, wire.LINE_START], entries[:, wire.LINE_END])
    read = LokiLines(streams, spans[:, 2], time, line, keep, tally)
    for row in np.flatnonzero(entries[:, wire.ENTRY_END]).tolist():
        start, end = entries[row, wire.ENTRY_START], entries[row, wire.ENTRY_END]
        read.metadata[row] = metadata_of(parse(LokiEntry, body[start:end]))
    return read


def _read_unusual(body: bytes, tenant: str, tally: RejectTally) -> LokiLines:
    """The protobuf library's way, for whatever shape the message has."""
    if len(body) > MAX_UNUSUAL_BYTES:
        raise TooLargeError(
            "the request is not encoded as Loki's agents do it, and such a one may have at most "
            f"{MAX_UNUSUAL_BYTES} bytes: send smaller requests"
        )
    message = parse(LokiRequest, body)
    counts = [len(stream.entries) for stream in message.streams]
    check_rows(sum(counts))
    flat = [entry for stream in message.streams for entry in stream.entries]
    streams = [describe_text(one.labels.decode("utf-8", "replace"), tenant) for one in message.streams]
    stamps = [(entry.timestamp.seconds, entry.timestamp.nanos) for entry in flat]
    time, keep = _nanoseconds(np.array(stamps, np.int64).reshape(-1, 2), tally)
    line = pa.array([entry.line.decode("utf-8", "replace") for entry in flat], pa.string())
    read = LokiLines(streams, np.array(counts, np.int64), time, line, keep, tally)
    read.metadata = {row: metadata_of(entry) for row, entry in enumerate(flat) if entry.structured_metadata}
    return read


def _nanoseconds(times: NDArray[np.int64], tally: RejectTally) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seconds and nanoseconds [rows, 2] as nanoseconds, and which of them can be."""
    seconds, nanos = times[:, 0], times[:, 1]
    keep = (
        (seconds > -wire.MAX_SECONDS)
        & (seconds < wire.MAX_SECONDS)
        & (nanos >= 0)
        & (nanos < NANOS_PER_SECOND)
    )
    tally.add("time_out_of_range", len(keep) - int(keep.sum()))
    return np.where(keep, seconds, 0) * NANOS_PER_SECOND + np.where(keep, nanos, 0), keep


def read_json(body: bytes, tenant: str, tally: RejectTally) -> LokiLines:
    """The lines of a JSON push, in the form of today or of `/api/prom/push`. About 400 ns a line.

    Raises:
        TooLargeError: more lines, or more objects, than a request may have.
        DecodeError: not JSON, or not of the form of a push.
    """
    check_size(body, None, json=True)
    tree = parse_json(body)
    pushed = tree.get("streams") if isinstance(tree, dict) else None
    if not isinstance(pushed, list):
        raise DecodeError(
            'a Loki push is {"streams": [{"stream": {…}, "values": [["<ns>", "<line>"], …]}, …]}'
        )
    streams: list[Stream | str] = []
    counts: list[int] = []
    columns = _Columns(tally)
    for one in pushed:
        stream, values = _stream(one, tenant)
        streams.append(stream)
        counts.append(columns.add(values))
        check_rows(len(columns.times))
    time, line, keep = columns.finish()
    return LokiLines(streams, np.array(counts, np.int64), time, line, keep, tally, columns.metadata)


def _stream(one: Any, tenant: str) -> tuple[Stream | str, list[Any]]:
    """A stream and its values, in either form."""
    if (
        isinstance(one, dict)
        and isinstance(one.get("values"), list)
        and isinstance(one.get("stream", {}), dict)
    ):
        return describe(one.get("stream", {}), tenant), one["values"]
    if isinstance(one, dict) and isinstance(one.get("entries"), list) and isinstance(one.get("labels"), str):
        return describe_text(one["labels"], tenant), [_old_entry(entry) for entry in one["entries"]]
    raise DecodeError("a Loki stream has `stream`, an object, and `values`, a list of [time, line]")


def _old_entry(entry: Any) -> list[Any]:
    """An entry of `/api/prom/push`, whose time is RFC 3339, as a value of today."""
    if not isinstance(entry, dict):
        return []
    stamp = entry.get("ts")
    return [parse_rfc3339(stamp) if isinstance(stamp, str) else None, entry.get("line")]


class _Columns:
    """Times, lines and metadata of all streams, gathered without a step of Python for each line."""

    def __init__(self, tally: RejectTally) -> None:
        self.times: list[Any] = []
        self.metadata: dict[int, dict[str, str]] = {}
        self._lines: list[Any] = []
        self._tally = tally

    def add(self, values: list[Any]) -> int:
        """Take the values of a stream; how many there are."""
        if set(map(type, values)) - {list} or set(map(len, values)) - {2, 3}:
            good = [value for value in values if isinstance(value, list) and len(value) in (2, 3)]
            self._tally.add(
                "malformed_value", len(values) - len(good), "a value is [time, line] or [time, line, {…}]"
            )
            values = good
        base = len(self.times)
        self.times.extend(map(itemgetter(0), values))
        self._lines.extend(map(itemgetter(1), values))
        if 3 in set(map(len, values)):
            self.metadata.update(
                (base + row, value[2])
                for row, value in enumerate(values)
                if len(value) == 3 and value[2] != {}
            )
        return len(values)

    def finish(self) -> tuple[NDArray[np.int64], pa.Array, NDArray[np.bool_]]:
        """Times int64[n], lines text[n], and which rows are kept, bool[n]."""
        keep = np.ones(len(self.times), np.bool_)
        line = _texts(self._lines)
        if line is None:
            good = [isinstance(line, str) for line in self._lines]
            line = pa.array(
                [line if fine else "" for line, fine in zip(self._lines, good, strict=True)], pa.string()
            )
            self._refuse(keep, good, "line_not_text")
        stamps = _texts(self.times)
        time = None if stamps is None else _whole_numbers(stamps)
        if time is None:
            numbers = list(map(_whole_number, self.times))
            time = np.array([number or 0 for number in numbers], np.int64)
            self._refuse(keep, [number is not None for number in numbers], "malformed_time")
        return time, line, keep

    def _refuse(self, keep: NDArray[np.bool_], good: Sequence[bool], reason: str) -> None:
        before = int(keep.sum())
        keep &= np.array(good, np.bool_)
        self._tally.add(reason, before - int(keep.sum()))


def _texts(column: list[Any]) -> pa.Array | None:
    """A text column; None where one of the values is no text."""
    try:
        texts = pa.array(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return None if texts.null_count else texts


def _whole_numbers(texts: pa.Array) -> NDArray[np.int64] | None:
    try:
        numbers: NDArray[np.int64] = texts.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return numbers


def _whole_number(stamp: Any) -> int | None:
    """Nanoseconds as text or as a number."""
    if (
        isinstance(stamp, str)
        and len(stamp) <= 20
        and stamp.removeprefix("-").isdecimal()
        and stamp.isascii()
    ):
        stamp = int(stamp)
    if isinstance(stamp, int) and not isinstance(stamp, bool) and _INT64_MIN <= stamp <= _INT64_MAX:
        return stamp
    return None
