"""Which rows of a column may hold something to take out: one compiled pass over the bytes.

The answer for a row is a bit for each kind of `redact_kinds.KINDS`. For kinds with rules a bit means
"perhaps": the rules decide. For mail addresses, cards and accounts it is certain, and `spans` says where.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.literals import Literal, LiteralTable, bits_at, literal_table, text_buffers
from stormpetrel.ingest.redact_kinds import BIT_OF, KINDS
from stormpetrel.ingest.redact_mail import has_credentials, mail_span
from stormpetrel.ingest.redact_numbers import card_end, digits_end, iban_end, is_digit

# Set where a JSON text writes characters as \u escapes: what it says is known only once it is parsed.
ESCAPED = 1 << 31

_MAIL, _CARD, _IBAN, _CREDENTIALS = (BIT_OF[name] for name in ("mail", "card", "iban", "credentials"))

_TABLE = literal_table(
    [Literal(one.text, one.fold, one.assigned, BIT_OF[kind.name]) for kind in KINDS for one in kind.marks]
    + [Literal("\\u", False, False, ESCAPED)]
)


@njit(nogil=True, cache=True)
def _number_bits(text: NDArray[np.uint8], start: int, at: int, end: int) -> int:
    found = 0
    if card_end(text, start, at, end):
        found |= _CARD
    if iban_end(text, start, at, end):
        found |= _IBAN
    return found


@njit(nogil=True, cache=True)
def _at_bits(text: NDArray[np.uint8], start: int, at: int, end: int) -> int:
    found = _CREDENTIALS if has_credentials(text, start, at) else 0
    if mail_span(text, start, at, end)[1]:
        found |= _MAIL
    return found


@njit(nogil=True, cache=True)
def _scan(
    text: NDArray[np.uint8], offsets: NDArray[np.int32], table: LiteralTable, out: NDArray[np.uint32]
) -> None:
    chain_of = table.chain_of
    for row in range(len(offsets) - 1):
        start, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        found = np.uint32(0)
        at = start
        before = np.int64(0)
        while at < end:
            c = np.int64(text[at])
            if 48 <= c <= 57:
                found |= np.uint32(_number_bits(text, start, at, end))
                at = digits_end(text, at, end)
                before = np.int64(text[at - 1])
                continue
            if c == 64:
                found |= np.uint32(_at_bits(text, start, at, end))
            elif chain_of[(before << 8) | c] and at > start:
                found |= np.uint32(bits_at(text, start, at, end, table))
            before = c
            at += 1
        out[row] = found


def scan_kinds(column: pa.Array) -> NDArray[np.uint32]:
    """uint32[n]: a bit for each kind that the text may hold, and `ESCAPED`.

    Works on any valid UTF-8. Cost: about a nanosecond a byte and core, without the interpreter's lock.
    """
    text, offsets = text_buffers(column)
    out = np.zeros(len(column), np.uint32)
    _scan(text, offsets, _TABLE, out)
    return out


@njit(nogil=True, cache=True)
def _spans(text: NDArray[np.uint8], offsets: NDArray[np.int32], wanted: int, out: NDArray[np.int64]) -> int:
    """Write (row, start, end, bit) of every mail, card and account; returns how many there are in all."""
    count = 0
    for row in range(len(offsets) - 1):
        start, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        at, free = start, start
        while at < end:
            c = text[at]
            begin, stop, bit = np.int64(0), np.int64(0), np.int64(0)
            if c == 64 and wanted & _MAIL:
                begin, stop = mail_span(text, start, at, end)
                bit = _MAIL
            elif is_digit(c):
                begin, stop, bit = _number_span(text, start, at, end, wanted)
            if stop and begin >= free:
                if count < len(out):
                    out[count, 0], out[count, 1], out[count, 2], out[count, 3] = row, begin, stop, bit
                count += 1
                at = free = stop
            else:
                at = digits_end(text, at, end) if is_digit(c) else at + 1
    return count


@njit(nogil=True, cache=True)
def _number_span(text: NDArray[np.uint8], start: int, at: int, end: int, wanted: int) -> tuple[int, int, int]:
    stop = iban_end(text, start, at, end) if wanted & _IBAN else 0
    if stop:
        return at - 2, stop, _IBAN
    stop = card_end(text, start, at, end) if wanted & _CARD else 0
    return at, stop, _CARD


def spans(column: pa.Array, wanted: int) -> NDArray[np.int64]:
    """int64[k, 4]: row, first byte, one past the last byte (in the column's buffer) and bit of each find.

    Args:
        column: texts.
        wanted: bits of the kinds to look for, of mail, card and iban.
    """
    text, offsets = text_buffers(column)
    out = np.empty((max(16, 4 * len(column)), 4), np.int64)
    count = _spans(text, offsets, wanted, out)
    if count > len(out):
        out = np.empty((count, 4), np.int64)
        count = _spans(text, offsets, wanted, out)
    return out[:count]
