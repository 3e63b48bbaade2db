"""One OTLP log record on the wire: a compiled kernel that reads its fields in place.

Usual is a record with each field once, and attributes whose values are text, numbers and truths; everything
else makes it odd, without an opinion on whether it is well-formed.

Definitions: https://github.com/open-telemetry/opentelemetry-proto (logs.proto, common.proto).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.json_wire import REAL_BYTES, WHOLE_BYTES, quoted_size
from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.protobuf_wire import fixed64, read_size, varint, varint64

# A row of a record: times as bits of uint64; where the record is, and its texts (ids: -1 where there is
# none), with their sizes; the number of its severity text (-1: none) and of its scope; the most that its
# attributes take as JSON, or -1 for an odd record.
TIME, OBSERVED, SEVERITY, START, END, BODY, BODY_SIZE, TRACE, SPAN, NAME, NAME_SIZE = range(11)
SAID, SAID_SIZE, SCOPE, JSON_SIZE = range(11, 15)
ROW_FIELDS = 15

# What is counted while records are read.
REALS, TEXTS = 0, 1

MAX_ATTRIBUTES = 64  # more make a record odd: each key is compared with all before it
MAX_TEXTS = 64  # distinct severity texts; records with further ones are odd

# Names that records get besides their attributes: an attribute of that name makes a record odd.
_SEVERITY_TEXT = np.frombuffer(b"severity_text", np.uint8)
_EVENT_NAME = np.frombuffer(b"event.name", np.uint8)

Bytes: TypeAlias = NDArray[np.uint8]
Numbers: TypeAlias = NDArray[np.int64]
# The rows; the doubles in order, as bits; start and size of the distinct severity texts; start and end of
# the keys of the present record; the counters.
Tables: TypeAlias = tuple[Numbers, NDArray[np.uint64], Numbers, Numbers, Numbers]


@compiled
def read_record(buf: Bytes, at: Number, end: Number, row: Numbers, tables: Tables) -> bool:
    """Read a LogRecord into its row of zeros; false when it is odd."""
    row[START], row[END], row[TRACE], row[SPAN], row[SAID] = at, end, -1, -1, -1
    seen, keys = 0, 0
    while at < end:
        tag: Number = np.int64(buf[at])
        if tag & 7 != 2:
            at = _number(buf, at, end, row)
            if at < 0:
                return False
            continue
        size, start = read_size(buf, at + 1, end)
        at = start + size
        if tag >= 0x80 or start < 0 or at > end:
            return False
        if tag == 0x32:
            json_size = _attribute(buf, start, at, keys, tables)
            if json_size < 0:
                return False
            row[JSON_SIZE] += json_size
            keys += 1
        elif (seen >> (tag >> 3)) & 1 or not _text(buf, start, at, tag, row):
            return False
        seen |= 1 << (tag >> 3)
    if row[NAME_SIZE] > 0:
        row[JSON_SIZE] += 14 + quoted_size(buf, row[NAME], row[NAME] + row[NAME_SIZE])
    if row[SAID_SIZE] > 0:
        return _distinct(buf, row, tables)
    row[SAID] = -1
    return True


@compiled
def _number(buf: Bytes, at: Number, end: Number, row: Numbers) -> Number:
    """A field that is a number: times, severity, flags, dropped attributes; the next position, -1 if odd."""
    tag = buf[at]
    if tag in (0x09, 0x59) and at + 9 <= end:
        row[TIME if tag == 0x09 else OBSERVED] = np.int64(fixed64(buf, at + 1))
        return at + 9
    if tag == 0x45 and at + 5 <= end:
        return at + 5
    if tag in (0x10, 0x38):
        value, behind = varint(buf, at + 1, end)
        if value >= 0x8000_0000:  # the library cuts it to 32 bits
            return -1
        if tag == 0x10:
            row[SEVERITY] = value
        return behind
    return -1


@compiled
def _text(buf: Bytes, start: Number, end: Number, tag: Number, row: Numbers) -> bool:
    """A field that has bytes: severity text, body, ids, event name; false when it is odd."""
    if tag == 0x1A:
        row[SAID], row[SAID_SIZE] = start, end - start
        return True
    if tag == 0x62:
        row[NAME], row[NAME_SIZE] = start, end - start
        return True
    if tag in (0x4A, 0x52):
        width = 16 if tag == 0x4A else 8
        if end - start == width and _any(buf, start, end):
            row[TRACE if tag == 0x4A else SPAN] = start
        return True
    if tag != 0x2A:
        return False
    if start == end:
        return True
    size, begin = read_size(buf, start + 1, end)
    row[BODY], row[BODY_SIZE] = begin, size
    return bool(buf[start] == 0x0A and begin >= 0 and begin + size == end)


@compiled
def _any(buf: Bytes, start: Number, end: Number) -> bool:
    """Whether a byte is not zero."""
    while start < end and buf[start] == 0:
        start += 1
    return bool(start < end)


@compiled
def _distinct(buf: Bytes, row: Numbers, tables: Tables) -> bool:
    """Number the severity text of a record among the distinct ones; false when there are too many."""
    texts, counts = tables[2], tables[4]
    start, size = row[SAID], row[SAID_SIZE]
    for n in range(counts[TEXTS]):
        if texts[n, 1] == size and _same(buf, texts[n, 0], start, size):
            row[SAID] = n
            return True
    if counts[TEXTS] == MAX_TEXTS:
        return False
    row[SAID] = counts[TEXTS]
    texts[counts[TEXTS], 0], texts[counts[TEXTS], 1] = start, size
    counts[TEXTS] += 1
    return True


@compiled
def _same(buf: Bytes, one: Number, other: Number, size: Number) -> bool:
    done = 0
    while done < size and buf[one + done] == buf[other + done]:
        done += 1
    return bool(done == size)


@compiled
def _attribute(buf: Bytes, at: Number, end: Number, count: Number, tables: Tables) -> Number:
    """The most that a KeyValue takes as JSON with its colon and comma; -1 when it is odd."""
    reals, keys, counts = tables[1], tables[3], tables[4]
    key, key_end, value, value_end = pair(buf, at, end)
    if key < 0 or count == MAX_ATTRIBUTES or _reserved(buf, key, key_end):
        return -1
    for n in range(count):
        if keys[n, 1] - keys[n, 0] == key_end - key and _same(buf, keys[n, 0], key, key_end - key):
            return -1
    keys[count, 0], keys[count, 1] = key, key_end
    size = _value_size(buf, value, value_end)
    if size < 0:
        return -1
    if value < value_end and buf[value] == 0x21:
        reals[counts[REALS]] = fixed64(buf, value + 1)
        counts[REALS] += 1
    return size + quoted_size(buf, key, key_end) + 2


@compiled
def pair(buf: Bytes, at: Number, end: Number) -> tuple[Number, Number, Number, Number]:
    """Start and end of the key and of the value of a KeyValue, empty if absent; -1 when it is odd."""
    key, key_end, value, value_end, seen = at, at, at, at, 0
    while at < end:
        tag: Number = np.int64(buf[at])
        size, start = read_size(buf, at + 1, end)
        at = start + size
        if start < 0 or at > end or tag not in (0x0A, 0x12) or (seen >> tag) & 1:
            return -1, -1, -1, -1
        seen |= 1 << tag
        if tag == 0x0A:
            key, key_end = start, at
        else:
            value, value_end = start, at
    return key, key_end, value, value_end


@compiled
def _reserved(buf: Bytes, start: Number, end: Number) -> bool:
    return _spells(buf, start, end, _SEVERITY_TEXT) or _spells(buf, start, end, _EVENT_NAME)


@compiled
def _spells(buf: Bytes, start: Number, end: Number, name: Bytes) -> bool:
    if end - start != len(name):
        return False
    done = 0
    while done < len(name) and buf[start + done] == name[done]:
        done += 1
    return done == len(name)


@compiled
def _value_size(buf: Bytes, at: Number, end: Number) -> Number:
    """The most that an AnyValue takes as JSON; -1 when it is odd: a list, a map, bytes, or set twice."""
    if at == end:
        return 4
    tag = buf[at]
    if tag == 0x0A:
        size, start = read_size(buf, at + 1, end)
        return quoted_size(buf, start, end) if start >= 0 and start + size == end else -1
    if tag == 0x10:
        return 5 if end - at == 2 and buf[at + 1] < 2 else -1
    if tag == 0x18:
        _, behind = varint64(buf, at + 1, end)
        return WHOLE_BYTES if behind == end else -1
    return REAL_BYTES if tag == 0x21 and end - at == 9 else -1
