"""Looking for many short literals in many texts at once, compiled.

The bytes of a batch are read once. Two neighbouring bytes are looked up in a table of 65,536; only where
they are the rarest pair of some literal, the literal is compared. So a row that holds none costs about a
nanosecond a byte, whatever the number of literals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number

MOST_LITERALS = 253
MOST_BYTES = 24
_END = 255
_LENGTH, _PLACE, _FOLD, _ASSIGNED = range(MOST_BYTES, MOST_BYTES + 4)

# Letters of English texts, the frequent ones first; what is not here is rarer still, digits excepted.
_FREQUENT = "etaoinsrhldcumfpgwybvkxjqz"
_FREQUENT_PAIRS = frozenset(
    [
        "th",
        "he",
        "in",
        "er",
        "an",
        "re",
        "on",
        "at",
        "en",
        "nd",
        "ti",
        "es",
        "or",
        "te",
        "of",
        "ed",
        "is",
        "it",
        "al",
        "ar",
        "st",
        "to",
        "nt",
        "ng",
        "se",
        "ha",
        "as",
        "ou",
        "io",
        "le",
        "ve",
        "co",
        "me",
        "de",
        "hi",
        "ri",
        "ro",
        "ic",
        "ne",
        "ea",
        "ra",
        "ce",
        "li",
        "ch",
        "ll",
        "be",
        "ma",
        "si",
        "om",
        "ur",
        "ck",
        "pr",
        "op",
        "rk",
        "by",
        "sc",
        "cl",
        "ig",
        "gh",
        "sk",
        "hk",
        "pp",
        "gn",
        "ss",
        "ap",
        "pi",
        "ke",
        "ey",
        "ok",
    ]
)


class Literal(NamedTuple):
    """A text to look for.

    Attributes:
        text: up to 24 bytes of ASCII, none but the first a digit; in small letters where `fold` is set.
        fold: whether capitals count as small letters.
        assigned: it counts only where `=` or `:` follows, with at most key characters, quotes,
        backslashes and
            white space between, forty bytes in all.
        bits: what its presence adds to the answer for the row.
    """

    text: str
    fold: bool
    assigned: bool
    bits: int


class LiteralTable(NamedTuple):
    """Literals as compiled code reads them; made by `literal_table`."""

    chain_of: NDArray[np.uint8]  # [65536] by pair of bytes: which chain, plus one; 0: none
    chains: NDArray[np.uint8]  # [chains, longest]: numbers of literals, then _END
    rows: NDArray[np.uint8]  # [literals, MOST_BYTES + 4]: the text, then what _LENGTH … _ASSIGNED say
    bits: NDArray[np.uint32]


def literal_table(literals: Sequence[Literal]) -> LiteralTable:
    """The table for these literals.

    Raises:
        ValueError: there are too many, or one is too short, too long, or has a digit where none may be.

    >>> int(literal_table([Literal("token", True, False, 4)]).bits[0])
    4
    """
    if len(literals) > MOST_LITERALS:
        raise ValueError(f"{len(literals)} literals are more than {MOST_LITERALS}")
    rows = np.zeros((len(literals), MOST_BYTES + 4), np.uint8)
    by_pair: dict[int, tuple[int, ...]] = {}
    for number, one in enumerate(literals):
        text = one.text.encode("ascii")
        place = _rarest(text, one.fold)
        rows[number, : len(text)] = np.frombuffer(text, np.uint8)
        rows[number, MOST_BYTES:] = (len(text), place, one.fold, one.assigned)
        for a in _cases(text[place - 1], one.fold):
            for b in _cases(text[place], one.fold):
                pair = (a << 8) | b
                by_pair[pair] = (*by_pair.get(pair, ()), number)
    chains = {chain: number for number, chain in enumerate(dict.fromkeys(by_pair.values()))}
    if len(chains) > MOST_LITERALS:
        raise ValueError(f"the literals make {len(chains)} chains, more than {MOST_LITERALS}: give fewer")
    chain_of = np.zeros(1 << 16, np.uint8)
    for pair, chain in by_pair.items():
        chain_of[pair] = chains[chain] + 1
    lists = np.full((max(1, len(chains)), 1 + max(map(len, chains), default=0)), _END, np.uint8)
    for chain, number in chains.items():
        lists[number, : len(chain)] = chain
    return LiteralTable(chain_of, lists, rows, np.array([one.bits for one in literals], np.uint32))


def _rarest(text: bytes, fold: bool) -> int:
    """Where the second byte of the pair stands that logs hold least often."""
    places = [k for k in range(1, len(text)) if not chr(text[k]).isdigit()]
    if not places or len(text) > MOST_BYTES or (fold and text != text.lower()):
        raise ValueError(
            f"{text!r} cannot be looked for: give 2 to {MOST_BYTES} bytes, small letters where they fold, "
            "and more than digits"
        )
    return min(places, key=lambda k: _weight_of_pair(text[k - 1 : k + 1]))


def _cases(byte: int, fold: bool) -> set[int]:
    return {ord(chr(byte).lower()), ord(chr(byte).upper())} if fold else {byte}


def _weight_of_pair(pair: bytes) -> float:
    weight = _weight(pair[0]) * _weight(pair[1])
    return 10 * weight if pair.decode("ascii") in _FREQUENT_PAIRS else weight


def _weight(byte: int) -> float:
    """About how frequent a byte is in logs."""
    letter = chr(byte)
    if letter.isdigit():
        return 60.0
    if letter.lower() in _FREQUENT:
        weight = 60.0 / (1 + _FREQUENT.index(letter.lower()))
        return weight if letter.islower() else weight / 4
    return 20.0 if letter in " .-_:=/" else 2.0


@njit(nogil=True, cache=True)
def bits_of_chain(
    text: NDArray[np.uint8], span: tuple[Number, Number, Number], chain: Number, table: LiteralTable
) -> Number:
    """The bits of all literals of a chain that stand where its pair ends.

    Args:
        text: the bytes.
        span: start of the row, where the pair ends, end of the row.
        chain: what `chain_of` says of the pair; not 0.
        table: the literals.
    """
    start, at, end = span
    _, chains, rows, bits = table
    found = np.uint32(0)
    for place in range(chains.shape[1]):
        which = chains[chain - 1, place]
        if which == _END:
            break
        begin = at - np.int64(rows[which, _PLACE])
        stop = begin + np.int64(rows[which, _LENGTH])
        if (
            begin >= start
            and stop <= end
            and _same(text, begin, rows, which)
            and (rows[which, _ASSIGNED] == 0 or _is_assigned(text, stop, end))
        ):
            found |= bits[which]
    return found


@njit(nogil=True, cache=True)
def _same(text: NDArray[np.uint8], begin: Number, rows: NDArray[np.uint8], which: Number) -> bool:
    fold = rows[which, _FOLD] != 0
    for k in range(rows[which, _LENGTH]):
        c = text[begin + k]
        if fold and 65 <= c <= 90:
            c |= 32
        if c != rows[which, k]:
            return False
    return True


@njit(nogil=True, cache=True)
def _is_assigned(text: NDArray[np.uint8], at: Number, end: Number) -> bool:
    """Whether `=` or `:` comes after the rest of the key, quotes, backslashes and blanks."""
    stop = min(end, at + 40)
    while at < stop:
        c = text[at]
        word = 97 <= c <= 122 or 65 <= c <= 90 or 48 <= c <= 57 or c == 95 or c == 45 or c == 46
        if not word:
            break
        at += 1
    while at < stop and _is_between(text[at]):
        at += 1
    return bool(at < stop and (text[at] == 61 or text[at] == 58))


@njit(nogil=True, cache=True)
def _is_between(c: Number) -> bool:
    """Quotes, a backslash, white space."""
    return bool(c == 34 or c == 39 or c == 92 or c == 32 or 9 <= c <= 13)


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
            if chain:
                found |= np.uint32(bits_of_chain(text, (start, at, end), chain, table))
        out[row] = found


def scan(column: pa.Array, table: LiteralTable) -> NDArray[np.uint32]:
    """uint32[n]: the bits of the literals that each text holds; 0 for a null."""
    text, offsets = text_buffers(column)
    out = np.zeros(len(column), np.uint32)
    _scan(text, offsets, table, out)
    return out


def text_buffers(column: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The bytes of a column of texts and its n + 1 offsets into them; nothing is copied."""
    if not pa.types.is_string(column.type):
        raise ValueError(f"a column of {column.type} is no column of texts")
    _, places, content = column.buffers()
    offsets = np.zeros(len(column) + 1, np.int32)
    if places is not None and len(column):
        offsets = np.frombuffer(places, np.int32, len(column) + 1, 4 * column.offset)
    text = np.zeros(1, np.uint8)
    if content is not None and content.size:
        text = np.frombuffer(content, np.uint8, content.size)
    # Buffers may be writable or not: for compiled code that would be two types, compiled one after the other.
    offsets.flags.writeable = text.flags.writeable = False
    return text, offsets
