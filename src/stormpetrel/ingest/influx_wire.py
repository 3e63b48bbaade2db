"""InfluxDB's line protocol, read in place by compiled kernels.

Specification: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/. As InfluxDB does it, a
comma, an equals sign or a space is escaped when a backslash stands right before it; in a quoted text a
backslash escapes a quote or a backslash, and a line may go on behind a newline. Of
numbers that cannot be read exactly here the spans are handed back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.influx_numbers import (
    BAD,
    INT64_MAX,
    SPAN,
    TEXT,
    read_boolean,
    read_digits,
    read_number,
)
from stormpetrel.ingest.native import Number, compiled
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID, find
from stormpetrel.ingest.remote_write_wire import hash128

# Why a line is refused.
NO_FAULT, NO_MEASUREMENT, NO_FIELDS, MALFORMED_FIELD, MALFORMED_VALUE, UNCLOSED_TEXT = range(6)
MALFORMED_TIME, TIME_OUT_OF_RANGE, TOO_MANY_FIELDS = 6, 7, 8
FAULTS = 9

# Columns of what is said of a row whose series is unknown: row, line, the spans of measurement and tags and
# of the field's name, their hash in two halves.
ROW, LINE, KEY_START, KEY_END, FIELD_START, FIELD_END, HASH_A, HASH_B = range(8)

# What `read` counts: rows, rows of unknown series, numbers to be read elsewhere, texts that were skipped,
# lines refused.
ROWS, UNKNOWN, SPANS, TEXTS, REFUSED = range(5)

_TAB, _NEWLINE, _RETURN, _SPACE, _QUOTE, _HASH = 9, 10, 13, 32, 34, 35
_COMMA, _MINUS, _EQUALS, _BACKSLASH = 44, 45, 61, 92

# Series, time, value; what is said of rows of unknown series [rows, 8]; numbers to be read elsewhere
# [rows, 3].
_Columns = tuple[
    NDArray[np.uint32], NDArray[np.int64], NDArray[np.float64], NDArray[np.uint64], NDArray[np.int64]
]
_Table = tuple[NDArray[np.uint64], NDArray[np.uint32]]


@compiled
def read(
    buf: NDArray[np.uint8],
    clock: tuple[Number, Number],
    table: _Table,
    columns: _Columns,
    faults: NDArray[np.int64],
    refused: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Read lines into columns; returns the counts, see `ROWS`.

    Args:
        buf: uint8[bytes].
        clock: nanoseconds of a unit of time, and the time of lines that have none.
        table: known series, see `remote_write_table.LabelTable`.
        columns: with room for as many rows as are taken. The last, of numbers to be read elsewhere, says
            row, start and end.
        faults: int64[FAULTS], lines refused.
        refused: int64[n, 4], of the first n refused lines: fault, line, start, where the fault was seen.
    """
    counts = np.zeros(5, np.int64)
    length = len(buf)
    at, line = 0, 0
    while at < length:
        line += 1
        start = _skip(buf, at, length)
        if start >= length or buf[start] == _NEWLINE or buf[start] == _HASH:
            at = _line_end(buf, start, length)
            continue
        rows, unknown, spans, texts = counts[ROWS], counts[UNKNOWN], counts[SPANS], counts[TEXTS]
        at, fault, more = _line(buf, (start, line), clock, table, columns, counts)
        if fault != NO_FAULT:
            counts[ROWS], counts[UNKNOWN], counts[SPANS], counts[TEXTS] = rows, unknown, spans, texts
            faults[fault] += 1
            if counts[REFUSED] < len(refused):
                found = refused[counts[REFUSED]]
                found[0], found[1], found[2], found[3] = fault, line, start, at
            counts[REFUSED] += 1
            at = _line_end(buf, at, length)
        line += more
    return counts


@compiled
def _skip(buf: NDArray[np.uint8], at: Number, end: Number) -> Number:
    """Behind blanks."""
    while at < end and (buf[at] == _SPACE or buf[at] == _TAB or buf[at] == _RETURN):
        at += 1
    return at


@compiled
def _line_end(buf: NDArray[np.uint8], at: Number, end: Number) -> Number:
    """Behind the next newline."""
    while at < end and buf[at] != _NEWLINE:
        at += 1
    return at + 1


@compiled
def _line(
    buf: NDArray[np.uint8],
    place: tuple[Number, Number],
    clock: tuple[Number, Number],
    table: _Table,
    columns: _Columns,
    counts: NDArray[np.int64],
) -> tuple[Number, Number, Number]:
    """One line: behind its end, or where its fault is seen; the fault; newlines within its texts."""
    start, line = place
    end = len(buf)
    if buf[start] == _COMMA:
        return start, NO_MEASUREMENT, 0
    key_end = _name_end(buf, start, end, False)
    at = _skip(buf, key_end, end)
    if at == key_end or at >= end or buf[at] == _NEWLINE:
        return at, NO_FIELDS, 0
    a, b = hash128(buf, start, key_end)
    key = (line, start, key_end, a, b)
    first, more = counts[ROWS], 0
    while True:
        at, fault, newlines = _field(buf, at, key, table, columns, counts)
        more += newlines
        if fault != NO_FAULT:
            return at, fault, more
        if at >= end or buf[at] != _COMMA:
            break
        at += 1
    at, fault, time = _time(buf, at, end, clock)
    columns[1][first : counts[ROWS]] = time
    return at, fault, more


