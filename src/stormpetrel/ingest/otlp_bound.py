"""How many messages a protobuf or JSON body holds, counted before anything is built of it.

Two bytes on the wire can be a message that takes a hundred in memory; a body within its limit of bytes
could so take gigabytes.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.protobuf_wire import varint

# A log record with ten attributes is 21 messages; senders' batches hold some thousand records.
MAX_MESSAGES = 5_000_000

# In JSON an object of eight bytes takes some 240 in memory, a text of five bytes sixty: half a gigabyte each.
MAX_JSON_OBJECTS = 2_000_000
MAX_VALUES = 5_000_000

_MAX_DEPTH = 100
_MAX_FIELD = 64


def check_size(body: bytes, descriptor: Any, json: bool) -> None:
    """Refuse a body of more than `MAX_MESSAGES` messages. O(bytes), about 1 GB/s.

    Of JSON the opening brackets are counted, of which there may be `MAX_JSON_OBJECTS`, and the commas, of
    which there may be `MAX_VALUES`, wherever they stand: never too few.

    Raises:
        TooLargeError: naming the limit.
    """
    if json:
        count = body.count(b"{") + body.count(b"[")
    else:
        count = int(_count(np.frombuffer(body, np.uint8), _children(descriptor), MAX_MESSAGES))
    if json and body.count(b",") > MAX_VALUES:
        raise TooLargeError(f"the request holds more than {MAX_VALUES} values: send smaller requests")
    most = min(MAX_MESSAGES, MAX_JSON_OBJECTS) if json else MAX_MESSAGES
    if count > most:
        raise TooLargeError(f"the request holds more than {most} objects: send smaller requests")


@functools.cache
def _children(root: Any) -> NDArray[np.int16]:
    """int16[types, fields]: the type of the message in each field of each type, -1 for no message."""
    types = [root]
    rows: list[list[int]] = []
    for descriptor in types:  # grows while it is walked
        row = [-1] * _MAX_FIELD
        for field in descriptor.fields:
            if field.message_type is None or field.number >= _MAX_FIELD:
                continue
            if field.message_type not in types:
                types.append(field.message_type)
            row[field.number] = types.index(field.message_type)
        rows.append(row)
    return np.array(rows, np.int16)


@compiled
def _skip(buf: NDArray[np.uint8], at: Number, end: Number, wire: Number) -> Number:
    """The position behind a field that holds no message; -1 where it cannot be told.

    Of a group, which OTLP has not, only the brackets are skipped: what is in it counts.
    """
    if wire in (3, 4):
        return at
    if wire == 0:
        for i in range(at, min(at + 10, end)):
            if buf[i] < 0x80:
                return i + 1
        return -1
    if wire == 1:
        return at + 8
    return at + 4 if wire == 5 else -1


@compiled
def _count(buf: NDArray[np.uint8], children: NDArray[np.int16], limit: Number) -> Number:
    """Messages in the body, up to just over `limit`; counting stops where the bytes are malformed.

    What comes behind such a place is never built: the protobuf library stops there too.
    """
    ends = np.empty(_MAX_DEPTH + 1, np.int64)
    kinds = np.empty(_MAX_DEPTH + 1, np.int64)
    depth, at, count = 0, 0, 1
    ends[0], kinds[0] = len(buf), 0
    while count <= limit:
        while depth > 0 and at >= ends[depth]:
            depth -= 1
        end = ends[depth]
        if at >= end:
            break
        tag, at = varint(buf, at, end)
        if at < 0:
            break
        if tag & 7 != 2:
            at = _skip(buf, at, end, tag & 7)
            if at < 0 or at > end:
                break
            continue
        size, at = varint(buf, at, end)
        if at < 0 or at + size > end:
            break
        field = tag >> 3
        child = children[kinds[depth], field] if field < _MAX_FIELD else np.int16(-1)
        if child < 0:
            at += size
            continue
        count += 1
        if depth == _MAX_DEPTH:
            break
        depth += 1
        ends[depth], kinds[depth] = at + size, child
    return count
