"""InfluxDB's write interfaces, 1.x and 2.x: line protocol to metric batches.

Specification: https://docs.influxdata.com/influxdb/v2/api/v2/#operation/PostWrite.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import influx_wire as wire
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.influx_series import Key, metric_name, read_key
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID, LabelTable
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.text_columns import gather_text
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import MetricBatch

MAX_SAMPLES = 5_000_000

# Refused lines that the answer names one by one.
_NAMED_LINES = 20

_NANOS = {"n": 1, "ns": 1, "u": 10**3, "us": 10**3, "µ": 10**3, "ms": 10**6, "s": 10**9,
          "m": 60 * 10**9, "h": 3600 * 10**9}  # fmt: skip
_FAULTS = {
    wire.NO_MEASUREMENT: ("no_measurement", "missing measurement"),
    wire.NO_FIELDS: ("no_fields", "missing fields"),
    wire.MALFORMED_FIELD: ("malformed_field", "invalid field format"),
    wire.MALFORMED_VALUE: ("malformed_value", "invalid value of a field"),
    wire.UNCLOSED_TEXT: ("unclosed_text", "a quoted text is not closed, or something follows it"),
    wire.MALFORMED_TIME: ("malformed_time", "bad timestamp"),
    wire.TIME_OUT_OF_RANGE: ("time_out_of_range", "time outside range"),
}


@dataclass(slots=True)
class _Read:
    """A request as read: columns of n rows, and what was refused."""

    series: NDArray[np.uint32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    unknown: NDArray[np.uint64]  # [rows of unknown series, 8], see `influx_wire.ROW`
    tally: RejectTally = field(default_factory=RejectTally)
    refused: list[tuple[int, str]] = field(default_factory=list)  # line, why
    refused_lines: int = 0

    def refuse(self, reason: str, lines: int, first: int) -> None:
        """Count refused lines; the answer names the first of them."""
        self.tally.add(reason, lines, f"line {first}")
        self.refused_lines += lines
        self.refused.append((first, reason.replace("_", " ")))


class InfluxDecoder:
    """Decodes line protocol in one compiled pass, series found by a hash of their bytes as in remote write.

    The metric is measurement and field with an underscore between, tags are labels; numbers and booleans
    (1 and 0) are samples. Fields that are texts are no samples: they are skipped and counted
    (`text_field`), which is no error. A line that cannot be read is refused alone: the others are stored,
    and the answer is 400 with the numbers of the refused ones. Some millions of fields a second and core;
    a series seen for the first time costs some ten microseconds.

    Fails (DecodeError) on an unknown precision. Kinds and units are not part of the protocol: the kind is
    guessed from the metric's name.

    Args:
        registry: gives the series their ids.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "influx"
    paths = ("/api/v2/write", "/write")

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes
        self._table = LabelTable()
        self._lock = threading.Lock()

    def decode(self, request: PushRequest) -> Decoded:
        """Samples of one request, O(bytes); thread-safe.

        Raises:
            TooLargeError: more bytes or fields than a request may have.
            DecodeError: an unknown precision or encoding.
        """
        unit = _unit(request.query)
        body = unpack(request.body, request.content_encoding, self._limit)
        read = _read(body, (unit, request.received_unix_nano), self._table)
        batch = MetricBatch(read.series, read.time, read.value)
        if len(read.unknown):
            with self._lock:
                keep = self._intern(read, body, request.source)
            if not keep.all():
                batch = batch.take(keep)
        metrics = batch if len(batch) else None
        rejected = read.tally.rejected()
        if not read.refused_lines:
            return Decoded(metrics=metrics, rejected=rejected, status=204)
        answer = _answer(read, request.path)
        return Decoded(
            metrics=metrics, rejected=rejected, status=400, answer=answer, answer_type="application/json"
        )

    def _intern(self, read: _Read, body: bytes, source: str) -> NDArray[np.bool_]:
        """Give each unknown series its id; which rows are kept. A refused id is not remembered."""
        hashes = np.ascontiguousarray(read.unknown[:, wire.HASH_A : wire.HASH_B + 1])
        pairs = hashes.view([("a", np.uint64), ("b", np.uint64)]).ravel()
        _, firsts, which = np.unique(pairs, return_index=True, return_inverse=True)
        ids = np.full(len(firsts), UNKNOWN_ID, np.uint32)
        reasons = np.zeros(len(firsts), np.int64)
        known: list[str] = [""]  # reasons by number; 0: none
        keys: dict[tuple[int, int], Key | str] = {}
        for position in np.argsort(firsts).tolist():  # ids are given in order of first sight
            found = self._series(read.unknown[firsts[position]].tolist(), keys, body, source)
            if not isinstance(found, str):
                ids[position] = found
                continue
            if found not in known:
                known.append(found)
            reasons[position] = known.index(found)
        rows = read.unknown[:, wire.ROW].astype(np.int64)
        read.series[rows] = ids[which]
        keep = np.ones(len(read.series), np.bool_)
        keep[rows] = reasons[which] == 0
        for number, reason in enumerate(known[1:], 1):
            lines = np.unique(read.unknown[reasons[which] == number, wire.LINE])
            read.refuse(reason, len(lines), int(lines[0]))
        self._table.insert(hashes[firsts], ids)
        return keep

    def _series(
        self, first: list[int], keys: dict[tuple[int, int], Key | str], body: bytes, source: str
    ) -> int | str:
        span = (first[wire.KEY_START], first[wire.KEY_END])
        key = keys.get(span)
        if key is None:
            key = keys[span] = read_key(body[span[0] : span[1]])
        if isinstance(key, str):
            return key
        metric = metric_name(key[0], body[first[wire.FIELD_START] : first[wire.FIELD_END]])
        return self._registry.intern(metric, key[1], source) if metric else "not_utf8"


