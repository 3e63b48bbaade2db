"""JSON text written by compiled kernels, byte for byte as orjson writes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number, compiled

# The most that a number takes: -9223372036854775808, -2.2250738585072014e-308 and a comma.
WHOLE_BYTES, REAL_BYTES = 20, 25

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)

# What follows the backslash of the characters that have a short escape, else 0.
_SHORT = np.zeros(256, np.uint8)
_SHORT[list(b'\b\t\n\f\r"\\')] = list(b'btnfr"\\')

# How many bytes escaping adds to each byte.
_ADDED = np.zeros(256, np.uint8)
_ADDED[:32] = 5
_ADDED[_SHORT > 0] = 1


@compiled
def quoted_size(source: NDArray[np.uint8], start: Number, end: Number) -> Number:
    """Bytes of source[start:end] as a JSON string."""
    size = np.int64(end - start + 2)
    for i in range(start, end):
        size += _ADDED[source[i]]
    return size


@compiled
def write_quoted(
    source: NDArray[np.uint8], start: Number, end: Number, out: NDArray[np.uint8], at: Number
) -> Number:
    """Write source[start:end] as a JSON string; the position behind it."""
    out[at] = 0x22
    at += 1
    for i in range(start, end):
        byte = source[i]
        added = _ADDED[byte]
        if added == 0:
            out[at] = byte
            at += 1
            continue
        out[at] = 0x5C
        if added == 1:
            out[at + 1] = _SHORT[byte]
            at += 2
            continue
        out[at + 1], out[at + 2], out[at + 3] = 0x75, 0x30, 0x30
        out[at + 4], out[at + 5] = _HEX[byte >> 4], _HEX[byte & 15]
        at += 6
    out[at] = 0x22
    return at + 1


@compiled
def write_whole(value: Number, out: NDArray[np.uint8], at: Number) -> Number:
    """Write an int64 in decimal; the position behind it."""
    rest = np.uint64(value)
    if value < 0:
        out[at] = 0x2D
        at += 1
        rest = ~rest + np.uint64(1)
    digits = 1
    left = rest // np.uint64(10)
    while left > np.uint64(0):
        digits += 1
        left //= np.uint64(10)
    for i in range(digits):
        out[at + digits - 1 - i] = np.uint8(rest % np.uint64(10)) + 0x30
        rest //= np.uint64(10)
    return at + digits


@compiled
def write_hex(
    source: NDArray[np.uint8], starts: NDArray[np.int64], width: Number, out: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Write `width` bytes from each start in hexadecimal, nothing where it is -1; the texts' offsets."""
    offsets = np.zeros(len(starts) + 1, np.int32)
    at = 0
    for row in range(len(starts)):
        start = starts[row]
        if start >= 0:
            for i in range(start, start + width):
                out[at], out[at + 1] = _HEX[source[i] >> 4], _HEX[source[i] & 15]
                at += 2
        offsets[row + 1] = at
    return offsets


@compiled
def write_slices(
    source: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64], out: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Write parts of the source one behind the other; the offsets of the texts."""
    offsets = np.zeros(len(starts) + 1, np.int32)
    at = 0
    for row in range(len(starts)):
        end = at + sizes[row]
        out[at:end] = source[starts[row] : starts[row] + sizes[row]]
        at = end
        offsets[row + 1] = at
    return offsets