@compiled
def _field(
    buf: NDArray[np.uint8],
    name: Number,
    key: tuple[Number, Number, Number, Number, Number],
    table: _Table,
    columns: _Columns,
    counts: NDArray[np.int64],
) -> tuple[Number, Number, Number]:
    """One field, as a row if it is a number: where it ends; its fault; newlines within its text."""
    end = len(buf)
    name_end = _name_end(buf, name, end, True)
    if name_end == name or name_end >= end or buf[name_end] != _EQUALS:
        return name_end, MALFORMED_FIELD, 0
    at, kind, number = _value(buf, name_end + 1, end)
    if kind == BAD:
        quoted = name_end + 1 < end and buf[name_end + 1] == _QUOTE
        return at, (UNCLOSED_TEXT if quoted else MALFORMED_VALUE), 0
    if kind == TEXT:
        counts[TEXTS] += 1
        return at, NO_FAULT, _newlines(buf, name_end, at)
    row = counts[ROWS]
    if row == len(columns[2]):
        return at, TOO_MANY_FIELDS, 0
    counts[ROWS] += 1
    columns[2][row] = number
    if kind == SPAN:
        span = columns[4][counts[SPANS]]
        span[0], span[1], span[2] = row, name_end + 1, at
        counts[SPANS] += 1
    a, b = hash128(buf, name, name_end)
    a, b = _mixed(key[3], a), _mixed(b, key[4])
    series = find(table[0], table[1], a, b)
    columns[0][row] = series
    if series == UNKNOWN_ID:
        found = columns[3][counts[UNKNOWN]]
        found[ROW], found[LINE], found[KEY_START], found[KEY_END] = row, key[0], key[1], key[2]
        found[FIELD_START], found[FIELD_END], found[HASH_A], found[HASH_B] = name, name_end, a, b
        counts[UNKNOWN] += 1
    return at, NO_FAULT, 0


@compiled
def _newlines(buf: NDArray[np.uint8], start: Number, end: Number) -> Number:
    """How many lines a text goes on."""
    found = 0
    for i in range(start, end):
        found += buf[i] == _NEWLINE
    return found


@compiled
def _mixed(one: Number, other: Number) -> Number:
    """Two hashes as one, in which their order counts."""
    value = (one ^ (other * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xFF51AFD7ED558CCD)
    return value ^ (value >> np.uint64(32))


@compiled
def _name_end(buf: NDArray[np.uint8], at: Number, end: Number, field: bool) -> Number:
    """The end of measurement and tags (a blank), or of a field's name (a blank, comma or equals sign)."""
    while at < end:
        byte = buf[at]
        if byte == _BACKSLASH and at + 1 < end and buf[at + 1] != _NEWLINE:
            # What follows is part of the name, a further backslash excepted: it may escape in its turn.
            at += 1 if buf[at + 1] == _BACKSLASH else 2
            continue
        if byte in (_SPACE, _NEWLINE) or (field and byte in (_COMMA, _EQUALS)):
            break
        at += 1
    return at


@compiled
def _value(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number, Number]:
    """A field's value: (where it ends, what it is, its number)."""
    if at < end and buf[at] == _QUOTE:
        at += 1
        while at < end and buf[at] != _QUOTE:
            escapes = (
                buf[at] == _BACKSLASH
                and at + 1 < end
                and (buf[at + 1] == _QUOTE or buf[at + 1] == _BACKSLASH)
            )
            at += 2 if escapes else 1
        if at >= end:
            return end, BAD, 0.0
        at += 1
        return at, TEXT if _ends(buf, at, end) else BAD, 0.0
    stop = at
    while not _ends(buf, stop, end):
        stop += 1
    if stop == at:
        return at, BAD, 0.0
    kind, number = read_number(buf, at, stop)
    if kind == BAD:
        kind, number = read_boolean(buf, at, stop)
    return stop, kind, number


@compiled
def _ends(buf: NDArray[np.uint8], at: Number, end: Number) -> bool:
    """Is a value over here?"""
    if at >= end:
        return True
    byte = buf[at]
    return byte in (_COMMA, _SPACE, _NEWLINE, _RETURN)


@compiled
def _time(
    buf: NDArray[np.uint8], at: Number, end: Number, clock: tuple[Number, Number]
) -> tuple[Number, Number, Number]:
    """The time at the end of a line: (behind the line, fault, nanoseconds)."""
    at = _skip(buf, at, end)
    if at >= end or buf[at] == _NEWLINE:
        return at + 1, NO_FAULT, clock[1]
    negative = buf[at] == _MINUS
    at += negative
    number, digits, _, at = read_digits(buf, at, end, np.uint64(0), 0, 0)
    stop = _skip(buf, at, end)
    if digits == 0 or (stop < end and buf[stop] != _NEWLINE):
        return stop, MALFORMED_TIME, np.int64(0)
    if digits > 19 or number > INT64_MAX // np.uint64(clock[0]):
        return stop, TIME_OUT_OF_RANGE, np.int64(0)
    time = np.int64(number) * clock[0]
    return stop + 1, NO_FAULT, (-time if negative else time)
