"""Taking secrets and personal data out of JSON texts, so that they stay JSON.

Only rows that may hold something are parsed. Inside them every string value, and every long whole number,
is redacted like a text of its own; the value of a key that names a secret goes whole. Keys, numbers, the
order and what is clean stay as they are; a row in which nothing was found keeps its very bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.ingest.redact_kinds import AUTHORIZATION_NAMES, BIT_OF, SECRET_NAMES
from stormpetrel.ingest.redact_scan import ESCAPED, scan_kinds
from stormpetrel.ingest.redact_text import TextRedactor, replaced
from stormpetrel.ingest.text_columns import over_distinct

# What is nested deeper is replaced whole: no sender's attributes are, and neither stack nor time may grow.
MOST_DEPTH = 60
TOO_DEEP = "[too_deep]"
# Whole numbers below cannot be card numbers.
_LONG_NUMBER = 10**12
_NAMED = BIT_OF["secret"] | BIT_OF["authorization"]

Visit = Callable[[str], str]
Name = Callable[[str, Any], Any]


def kind_of_key(key: str) -> str:
    """What a key says of its value: "secret", "authorization", or "" for nothing.

    >>> kind_of_key("db.Password"), kind_of_key("http.request.header.authorization"), kind_of_key("tokens")
    ('secret', 'authorization', '')
    """
    return _kind_of_end(key[-64:])


@lru_cache(maxsize=8192)
def _kind_of_end(key: str) -> str:
    letters = "".join(filter(str.isalnum, key.lower()))
    if letters.endswith(AUTHORIZATION_NAMES):
        return "authorization"
    return "secret" if letters.endswith(SECRET_NAMES) else ""


class JsonRedactor:
    """Redacts columns of JSON texts with the kinds and counts of a `TextRedactor`. Thread-safe.

    A text that is no JSON is redacted as plain text. Cost: the scan for clean rows; some ten microseconds
    for a row that may hold something.
    """

    def __init__(self, texts: TextRedactor) -> None:
        self._texts = texts

    def column(self, column: pa.Array, found: NDArray[np.uint32] | None = None) -> pa.Array:
        """The JSON texts, redacted; the very same array when nothing was found. `found`: of `scan_kinds`."""
        rows = self._candidates(column, over_distinct(column, scan_kinds) if found is None else found)
        if not len(rows):
            return column
        trees: list[Any] = []
        for text in column.take(pa.array(rows)).to_pylist():
            try:
                trees.append(orjson.loads(text))
            except orjson.JSONDecodeError:
                trees.append(None)
        return self._rebuilt(self._plain(column, rows, trees), rows, trees)

    def _candidates(self, column: pa.Array, found: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Rows that may hold something."""
        wanted = np.uint32(self._texts.wanted | ESCAPED)
        return np.flatnonzero((found & wanted != 0) | self._texts.matches_own(column))

    def _plain(self, column: pa.Array, rows: NDArray[np.int64], trees: list[Any]) -> pa.Array:
        """The column with those candidates redacted as text that are no JSON."""
        broken = rows[[tree is None for tree in trees]]
        if not len(broken):
            return column
        return replaced(column, broken, self._texts.column(column.take(pa.array(broken))))

    def _rebuilt(self, column: pa.Array, rows: NDArray[np.int64], trees: list[Any]) -> pa.Array:
        leaves: list[str] = []

        def gather(text: str) -> str:
            leaves.append(text)
            return text

        for tree in trees:
            _walk(tree, gather, self._no_name, 0)
        clean = iter(self._texts.column(pa.array(leaves, pa.string())).to_pylist())
        changed: list[int] = []
        made: list[bytes] = []
        for row, tree in zip(rows.tolist(), trees, strict=True):
            new = _walk(tree, lambda _text: next(clean), self._whole, 0)
            if tree is not None and new != tree:
                changed.append(row)
                made.append(orjson.dumps(new))
        return replaced(column, np.array(changed, np.int64), pa.array(made, pa.binary()).cast(pa.string()))

    def _whole(self, key: str, value: Any) -> Any:
        """What stands for the value of a telling key; the value itself where the key tells nothing."""
        kind = kind_of_key(key)
        if not kind or not self._texts.wanted & BIT_OF[kind] or not _worth_hiding(value, key):
            return value
        self._texts.count(kind, int(value != f"[{kind}]"))
        return f"[{kind}]"

    @staticmethod
    def _no_name(_key: str, value: Any) -> Any:
        return value


def _worth_hiding(value: Any, key: str) -> bool:
    """Neither nothing nor yes or no; and the working directory is no password."""
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return False
    return not (isinstance(value, str) and value[:1] in "/~" and key.lower().endswith("pwd"))


def _walk(value: Any, visit: Visit, name: Name, depth: int) -> Any:
    """The value with `visit` of every string and long number, and `name` of every member of an object."""
    if isinstance(value, str):
        return visit(value)
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        text = str(value) if abs(value) < _LONG_NUMBER else visit(str(value))
        return value if text == str(value) else text
    if depth >= MOST_DEPTH:
        return TOO_DEEP
    if isinstance(value, list):
        return [_walk(one, visit, name, depth + 1) for one in value]
    return {key: name(key, _walk(one, visit, name, depth + 1)) for key, one in value.items()}
