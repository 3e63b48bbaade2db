"""Prometheus remote write 1.0 on the wire: compiled kernels that read the protobuf in place.

They know exactly what senders write (labels, then samples, shortest tags) and give up, without an opinion,
on anything else: the caller then parses the same bytes with the protobuf library. So a kernel never decides
that a request is malformed, and never has to be as lenient as protobuf is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.protobuf_wire import read_size, varint64
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID, find

# What `measure` counts.
SERIES, SAMPLES, METADATA, HISTOGRAMS = 0, 1, 2, 3


def _load64(_context: Any, array: Any, _at: Any) -> tuple[Any, Any]:
    """Eight bytes at any offset as one little-endian uint64: one unaligned load."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        address = builder.gep(view.data, [arguments[1]])
        word = context.get_value_type(types.uint64)
        return builder.load(builder.bitcast(address, word.as_pointer()), align=1)

    return types.uint64(array, types.intp), generate


load64 = cast(Callable[[NDArray[np.uint8], Number], Number], intrinsic(_load64))


@compiled
def _word(buf: NDArray[np.uint8], at: Number, end: Number) -> Number:
    """Up to eight bytes of buf[at:end] as a little-endian number; never reads beyond the buffer."""
    left = end - at
    word = np.uint64(0)
    if at + 8 <= len(buf) and left > 0:
        word = load64(buf, at)
        if left < 8:
            word &= (np.uint64(1) << np.uint64(8 * left)) - np.uint64(1)
        return word
    for i in range(left):
        word |= np.uint64(buf[at + i]) << np.uint64(8 * i)
    return word


@compiled
def hash128(buf: NDArray[np.uint8], start: Number, end: Number) -> tuple[Number, Number]:
    """MurmurHash3 x64 128 (Appleby, public domain), seed 0, with the tail mixed in as a whole block.

    Not collision-proof against a sender who wants to collide: all that wins is what sending those
    labels themselves would.
    """
    h1, h2 = np.uint64(0), np.uint64(0)
    for at in range(start, end, 16):
        h1, h2 = hash_block(h1, h2, _word(buf, at, end), _word(buf, at + 8, end))
    return hash_end(h1, h2, np.uint64(end - start))


@compiled
def hash_block(h1: Number, h2: Number, k1: Number, k2: Number) -> tuple[Number, Number]:
    """Mix 16 bytes into the state of `hash128`."""
    c1, c2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
    k1 *= c1
    k1 = (k1 << np.uint64(31)) | (k1 >> np.uint64(33))
    h1 ^= k1 * c2
    h1 = (h1 << np.uint64(27)) | (h1 >> np.uint64(37))
    h1 = (h1 + h2) * np.uint64(5) + np.uint64(0x52DCE729)
    k2 *= c2
    k2 = (k2 << np.uint64(33)) | (k2 >> np.uint64(31))
    h2 ^= k2 * c1
    h2 = (h2 << np.uint64(31)) | (h2 >> np.uint64(33))
    return h1, (h2 + h1) * np.uint64(5) + np.uint64(0x38495AB5)


@compiled
def hash_end(h1: Number, h2: Number, length: Number) -> tuple[Number, Number]:
    """The hash, from the state of `hash128` and what length went into it."""
    h1 ^= length
    h2 ^= length
    h1 += h2
    h2 += h1
    h1 = _mix(h1)
    h2 = _mix(h2)
    h1 += h2
    return h1, h2 + h1


