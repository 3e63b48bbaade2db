"""Private keys that come line by line: each line a record of its own.

A program that prints a key prints it in lines, and a file is read by lines. A record with the beginning of a
key and without its end opens a key for its source; until the end comes, records of that source that look
like lines of a key are replaced whole. The first that does not look like one closes it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import pyarrow as pa
import re2

from stormpetrel.ingest.redact_text import replaced

MARK = "[private_key]"
# A key of 16,384 bits has some two hundred lines.
_MOST_LINES = 400
_MOST_SOURCES = 500

_BEGIN = re2.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re2.compile(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# Base64, the headers of RFC 1421 and of OpenPGP, or nothing; whatever stamps the line may have lost before.
_LINE = re2.compile(rb"^\s*(?:[A-Za-z0-9+/]{1,100}={0,2}|[A-Z][A-Za-z-]{2,20}: [\x20-\x7e]{1,100})?\s*$")


class KeyLines:
    """Remembers which sources are inside a private key. Thread-safe; at most five hundred sources.

    Works when the records of a source come in order. Fails when lines carry a prefix of their own: what then
    looks like no line of a key is not taken for one.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[str, int] = OrderedDict()  # source: lines taken so far
        self._lock = threading.Lock()

    def column(self, bodies: pa.Array, sources: pa.Array, begins: bool) -> tuple[pa.Array, int]:
        """The bodies with lines of keys replaced, and how many were.

        Args:
            bodies: the texts, not redacted yet.
            sources: who each came from.
            begins: whether the beginning of a key may be among the bodies.
        """
        with self._lock:
            if not begins and not self._open:
                return bodies, 0
            names = set(pa.compute.unique(sources).to_pylist())
            if not begins and names.isdisjoint(self._open):
                return bodies, 0
            rows = [
                row
                for row, (body, source) in enumerate(
                    zip(bodies.to_pylist(), sources.to_pylist(), strict=True)
                )
                if self._inside((body or "").encode(), source)
            ]
        new = pa.array([MARK] * len(rows), pa.string())
        return replaced(bodies, np.array(rows, np.int64), new), len(rows)

    def _inside(self, body: bytes, source: str) -> bool:
        """Whether the record is a line of a key that began in an earlier one."""
        lines = self._open.get(source)
        if lines is not None:
            if _END.search(body) is not None:
                del self._open[source]
                return _BEGIN.search(body) is None
            if lines < _MOST_LINES and _LINE.search(body) is not None:
                self._open[source] = lines + 1
                return True
            del self._open[source]
        if _BEGIN.search(body) is not None and _END.search(body) is None:
            self._open[source] = 0
            while len(self._open) > _MOST_SOURCES:
                self._open.popitem(last=False)
        return False
