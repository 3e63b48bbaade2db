"""Reading protobuf in place, compiled: what every kernel that walks a request needs.

Specification: https://protobuf.dev/programming-guides/encoding/. Positions are offsets into the buffer; a
position of -1 says that there is no such thing there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number, compiled


@compiled
def varint(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number]:
    """A varint below 2^56, such as a tag or a length: (value, next position).

    Position -1 where there is none. So short that it can be added to a position without running over.
    """
    value = np.int64(0)
    shift = 0
    while at < end and shift < 56:
        byte = np.int64(buf[at])
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return np.int64(0), -1


@compiled
def read_size(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number]:
    """A length, or another small number, as senders write it: (value, next position).

    Position -1 where it is cut off or takes more than four bytes; longer ones may be valid, or not: that is
    for the library to say.
    """
    value = np.int64(0)
    shift = 0
    while at < end and shift < 28:
        byte = np.int64(buf[at])
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return np.int64(0), -1


@compiled
def varint64(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number]:
    """A signed 64-bit varint: (value, next position); position -1 where it is cut off or says more."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while at < end:
        byte = np.uint64(buf[at])
        at += 1
        if shift == np.uint64(63) and byte > np.uint64(1):
            return np.int64(0), -1
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return np.int64(value), at
        shift += np.uint64(7)
    return np.int64(0), -1


@compiled
def fixed64(buf: NDArray[np.uint8], at: Number) -> Number:
    """Eight bytes as a little-endian uint64; the caller has seen to it that they are there."""
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(buf[at + i]) << np.uint64(8 * i)
    return word
