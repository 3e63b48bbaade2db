"""Loki's push message on the wire: compiled kernels that read the protobuf in place.

They know exactly what senders write (labels, then entries, then the hash; in an entry time, line, structured
metadata) and give up, without an opinion, on anything else: the caller then parses the same bytes with the
protobuf library. So a kernel never decides that a request is malformed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.protobuf_wire import varint, varint64

# Seconds whose nanoseconds surely fit int64.
MAX_SECONDS = 9_223_372_035

# Columns of what `read` says of each entry; times apart.
LINE_START, LINE_END, ENTRY_START, ENTRY_END = 0, 1, 2, 3


@compiled
def _length(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number]:
    """The span behind a length: (start, end); start -1 where it is not whole."""
    size, start = varint(buf, at, end)
    if start < 0 or size > end - start:
        return -1, -1
    return start, start + size


@compiled
def measure(buf: NDArray[np.uint8], length: Number) -> tuple[bool, Number, Number]:
    """Whether the request has the usual shape, and how many streams and entries it holds."""
    streams, entries = 0, 0
    at = 0
    while at < length:
        tag = buf[at]
        start, at = _length(buf, at + 1, length)
        if tag not in (0x0A, 0x12) or start < 0:
            return False, 0, 0
        if tag == 0x12:  # the format, a text
            continue
        streams += 1
        inner, labelled = start, False
        while inner < at:
            part = buf[inner]
            if part == 0x18:
                _, inner = varint64(buf, inner + 1, at)
                if inner < 0:
                    return False, 0, 0
                continue
            start, inner = _length(buf, inner + 1, at)
            # Labels (0a) once and first, then entries (12).
            if start < 0 or part not in (0x0A, 0x12) or labelled == (part == 0x0A):
                return False, 0, 0
            labelled = True
            entries += part == 0x12
    return True, streams, entries


@compiled
def read(
    buf: NDArray[np.uint8],
    length: Number,
    streams: NDArray[np.int64],
    times: NDArray[np.int64],
    entries: NDArray[np.int64],
) -> bool:
    """Fill the columns of a measured request; false when an entry is not of the usual shape.

    Args:
        buf: uint8[bytes].
        length: bytes.
        streams: int64[streams, 3]: start and end of the labels, number of entries.
        times: int64[entries, 2]: seconds, nanoseconds.
        entries: int64[entries, 4], see `LINE_START`; start and end of the entry only where it has
            structured metadata, else 0.
    """
    at, row, stream = 0, 0, 0
    while at < length:
        is_stream = buf[at] == 0x0A
        inner, at = _length(buf, at + 1, length)
        if not is_stream:
            continue
        streams[stream, 2] = row
        while inner < at:
            part = buf[inner]
            if part == 0x18:
                _, inner = varint64(buf, inner + 1, at)
                continue
            start, inner = _length(buf, inner + 1, at)
            if part == 0x0A:
                streams[stream, 0], streams[stream, 1] = start, inner
            elif _entry(buf, start, inner, times[row], entries[row]):
                row += 1
            else:
                return False
        streams[stream, 2] = row - streams[stream, 2]
        stream += 1
    return True


@compiled
def _entry(
    buf: NDArray[np.uint8], at: Number, end: Number, time: NDArray[np.int64], entry: NDArray[np.int64]
) -> bool:
    """Read one entry; false when it is not a plain one."""
    time[0], time[1] = 0, 0
    entry[LINE_START], entry[LINE_END] = at, at
    entry[ENTRY_START], entry[ENTRY_END] = 0, 0
    begin = at
    while at < end:
        tag = buf[at]
        start, at = _length(buf, at + 1, end)
        if start < 0:
            return False
        if tag == 0x0A:
            if not _timestamp(buf, start, at, time):
                return False
        elif tag == 0x12:
            entry[LINE_START], entry[LINE_END] = start, at
        elif tag == 0x1A:
            entry[ENTRY_START], entry[ENTRY_END] = begin, end
        elif tag != 0x22:  # labels parsed of the line, for Loki's own answers
            return False
    return True


@compiled
def _timestamp(buf: NDArray[np.uint8], at: Number, end: Number, time: NDArray[np.int64]) -> bool:
    """Read seconds and nanoseconds; false when it is not a plain Timestamp."""
    while at < end:
        tag = buf[at]
        if tag not in (0x08, 0x10):
            return False
        value, at = varint64(buf, at + 1, end)
        if at < 0:
            return False
        if tag == 0x10:
            time[1] = np.int64(np.int32(value))  # as protobuf reads a number that is too long for its field
        else:
            time[0] = value
    return True
