"""OTLP log requests on the wire: compiled kernels that read groups and scopes in place.

They know what senders write. A record with anything else is *odd*: it is left for the protobuf library,
alone. What is unusual about groups and scopes leaves the whole request to it. So no kernel decides that a
request is malformed, nor has to be as lenient as the library is.

Definitions: https://github.com/open-telemetry/opentelemetry-proto (logs_service.proto, logs.proto).
"""

from __future__ import annotations

import numpy as np

from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.otlp_record_wire import (
    JSON_SIZE,
    REALS,
    SAID,
    SCOPE,
    Bytes,
    Numbers,
    Tables,
    read_record,
)
from stormpetrel.ingest.protobuf_wire import read_size

# What `measure` counts.
SCOPES, RECORDS = 0, 1

# What `scan` counts, besides what `read_record` does.
ROWS, SCANNED, SKELETON = 2, 3, 4
COUNTERS = 5


@compiled
def measure(buf: Bytes) -> tuple[bool, Numbers]:
    """Whether groups, scopes and records are of the usual shape, and how many there are."""
    counts = np.zeros(2, np.int64)
    at = 0
    while at < len(buf):
        size, start = read_size(buf, at + 1, len(buf))
        if buf[at] != 0x0A or start < 0 or start + size > len(buf):
            return False, counts
        at = start + size
        if not _measure_group(buf, start, at, counts):
            return False, counts
    return True, counts


@compiled
def _measure_group(buf: Bytes, at: Number, end: Number, counts: Numbers) -> bool:
    """Count what is in a ResourceLogs: resource (0a), scopes (12), schema (1a)."""
    while at < end:
        tag = buf[at]
        size, start = read_size(buf, at + 1, end)
        if tag not in (0x0A, 0x12, 0x1A) or start < 0 or start + size > end:
            return False
        at = start + size
        if tag == 0x12:
            counts[SCOPES] += 1
            records = _measure_scope(buf, start, at)
            if records < 0:
                return False
            counts[RECORDS] += records
    return True


@compiled
def _measure_scope(buf: Bytes, at: Number, end: Number) -> Number:
    """The records of a ScopeLogs: scope (0a), records (12), schema (1a); -1 where there is more."""
    records = 0
    while at < end:
        tag = buf[at]
        size, start = read_size(buf, at + 1, end)
        if tag not in (0x0A, 0x12, 0x1A) or start < 0 or start + size > end:
            return -1
        at = start + size
        records += tag == 0x12
    return records


@compiled
def scan(buf: Bytes, tables: Tables, skeleton: Bytes) -> None:
    """Read a measured request into the tables; the skeleton is what is left without its usual records.

    The skeleton has every length in as many bytes as it had, which protobuf allows.
    """
    counts = tables[4]
    at = 0
    while at < len(buf):
        size, start = read_size(buf, at + 1, len(buf))
        width = start - at - 1
        inside = _copy(buf, at, start, skeleton, counts)
        at, end = start, start + size
        while at < end:
            size, start = read_size(buf, at + 1, end)
            if buf[at] == 0x12:
                begin = _copy(buf, at, start, skeleton, counts)
                _scan_scope(buf, start, start + size, tables, skeleton)
                _put_length(skeleton, begin, start - at - 1, counts[SKELETON] - begin)
                counts[SCANNED] += 1
            else:
                _copy(buf, at, start + size, skeleton, counts)
            at = start + size
        _put_length(skeleton, inside, width, counts[SKELETON] - inside)


@compiled
def _scan_scope(buf: Bytes, at: Number, end: Number, tables: Tables, skeleton: Bytes) -> None:
    """Read the records of a scope into rows; everything else, and odd records, into the skeleton."""
    rows, counts = tables[0], tables[4]
    while at < end:
        size, start = read_size(buf, at + 1, end)
        usual = False
        if buf[at] == 0x12:
            row = rows[counts[ROWS]]
            counts[ROWS] += 1
            reals = counts[REALS]
            row[SCOPE] = counts[SCANNED]
            usual = read_record(buf, start, start + size, row, tables)
            if not usual:
                row[JSON_SIZE], row[SAID] = -1, -1
                counts[REALS] = reals
        if not usual:
            _copy(buf, at, start + size, skeleton, counts)
        at = start + size


@compiled
def _copy(buf: Bytes, start: Number, end: Number, skeleton: Bytes, counts: Numbers) -> Number:
    """Put buf[start:end] behind the skeleton; the position behind that."""
    at = counts[SKELETON]
    behind = at + end - start
    skeleton[at:behind] = buf[start:end]
    counts[SKELETON] = behind
    return behind


@compiled
def _put_length(skeleton: Bytes, before: Number, width: Number, value: Number) -> None:
    """Write a varint of exactly `width` bytes right before a position."""
    for i in range(width):
        more = 0x80 if i < width - 1 else 0
        skeleton[before - width + i] = (value >> (7 * i)) & 0x7F | more