@compiled
def _mix(value: Number) -> Number:
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@compiled
def measure(buf: NDArray[np.uint8], length: Number) -> tuple[bool, NDArray[np.int64]]:
    """Whether the request has the usual shape, and how much it holds of each of `SERIES` to `HISTOGRAMS`."""
    counts = np.zeros(4, np.int64)
    at = 0
    while at < length:
        tag = buf[at]
        size, start = read_size(buf, at + 1, length)
        if (tag not in (0x0A, 0x1A)) or start < 0 or start + size > length:
            return False, counts
        at = start + size
        if tag == 0x1A:
            counts[METADATA] += 1
            continue
        counts[SERIES] += 1
        inner = start
        part = np.int64(0x0A)
        while inner < at:
            before, part = part, np.int64(buf[inner])
            size, start = read_size(buf, inner + 1, at)
            # Labels (0a), samples (12), exemplars (1a), histograms (22); no label after something else.
            known = part in (0x0A, 0x12, 0x1A, 0x22)
            if not known or start < 0 or start + size > at or (part == 0x0A and before != 0x0A):
                return False, counts
            inner = start + size
            counts[SAMPLES] += part == 0x12
            counts[HISTOGRAMS] += part == 0x22
    return True, counts


@compiled
def _sample(
    buf: NDArray[np.uint8],
    at: Number,
    end: Number,
    columns: tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64]],
    row: Number,
) -> bool:
    """Read one Sample message into a row; false when it is not a plain one."""
    _, times, values = columns
    times[row], values[row] = 0, np.uint64(0)
    while at < end:
        tag = buf[at]
        if tag == 0x09 and at + 9 <= end:
            values[row] = load64(buf, at + 1)
            at += 9
        elif tag == 0x10:
            times[row], at = varint64(buf, at + 1, end)
        else:
            return False
        if at < 0:
            return False
    return True


@compiled
def put_line(lines: NDArray[np.int64], row: Number, line: tuple[Number, ...]) -> Number:
    """Write a line of whole numbers; the next row."""
    for i in range(len(line)):
        lines[row, i] = line[i]
    return row + 1


@compiled
def read(
    buf: NDArray[np.uint8],
    length: Number,
    table: tuple[NDArray[np.uint64], NDArray[np.uint32]],
    columns: tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64]],
    lines: NDArray[np.uint64],
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[bool, Number]:
    """Fill the columns of a measured request: (usual, unknown series).

    Series that the table does not know (and all without samples) leave `UNKNOWN_ID` in their rows and are
    the first of `lines`: first and end row, start and end of the labels, their hash in two halves. Times
    stay in milliseconds; values are bit patterns, so that no NaN loses its payload. `places` takes start
    and end of each metadata, and of each native histogram start and end of its labels and of itself.
    """
    metadata, histograms = places
    at, row, count, described, held = 0, 0, 0, 0, 0
    while at < length:
        is_metadata = buf[at] == 0x1A
        size, start = read_size(buf, at + 1, length)
        at = start + size
        if is_metadata:
            described = put_line(metadata, described, (start, at))
            continue
        inner, labels_end, first = start, start, row
        while inner < at:
            part = buf[inner]
            size, begin = read_size(buf, inner + 1, at)
            inner = begin + size
            if part == 0x0A:
                labels_end = inner
            elif part == 0x12:
                if not _sample(buf, begin, inner, columns, row):
                    return False, 0
                row += 1
            elif part == 0x22:
                held = put_line(histograms, held, (start, labels_end, begin, inner))
        a, b = hash128(buf, start, labels_end)
        line = lines[count]
        line[0], line[1], line[2], line[3], line[4], line[5] = first, row, start, labels_end, a, b
        count += 1
    return True, look_up(table, lines, columns[0])


@compiled
def look_up(
    table: tuple[NDArray[np.uint64], NDArray[np.uint32]],
    lines: NDArray[np.uint64],
    series: NDArray[np.uint32],
) -> Number:
    """Fill in the ids of all lines, and keep the lines of those that are not known: how many these are.

    In a loop of its own, in which one look-up does not wait for the memory of the one before.
    """
    missing = 0
    for k in range(len(lines)):
        first, end = np.int64(lines[k, 0]), np.int64(lines[k, 1])
        found = find(table[0], table[1], lines[k, 4], lines[k, 5]) if end > first else np.int64(UNKNOWN_ID)
        for row in range(first, end):
            series[row] = found
        if found == UNKNOWN_ID:
            for column in range(lines.shape[1]):
                lines[missing, column] = lines[k, column]
            missing += 1
    return missing
