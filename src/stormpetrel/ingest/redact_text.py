"""Taking secrets and personal data out of a column of texts.

One compiled pass finds the few rows that may hold something (`redact_scan`). On those the rules of each kind
run as RE2 over the whole column at once (Arrow's compute functions are RE2), and what has check digits is cut
out where the pass found it. A row that changed is looked at again until it stays as it is, so that redacting
twice changes nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2
from numpy.typing import NDArray

from stormpetrel.errors import ConfigError
from stormpetrel.ingest.redact_kinds import BIT_OF, KIND_NAMES, KINDS
from stormpetrel.ingest.redact_rules import compiled
from stormpetrel.ingest.redact_scan import scan_kinds, spans
from stormpetrel.ingest.text_columns import over_distinct

_SPANNED = BIT_OF["mail"] | BIT_OF["card"] | BIT_OF["iban"]
# What one pass leaves is nearly always final; a text that changes more often keeps what it then is.
_MOST_PASSES = 4
# Below so many rows, expressions that are compiled once are faster than Arrow's.
_FEW = 40


@dataclass(frozen=True, slots=True)
class OwnPattern:
    """A user's pattern: `name` takes the place of what `regex` (RE2) matches, or of its first group."""

    name: str
    regex: str


class TextRedactor:
    """Redacts columns of texts and counts what it took out. Safe from several threads at once.

    Works on what has a recognisable form or a telling name; it cannot know that an innocent word is
    somebody's password. Cost: a scan (about a nanosecond a byte) for clean rows, some microseconds for a row
    that holds something; every one of the user's patterns is one more RE2 pass over all rows, some tenth of
    a microsecond a row.

    Args:
        keep: names of built-in kinds that are left in.
        patterns: the user's own.

    Raises:
        ConfigError: a kind is unknown or a pattern is no RE2 expression; the message names it.
    """

    def __init__(self, keep: Sequence[str] = (), patterns: Sequence[OwnPattern] = ()) -> None:
        for name in keep:
            if name not in BIT_OF:
                raise ConfigError(f"{name!r} is no kind that is taken out; known are {', '.join(KIND_NAMES)}")
        self.wanted = sum(bit for name, bit in BIT_OF.items() if name not in keep)
        self._patterns = []
        for one in patterns:
            try:
                self._patterns.append((one.name, compiled(one.name, one.regex)))
            except ValueError as error:
                raise ConfigError(f"the pattern {one.name!r} {error}") from None
        self._prefilters = _prefilters([one.regex for one in patterns])
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def counts(self) -> dict[str, int]:
        """How many texts something of a kind (or of a user's pattern) was taken out of, since the start."""
        with self._lock:
            return dict(self._counts)

    def count(self, name: str, texts: int) -> None:
        """Count what was taken out elsewhere, such as the value of a telling key."""
        if texts:
            with self._lock:
                self._counts[name] += texts

    def column(self, texts: pa.Array) -> pa.Array:
        """The texts, redacted; the very same array when nothing was found."""
        return self.column_where(texts, self.scan(texts))

    def scan(self, texts: pa.Array) -> NDArray[np.uint32]:
        """uint32[n]: the kinds that each text may hold, without those that are kept."""
        return scan_kinds(texts) & np.uint32(self.wanted)

    def column_where(self, texts: pa.Array, found: NDArray[np.uint32]) -> pa.Array:
        """`column`, where `found` (of `scan`) is known already."""
        rows = np.flatnonzero((found != 0) | self.matches_own(texts))
        if not len(rows):
            return texts
        before = texts.take(pa.array(rows))
        after = self._settled(before, found[rows])
        changed = _differ(before, after)
        if not changed.any():
            return texts
        return replaced(texts, rows[changed], after.filter(pa.array(changed)))

    def text(self, text: str) -> str:
        """One text, redacted; lone surrogates are replaced."""
        clean = text.encode("utf-8", "replace").decode()
        return str(self.column(pa.array([clean], pa.string()))[0].as_py())

    def matches_own(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Rows that one of the user's patterns matches."""
        if not self._prefilters:
            return np.zeros(len(texts), np.bool_)
        return over_distinct(texts, self._matched)

    def _matched(self, texts: pa.Array) -> NDArray[np.bool_]:
        mask = np.zeros(len(texts), np.bool_)
        for prefilter in self._prefilters:
            hit = pc.match_substring_regex(texts, pattern=prefilter)
            mask |= hit.fill_null(False).to_numpy(zero_copy_only=False)
        return mask

    def _settled(self, texts: pa.Array, found: NDArray[np.uint32]) -> pa.Array:
        after = self._once(texts, found)
        rows = np.flatnonzero(_differ(texts, after))
        for _ in range(_MOST_PASSES - 1):
            if not len(rows):
                break
            piece = after.take(pa.array(rows))
            again = self._once(piece, self.scan(piece))
            moved = _differ(piece, again)
            rows = rows[moved]
            after = replaced(after, rows, again.filter(pa.array(moved)))
        return after

    def _once(self, texts: pa.Array, found: NDArray[np.uint32]) -> pa.Array:
        """Every kind once, in order, on the rows that may hold it; then the user's patterns."""
        for kind in KINDS:
            rows = np.flatnonzero(found & np.uint32(BIT_OF[kind.name]))
            if not len(rows) or not kind.rules:
                continue
            piece = before = texts.take(pa.array(rows))
            for rule, replacement in kind.rules:
                piece = _with_rule(piece, rule, replacement)
            texts = self._taken(texts, rows, (before, piece), kind.name)
        rows = np.flatnonzero(found & np.uint32(_SPANNED & self.wanted))
        if len(rows):
            texts = self._cut(texts, rows)
        return self._cut_own(texts) if self._patterns else texts

    def _taken(
        self, texts: pa.Array, rows: NDArray[np.int64], pieces: tuple[pa.Array, pa.Array], name: str
    ) -> pa.Array:
        """The texts with the rows that changed in their new form, counted."""
        changed = _differ(*pieces)
        self.count(name, int(changed.sum()))
        return replaced(texts, rows[changed], pieces[1].filter(pa.array(changed)))

    def _cut(self, texts: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
        """Mail addresses, cards and accounts."""
        piece = texts.take(pa.array(rows))
        finds = spans(piece, _SPANNED & self.wanted)
        if not len(finds):
            return texts
        content = memoryview(piece.buffers()[2])
        offsets = np.frombuffer(piece.buffers()[1], np.int32, len(piece) + 1, 4 * piece.offset)
        names = {bit: name for name, bit in BIT_OF.items()}
        made: dict[int, list[bytes]] = {}
        at: dict[int, int] = {}
        for row, begin, stop, bit in finds.tolist():
            name = names[bit]
            parts = made.setdefault(row, [])
            parts.append(bytes(content[at.get(row, int(offsets[row])) : begin]))
            parts.append(b"[%s]" % name.encode())
            at[row] = stop
        for bit in np.unique(finds[:, 3]).tolist():
            self.count(names[bit], len(np.unique(finds[finds[:, 3] == bit, 0])))
        new = [
            b"".join([*parts, bytes(content[at[row] : int(offsets[row + 1])])]) for row, parts in made.items()
        ]
        return replaced(texts, rows[list(made)], pa.array(new, pa.binary()).cast(pa.string()))

    def _cut_own(self, texts: pa.Array) -> pa.Array:
        """The user's patterns, on the rows that match one of them."""
        rows = np.flatnonzero(self.matches_own(texts))
        new = [text.encode() for text in texts.take(pa.array(rows)).to_pylist()]
        for name, pattern in self._patterns:
            mark = f"[{name}]".encode()
            for place, text in enumerate(new):
                cut = _without(text, pattern, mark)
                self.count(name, int(cut != text))
                new[place] = cut
        # A pattern may ask for single bytes (\\C) and cut a character in two.
        return replaced(texts, rows, pa.array([text.decode("utf-8", "replace") for text in new], pa.string()))


def _with_rule(texts: pa.Array, rule: str, replacement: str) -> pa.Array:
    """The texts with every match replaced. Arrow compiles its expression at each call, which is worth it
    for many."""
    if len(texts) >= _FEW:
        return pc.replace_substring_regex(texts, pattern=rule, replacement=replacement)
    expression, new = _expression(rule), replacement.encode()
    done = [expression.sub(new, text) for text in texts.cast(pa.binary()).to_pylist()]
    return pa.array(done, pa.binary()).cast(pa.string())


@cache
def _expression(rule: str) -> Any:
    """A built-in rule over bytes; there are some forty."""
    return re2.compile(rule.encode())


def _prefilters(regexes: Sequence[str]) -> list[str]:
    """All expressions as one, so that a row is read once; one by one where they do not go together."""
    if not regexes:
        return []
    joined = "|".join(f"(?:{regex})" for regex in regexes)
    try:
        pc.match_substring_regex(pa.array([""]), pattern=joined)
    except pa.ArrowInvalid:  # a group's name twice, or too large as a whole
        return list(regexes)
    return [joined]


def _without(text: bytes, pattern: Any, mark: bytes) -> bytes:
    """The text with each match, or its first group where the pattern has one, replaced by the mark."""
    group = 1 if pattern.groups else 0
    parts, at = [], 0
    for match in pattern.finditer(text):
        begin, stop = match.span(group)
        if begin < at or begin == stop:  # a group that took no part, or nothing
            continue
        parts += [text[at:begin], mark]
        at = stop
    return b"".join([*parts, text[at:]]) if parts else text


def replaced(texts: pa.Array, rows: NDArray[np.int64], new: pa.Array) -> pa.Array:
    """A column with other texts in these rows (ascending)."""
    if not len(rows):
        return texts
    mask = np.zeros(len(texts), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(texts, pa.array(mask), new)


def _differ(left: pa.Array, right: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.not_equal(left, right).fill_null(False).to_numpy(zero_copy_only=False)
    return mask
