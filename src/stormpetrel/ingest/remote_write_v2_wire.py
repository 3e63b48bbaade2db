"""Prometheus remote write 2.0 on the wire: compiled kernels that read the protobuf in place.

As in `remote_write_wire` they know what senders write (symbols, then series, shortest tags) and give up,
without an opinion, on anything else. A series is found by a hash over the hashes of its symbols: what it is
called, not where the sender's table has it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.protobuf_wire import read_size, varint64
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID, find
from stormpetrel.ingest.remote_write_wire import (
    hash128,
    hash_block,
    hash_end,
    load64,
    put_line,
)

# What `measure` counts.
SYMBOLS, SERIES, SAMPLES, HISTOGRAMS = 0, 1, 2, 3

# What a line of `read` holds.
FIRST, END, START, STOP, KEY, META = 0, 1, 2, 3, 4, 6
LINE = 7

_REFS, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA, _CREATED = 0x0A, 0x12, 0x1A, 0x22, 0x2A, 0x30


@compiled
def measure(buf: NDArray[np.uint8], length: Number) -> tuple[bool, NDArray[np.int64]]:
    """Whether the request has the usual shape, and how much it holds of each of `SYMBOLS` to `HISTOGRAMS`."""
    counts = np.zeros(4, np.int64)
    at = 0
    while at < length:
        tag = buf[at]
        size, start = read_size(buf, at + 1, length)
        # Symbols (22), series (2a); no symbol after a series.
        wrong = (tag not in (0x22, 0x2A)) or (tag == 0x22 and counts[SERIES] > 0)
        if wrong or start < 0 or start + size > length:
            return False, counts
        at = start + size
        if tag == 0x22:
            counts[SYMBOLS] += 1
        else:
            counts[SERIES] += 1
            if not _measure_series(buf, start, at, counts):
                return False, counts
    return True, counts


@compiled
def _measure_series(buf: NDArray[np.uint8], inner: Number, end: Number, counts: NDArray[np.int64]) -> bool:
    """Count the parts of one series; false unless references and metadata stand there at most once."""
    refs, described = 0, 0
    while inner < end:
        part = np.int64(buf[inner])
        if part == _CREATED:
            _, inner = varint64(buf, inner + 1, end)
            if inner < 0:
                return False
            continue
        size, start = read_size(buf, inner + 1, end)
        if part not in (_REFS, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA) or start < 0 or start + size > end:
            return False
        inner = start + size
        counts[SAMPLES] += part == _SAMPLE
        counts[HISTOGRAMS] += part == _HISTOGRAM
        refs += part == _REFS
        described += part == _METADATA
    return refs <= 1 and described <= 1


@compiled
def _labels_key(
    buf: NDArray[np.uint8], at: Number, end: Number, hashes: NDArray[np.uint64], symbols: Number
) -> tuple[Number, Number, Number]:
    """(1, hash) of the labels; (0, 0, 0) for references that lead nowhere, (-1, 0, 0) for odd encodings."""
    h1, h2 = np.uint64(0), np.uint64(0)
    count = 0
    good = 1
    while at < end:
        ref, at = read_size(buf, at, end)
        if at < 0:
            return -1, np.uint64(0), np.uint64(0)
        if ref >= symbols:
            good = 0
            ref = 0
        if symbols > 0:
            # Symbols are hashed well already; what is left to do is to tell their places apart.
            h1 = h1 * np.uint64(0xC2B2AE3D27D4EB4F) + hashes[ref, 0]
            h2 = h2 * np.uint64(0xC4CEB9FE1A85EC53) + hashes[ref, 1]
        count += 1
    if good == 0 or count % 2 == 1:
        return 0, np.uint64(0), np.uint64(0)
    h1, h2 = hash_end(h1, h2, np.uint64(count))
    return 1, h1, h2


@compiled
def _metadata(
    buf: NDArray[np.uint8], at: Number, end: Number, hashes: NDArray[np.uint64], symbols: Number
) -> tuple[Number, Number]:
    """(1, hash of type and unit); 0 for a unit that leads nowhere, -1 for an odd encoding."""
    family_type, unit = np.int64(0), np.int64(0)
    while at < end:
        tag = buf[at]
        value, at = read_size(buf, at + 1, end)
        if at < 0 or (tag not in (0x08, 0x18, 0x20)):
            return -1, np.uint64(0)
        if tag == 0x08:
            family_type = value
        elif tag == 0x20:
            unit = value
    if unit >= symbols:
        return (0 if unit > 0 else 1), meta_of(family_type, np.uint64(0))
    return 1, meta_of(family_type, hashes[unit, 0])


@compiled
def meta_of(family_type: Number, unit_hash: Number) -> Number:
    """One number for type and unit, never 0."""
    a, b = hash_block(np.uint64(0), np.uint64(1), np.uint64(family_type), unit_hash)
    return (a ^ b) | np.uint64(1)


@compiled
def _sample(
    buf: NDArray[np.uint8],
    at: Number,
    end: Number,
    columns: tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]],
    row: Number,
) -> bool:
    """Read one Sample message into a row; false when it is not a plain one."""
    _, times, values, starts = columns
    times[row], values[row], starts[row] = 0, np.uint64(0), 0
    while at < end:
        tag = buf[at]
        if tag == 0x09 and at + 9 <= end:
            values[row] = load64(buf, at + 1)
            at += 9
        elif tag == 0x10:
            times[row], at = varint64(buf, at + 1, end)
        elif tag == 0x18:
            starts[row], at = varint64(buf, at + 1, end)
        else:
            return False
        if at < 0:
            return False
    return True


@compiled
def _series(
    buf: NDArray[np.uint8],
    span: tuple[Number, Number],
    symbols: tuple[NDArray[np.uint64], Number],
    columns: tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]],
    histograms: NDArray[np.int64],
    done: tuple[Number, Number],
) -> tuple[bool, Number, Number, tuple[Number, Number, Number, Number]]:
    """One series: (usual, next row, next histogram, (good, hash in two halves, metadata))."""
    inner, end = span
    row, held = done
    first = row
    hashes, count = symbols
    good, a, b = _labels_key(buf, inner, inner, hashes, count)
    meta = meta_of(np.int64(0), np.uint64(0)) if count == 0 else meta_of(np.int64(0), hashes[0, 0])
    known, created = np.int64(1), np.int64(0)
    while inner < end:
        part = np.int64(buf[inner])
        if part == _CREATED:
            created, inner = varint64(buf, inner + 1, end)
            continue
        size, start = read_size(buf, inner + 1, end)
        inner = start + size
        if part == _REFS:
            good, a, b = _labels_key(buf, start, inner, hashes, count)
        elif part == _METADATA:
            known, meta = _metadata(buf, start, inner, hashes, count)
        elif part == _SAMPLE:
            if not _sample(buf, start, inner, columns, row):
                return False, row, held, (good, a, b, meta)
            row += 1
        elif part == _HISTOGRAM:
            held = put_line(histograms, held, (span[0], end, start, inner))
    for i in range(first, row):
        if columns[3][i] == 0:
            columns[3][i] = created
    usual = bool(good >= 0 and known >= 0)
    return usual, row, held, (min(good, known), a, b, meta)


@compiled
def read(
    buf: NDArray[np.uint8],
    length: Number,
    table: tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint64]],
    symbols: tuple[NDArray[np.int64], NDArray[np.uint64]],
    columns: tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]],
    places: tuple[NDArray[np.uint64], NDArray[np.int64]],
) -> tuple[bool, Number]:
    """Fill the columns of a measured request: (usual, unknown series).

    Args:
        table: keys and ids of a `LabelTable`, and the metadata each id was last declared with.
        symbols: takes start and end of each symbol, and their hashes.
        columns: take id, milliseconds, bits of the value, and milliseconds since when it counts (0: not
            said) of each sample.
        places: take a `LINE` for each series with samples, the first of which in the end are those that are
            unknown or whose metadata changed, and of each native histogram start and end of its series and of
            itself.
    """
    spans, hashes = symbols
    lines, histograms = places
    at, count, row, held, filled = 0, 0, 0, 0, 0
    while at < length:
        is_symbol = buf[at] == 0x22
        size, start = read_size(buf, at + 1, length)
        at = start + size
        if is_symbol:
            spans[count, 0], spans[count, 1] = start, at
            hashes[count, 0], hashes[count, 1] = hash128(buf, start, at)
            count += 1
            continue
        first = row
        usual, row, held, told = _series(buf, (start, at), (hashes, count), columns, histograms, (row, held))
        if not usual:
            return False, 0
        good, a, b, meta = told
        if row > first:
            line = lines[filled]
            line[0], line[1], line[2], line[3], line[4], line[5], line[6] = first, row, start, at, a, b, meta
            if good != 1:
                line[6] = 0
            filled += 1
    return True, _look_up(table, lines[:filled], columns[0])


@compiled
def _look_up(
    table: tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint64]],
    lines: NDArray[np.uint64],
    series: NDArray[np.uint32],
) -> Number:
    """Fill in the ids of all lines, and keep the lines of those that are not known: how many these are.

    In a loop of its own, in which one look-up does not wait for the memory of the one before. Metadata 0 says
    that the line has no key.
    """
    missing = 0
    for k in range(len(lines)):
        meta = lines[k, 6]
        found = find(table[0], table[1], lines[k, 4], lines[k, 5]) if meta != 0 else np.int64(UNKNOWN_ID)
        if found != UNKNOWN_ID and (found >= len(table[2]) or table[2][found] != meta):
            found = np.int64(UNKNOWN_ID)
        for row in range(np.int64(lines[k, 0]), np.int64(lines[k, 1])):
            series[row] = found
        if found == UNKNOWN_ID:
            for column in range(LINE):
                lines[missing, column] = lines[k, column]
            missing += 1
    return missing
