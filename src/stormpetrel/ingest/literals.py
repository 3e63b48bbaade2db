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

MOST_LITERALS = 254
MOST_BYTES = 24
_END = 255

# Letters of English texts, the frequent ones first; what is not here is rarer still, digits excepted.
_FREQUENT = "etaoinsrhldcumfpgwybvkxjqz"


class Literal(NamedTuple):
    """A text to look for.

    Attributes:
        text: up to 24 bytes of ASCII, none but the first a digit; in small letters where `fold` is set.
        fold: whether capitals count as small letters.
        assigned: it counts only where `=` or `:` follows, with at most key characters, quotes, backslashes and
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
    texts: NDArray[np.uint8]  # [literals, MOST_BYTES]
    lengths: NDArray[np.int64]
    places: NDArray[np.int64]  # where the second byte of the literal's pair stands
    folds: NDArray[np.bool_]
    assigned: NDArray[np.bool_]
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
    texts = np.zeros((len(literals), MOST_BYTES), np.uint8)
    places = np.zeros(len(literals), np.int64)
    by_pair: dict[int, tuple[int, ...]] = {}
    for number, one in enumerate(literals):
        text = one.text.encode("ascii")
        places[number] = place = _rarest(text, one.fold)
        texts[number, : len(text)] = np.frombuffer(text, np.uint8)
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
    rows = np.full((max(1, len(chains)), 1 + max(map(len, chains), default=0)), _END, np.uint8)
    for chain, number in chains.items():
        rows[number, : len(chain)] = chain
    return LiteralTable(
        chain_of,
        rows,
        texts,
        np.array([len(one.text) for one in literals], np.int64),
        places,
        np.array([one.fold for one in literals], np.bool_),
        np.array([one.assigned for one in literals], np.bool_),
        np.array([one.bits for one in literals], np.uint32),
    )


def _rarest(text: bytes, fold: bool) -> int:
    """Where the second byte of the pair stands that logs hold least often."""
    places = [k for k in range(1, len(text)) if not chr(text[k]).isdigit()]
    if not places or len(text) > MOST_BYTES or (fold and text != text.lower()):
        raise ValueError(
            f"{text!r} cannot be looked for: give 2 to {MOST_BYTES} bytes, small letters where they fold, "
            "and more than digits"
        )
    return min(places, key=lambda k: _weight(text[k - 1]) * _weight(text[k]))


def _cases(byte: int, fold: bool) -> set[int]:
    return {ord(chr(byte).lower()), ord(chr(byte).upper())} if fold else {byte}


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
def bits_at(text: NDArray[np.uint8], start: int, at: int, end: int, table: LiteralTable) -> int:
    """The bits of all literals whose pair ends at `at` and that stand there, in the row text[start:end]."""
    chain_of, chains, texts, lengths, places, folds, assigned, bits = table
    found = np.uint32(0)
    chain = chain_of[(np.int64(text[at - 1]) << 8) | np.int64(text[at])]
    if chain == 0:
        return found
    for which in chains[chain - 1]:
        if which == _END:
            break
        begin = at - places[which]
        stop = begin + lengths[which]
        if (
            begin >= start
            and stop <= end
            and _same(text, begin, texts[which], lengths[which], folds[which])
            and (not assigned[which] or _is_assigned(text, stop, end))
        ):
            found |= bits[which]
    return found


@njit(nogil=True, cache=True)
def _same(text: NDArray[np.uint8], begin: int, literal: NDArray[np.uint8], length: int, fold: bool) -> bool:
    for k in range(length):
        c = text[begin + k]
        if fold and 65 <= c <= 90:
            c |= 32
        if c != literal[k]:
            return False
    return True


@njit(nogil=True, cache=True)
def _is_assigned(text: NDArray[np.uint8], at: int, end: int) -> bool:
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
    return at < stop and (text[at] == 61 or text[at] == 58)


@njit(nogil=True, cache=True)
def _is_between(c: int) -> bool:
    """Quotes, a backslash, white space."""
    return c == 34 or c == 39 or c == 92 or c == 32 or 9 <= c <= 13


@njit(nogil=True, cache=True)
def _scan(
    text: NDArray[np.uint8], offsets: NDArray[np.int32], table: LiteralTable, out: NDArray[np.uint32]
) -> None:
    chain_of = table.chain_of
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        found = np.uint32(0)
        for at in range(start + 1, end):
            if chain_of[(np.int64(text[at - 1]) << 8) | np.int64(text[at])]:
                found |= np.uint32(bits_at(text, start, at, end, table))
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
