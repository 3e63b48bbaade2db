"""The attributes of OTLP log records as JSON text, written by a compiled kernel from the wire."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.json_wire import write_quoted, write_whole
from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.otlp_record_wire import (
    END,
    JSON_SIZE,
    NAME,
    NAME_SIZE,
    SAID,
    SCOPE,
    START,
    Bytes,
    Numbers,
    pair,
)
from stormpetrel.ingest.protobuf_wire import read_size, varint, varint64

_NULL, _TRUE, _FALSE = (np.frombuffer(word, np.uint8) for word in (b"null", b"true", b"false"))
_EVENT_NAME = np.frombuffer(b'"event.name":', np.uint8)
_SEVERITY_TEXT = np.frombuffer(b'"severity_text":', np.uint8)

# Texts one behind the other, and their offsets.
Texts: TypeAlias = tuple[Bytes, Numbers]


@compiled
def write_attributes(
    source: Bytes, rows: Numbers, prefixes: Texts, said: Texts, reals: Bytes, out: Bytes
) -> NDArray[np.int32]:
    """Write one JSON object a row; the offsets of the texts.

    Args:
        source: the body, and behind it the finished texts of odd records.
        rows: see `otlp_record_wire`; of an odd record START and END are those of its text.
        prefixes: the start of the objects of each scope, from `{` on.
        said: the severity texts that the rows name, as JSON strings.
        reals: the doubles of usual records in order, as JSON, each with one byte behind it.
        out: has room for all.
    """
    offsets = np.zeros(len(rows) + 1, np.int32)
    at, real = 0, 0
    for n in range(len(rows)):
        row = rows[n]
        if row[JSON_SIZE] < 0:
            at = _put(source, row[START], row[END], out, at)
            offsets[n + 1] = at
            continue
        at = _put(prefixes[0], prefixes[1][row[SCOPE]], prefixes[1][row[SCOPE] + 1], out, at)
        at, real = _pairs(source, row, reals, real, out, at)
        if row[SAID] >= 0:
            at = _put(_SEVERITY_TEXT, 0, len(_SEVERITY_TEXT), out, _comma(out, at))
            at = _put(said[0], said[1][row[SAID]], said[1][row[SAID] + 1], out, at)
        if row[NAME_SIZE] > 0:
            at = _put(_EVENT_NAME, 0, len(_EVENT_NAME), out, _comma(out, at))
            at = write_quoted(source, row[NAME], row[NAME] + row[NAME_SIZE], out, at)
        out[at] = 0x7D
        at += 1
        offsets[n + 1] = at
    return offsets


@compiled
def _put(source: Bytes, start: Number, end: Number, out: Bytes, at: Number) -> Number:
    for i in range(start, end):
        out[at + i - start] = source[i]
    return at + end - start


@compiled
def _comma(out: Bytes, at: Number) -> Number:
    """A comma, unless the object has just begun: no value ends in a brace that opens."""
    if out[at - 1] == 0x7B:
        return at
    out[at] = 0x2C
    return at + 1


@compiled
def _pairs(
    source: Bytes, row: Numbers, reals: Bytes, real: Number, out: Bytes, at: Number
) -> tuple[Number, Number]:
    """Write the attributes of a usual record, with commas before them; (position, position in reals)."""
    place = row[START]
    while place < row[END]:
        tag = source[place]
        if tag in (0x09, 0x59):
            place += 9
        elif tag == 0x45:
            place += 5
        elif tag in (0x10, 0x38):
            _, place = varint(source, place + 1, row[END])
        else:
            size, start = read_size(source, place + 1, row[END])
            place = start + size
            if tag == 0x32:
                key, key_end, value, value_end = pair(source, start, place)
                at = write_quoted(source, key, key_end, out, _comma(out, at))
                out[at] = 0x3A
                at, real = _value(source, value, value_end, (reals, real), out, at + 1)
    return at, real


@compiled
def _value(
    source: Bytes, start: Number, end: Number, reals: tuple[Bytes, Number], out: Bytes, at: Number
) -> tuple[Number, Number]:
    """Write a usual AnyValue; (position, position in reals)."""
    numbers, real = reals
    if start == end:
        return _put(_NULL, 0, 4, out, at), real
    tag = source[start]
    if tag == 0x0A:
        _, begin = read_size(source, start + 1, end)
        return write_quoted(source, begin, end, out, at), real
    if tag == 0x10:
        if source[start + 1]:
            return _put(_TRUE, 0, 4, out, at), real
        return _put(_FALSE, 0, 5, out, at), real
    if tag == 0x18:
        value, _ = varint64(source, start + 1, end)
        return write_whole(value, out, at), real
    while numbers[real] != 0x2C and numbers[real] != 0x5D:  # up to the comma or the bracket behind it
        out[at] = numbers[real]
        at += 1
        real += 1
    return at, real + 1