def _unit(query: str) -> int:
    """Nanoseconds of the request's unit of time.

    Raises:
        DecodeError: it is none that InfluxDB has.
    """
    precision = parse_qs(query, errors="replace").get("precision", ["ns"])[0]
    unit = _NANOS.get(precision)
    if unit is None:
        raise DecodeError(f"unknown precision {precision[:20]!r}: {', '.join(_NANOS)} are known")
    return unit


def _read(body: bytes, clock: tuple[int, int], table: LabelTable) -> _Read:
    capacity = min(body.count(b"="), MAX_SAMPLES)
    columns = (
        np.empty(capacity, np.uint32),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.float64),
        np.empty((capacity, 8), np.uint64),
        np.empty((capacity, 3), np.int64),
    )
    faults, refused = np.zeros(wire.FAULTS, np.int64), np.zeros((_NAMED_LINES, 4), np.int64)
    buf = np.frombuffer(body, np.uint8)
    counts = wire.read(buf, clock, table.arrays, columns, faults, refused)
    rows, unknown, spans, texts, refused_lines = (int(n) for n in counts)
    if faults[wire.TOO_MANY_FIELDS]:
        raise TooLargeError(f"the request holds more than {MAX_SAMPLES} fields: send smaller requests")
    _read_numbers(buf, columns[2], columns[4][:spans])
    read = _Read(columns[0][:rows], columns[1][:rows], columns[2][:rows], columns[3][:unknown])
    read.refused_lines = refused_lines
    read.tally.add("text_field", texts)
    for fault, line, start, seen in refused[: min(refused_lines, _NAMED_LINES)].tolist():
        text = body[start : max(seen, start) + 20].partition(b"\n")[0][:80].decode("utf-8", "replace")
        read.refused.append((line, f"unable to parse '{text}': {_FAULTS[fault][1]}"))
    for fault, (reason, _) in _FAULTS.items():
        read.tally.add(reason, int(faults[fault]), next((f"line {n}" for n, _ in read.refused), ""))
    return read


def _read_numbers(buf: NDArray[np.uint8], value: NDArray[np.float64], spans: NDArray[np.int64]) -> None:
    """Read the numbers that the kernel could not read exactly, by their spans (row, start, end)."""
    if not len(spans):
        return
    starts, ends = spans[:, 1].copy(), spans[:, 2].copy()
    starts += buf[starts] == ord("+")
    ends -= buf[ends - 1] == ord("u")
    texts = gather_text(buf, starts, ends)
    try:
        numbers = texts.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:  # one beyond all doubles; it becomes infinite, which the quality gate keeps apart
        numbers = np.array([float(text) for text in texts.to_pylist()])
    value[spans[:, 0]] = numbers


def _answer(read: _Read, path: str) -> bytes:
    """As InfluxDB tells of a partial write, in the form of 1.x or 2.x."""
    lines = "; ".join(f"line {line}: {why}" for line, why in read.refused)
    text = f"partial write: {lines} dropped={read.refused_lines}"
    return orjson.dumps({"error": text} if path == "/write" else {"code": "invalid", "message": text})
