"""Which rows of a column may hold something to take out: one compiled pass over the bytes.

The answer for a row is a bit for each kind of `redact_kinds.KINDS`. For kinds with rules a bit means
"perhaps": the rules decide. For mail addresses, cards and accounts it is certain, and `spans` says where.
The same pass says where the names of trace ids stand, for `trace_ids`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.literals import Literal, LiteralTable, bits_of_chain, literal_table, text_buffers
from stormpetrel.ingest.native import Number
from stormpetrel.ingest.redact_kinds import BIT_OF, KINDS
from stormpetrel.ingest.redact_mail import has_credentials, mail_span
from stormpetrel.ingest.redact_numbers import card_end, digits_end, iban_end, is_digit
from stormpetrel.ingest.trace_ids import TRACE_LITERALS

# Set where a JSON text writes characters as \u escapes: what it says is known only once it is parsed.
ESCAPED = 1 << 31

_MAIL, _CARD, _IBAN, _CREDENTIALS = (BIT_OF[name] for name in ("mail", "card", "iban", "credentials"))

# What the table of pairs says of an `@` after anything, and of the first digit of what may be a number.
_AT, _NUMBER = 255, 254


def _with_signs(table: LiteralTable) -> LiteralTable:
    """The table that also stops where addresses, cards and accounts may be."""
    pairs = table.chain_of.reshape(256, 256)
    pairs[:, ord("@")] = _AT
    before_card = [c for c in range(128) if not (chr(c).isalnum() or chr(c) in "_.-")]
    pairs[np.ix_(before_card, range(ord("2"), ord("7")))] = _NUMBER
    pairs[ord("A") : ord("Z") + 1, ord("0") : ord("9") + 1] = _NUMBER
    return table


_TABLE = _with_signs(
    literal_table(
        [Literal(one.text, one.fold, one.assigned, BIT_OF[kind.name]) for kind in KINDS for one in kind.marks]
        + [Literal("\\u", False, False, ESCAPED), *TRACE_LITERALS]
    )
)


@njit(nogil=True, cache=True)
def _number_bits(text: NDArray[np.uint8], start: Number, at: Number, end: Number) -> Number:
    # Four digits at least begin a card, two an account.
    if at + 10 >= end or not is_digit(text[at + 1]):
        return 0
    found = 0
    if is_digit(text[at + 2]) and is_digit(text[at + 3]) and card_end(text, start, at, end):
        found |= _CARD
    if iban_end(text, start, at, end):
        found |= _IBAN
    return found


@njit(nogil=True, cache=True)
def _at_bits(text: NDArray[np.uint8], start: Number, at: Number, end: Number) -> Number:
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
        pair = np.uint16(0)
        for at in range(start, end):
            # Unsigned places spare the test for negative ones, which costs as much as all the rest.
            pair = np.uint16(pair << np.uint16(8)) | np.uint16(text[np.uintp(at)])
            chain = chain_of[np.uintp(pair)]
            if chain == 0:
                continue
            if chain == _NUMBER:
                found |= np.uint32(_number_bits(text, start, at, end))
            elif chain == _AT:
                found |= np.uint32(_at_bits(text, start, at, end))
            else:
                found |= np.uint32(bits_of_chain(text, (start, at, end), chain, table))
        out[row] = found


def scan_kinds(column: pa.Array) -> NDArray[np.uint32]:
    """uint32[n]: a bit for each kind that the text may hold, `ESCAPED`, and the bits of `TRACE_LITERALS`.

    Works on any valid UTF-8. Cost: about a nanosecond a byte and core, without the interpreter's lock.
    """
    text, offsets = text_buffers(column)
    out = np.zeros(len(column), np.uint32)
    _scan(text, offsets, _TABLE, out)
    return out


@njit(nogil=True, cache=True)
def _spans(
    text: NDArray[np.uint8], offsets: NDArray[np.int32], wanted: Number, out: NDArray[np.int64]
) -> Number:
    """Write (row, start, end, bit) of every mail, card and account; returns how many there are in all."""
    count = 0
    for row in range(len(offsets) - 1):
        start, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        at, free = start, start
        while at < end:
            c = text[at]
            begin: Number = np.int64(0)
            stop: Number = np.int64(0)
            bit: Number = np.int64(0)
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
def _number_span(
    text: NDArray[np.uint8], start: Number, at: Number, end: Number, wanted: Number
) -> tuple[Number, Number, Number]:
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
