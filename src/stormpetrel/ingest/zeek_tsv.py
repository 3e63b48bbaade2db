"""Zeek's own log format: lines of fields under a header that names them.

Source: Zeek's documentation, *Zeek Log Formats and Inspection*.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from stormpetrel.ingest.sensor_rows import MAX_NAMES
from stormpetrel.ingest.webhook_values import RowRefusedError, shown

_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_NUMBERS = {"count": int, "int": int, "port": int, "double": float, "interval": float}


class ZeekHeader:
    """What the `#` lines said so far: separators, the log's path, names and types of its fields."""

    def __init__(self) -> None:
        self.path = ""
        self._separator = "\t"
        self._set_separator = ","
        self._empty = "(empty)"
        self._unset = "-"
        self._fields: list[str] = []
        self._readers: list[Callable[[str], Any]] = []

    def feed(self, line: bytes) -> None:
        """Take a `#` line in; those that say nothing of the format are passed over.

        Raises:
            RowRefusedError: `bad_header`: an empty separator, or too many fields.
        """
        text = line.decode("utf-8", "replace")
        if text.startswith("#separator "):
            separator = _unescape(text[len("#separator ") :])
            if not separator:  # the one before stays: nothing can be split at nothing
                raise RowRefusedError("bad_header", "#separator is empty")
            self._separator = separator
            return
        name, *values = text[1:].split(self._separator)
        if len(values) > MAX_NAMES:
            raise RowRefusedError(
                "bad_header", f"#{name[:20]} has {len(values)} fields, at most {MAX_NAMES} are taken"
            )
        value = values[0] if values else ""
        if name == "set_separator":
            self._set_separator = _unescape(value) or ","
        elif name == "empty_field":
            self._empty = value
        elif name == "unset_field":
            self._unset = value
        elif name == "path":
            self.path, self._fields = value[:64], []
        elif name == "fields":
            self._fields = values
            self._readers = [_text] * len(values)
        elif name == "types" and len(values) == len(self._fields):
            self._readers = [self._reader(kind) for kind in values]

    def record(self, line: bytes) -> dict[str, Any]:
        """A row as values by name, without the unset fields.

        Raises:
            RowRefusedError: `no_header`, `field_count`.
        """
        if not self._fields:
            raise RowRefusedError(
                "no_header", f"{shown(line)} stands before any #fields line: send whole log files"
            )
        values = line.decode("utf-8", "replace").split(self._separator)
        if len(values) != len(self._fields):
            raise RowRefusedError(
                "field_count", f"{len(values)} fields under a header of {len(self._fields)}"
            )
        return {
            name: read(value)
            for name, value, read in zip(self._fields, values, self._readers, strict=True)
            if value != self._unset
        }

    def _reader(self, kind: str) -> Callable[[str], Any]:
        if kind.startswith(("set[", "vector[", "list[")):
            separator, empty = self._set_separator, self._empty
            return lambda text: [] if text == empty else [_text(part) for part in text.split(separator)]
        if kind == "bool":
            return lambda text: text == "T"
        number = _NUMBERS.get(kind)
        if number is not None:
            return lambda text: _number(text, number)
        empty = self._empty
        return lambda text: "" if text == empty else _text(text)


def _text(text: str) -> str:
    return _unescape(text) if "\\x" in text else text


def _number(text: str, read: Callable[[str], Any]) -> Any:
    """The number, or the text where it is none: what cannot be read is shown as it is."""
    if len(text) > 32:
        return text
    try:
        value = read(text)
    except ValueError:
        return text
    return value if -(1 << 63) <= value < 1 << 63 else text


def _unescape(text: str) -> str:
    r"""`\x09` and the like as the bytes they stand for.

    >>> _unescape(r"a\x20b\xc3\xa4")
    'a bä'
    """
    packed = _ESCAPE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)
    plain = b"".join(
        bytes([ord(letter) - 0xDC00]) if 0xDC00 <= ord(letter) <= 0xDCFF else letter.encode()
        for letter in packed
    )
    return plain.decode("utf-8", "replace")
