"""Records of one layout as columns: numbers, addresses, texts, and the attributes by their IANA names."""

from __future__ import annotations

import socket
from typing import TypeAlias

import numpy as np
import orjson
from netflow.ipfix import IPFIXFieldTypes
from numpy.typing import NDArray

from stormpetrel.ingest.netflow_packet import REVERSE, Layout

Numbers: TypeAlias = NDArray[np.uint64]
Key: TypeAlias = tuple[int, int]  # element, enterprise

# IANA's registry of IPFIX elements, as the library `netflow` has it: name and abstract data type by number.
ELEMENTS: dict[int, tuple[str, str]] = {
    number: (name, kind) for number, name, kind in IPFIXFieldTypes.iana_field_types
}

# Elements with a column of their own, and those that say nothing of a flow (times, padding).
_IN_COLUMNS = frozenset(
    {1, 2, 4, 7, 8, 11, 12, 21, 22, 27, 28, 60, 85, 86, 96, 136, 180, 181, 182, 183, 210, 231, 232, 298, 299}
    | set(range(150, 164))
)
_UNSIGNED = frozenset({"unsigned8", "unsigned16", "unsigned32", "unsigned64", "boolean"})
_NOTHING = ("0.0.0.0", "::")  # noqa: S104 - addresses that are read, nothing is bound
_FAMILY_BYTES = {socket.AF_INET: 4, socket.AF_INET6: 16}


class Records:
    """Records of one layout; columns are read as they are asked for, O(records) each.

    Args:
        layout: of all records.
        content: `layout.length` bytes each.
    """

    def __init__(self, layout: Layout, content: bytes) -> None:
        self._layout = layout
        self._bytes = np.frombuffer(content, np.uint8).reshape(-1, layout.length)

    def __len__(self) -> int:
        return len(self._bytes)

    def has(self, *elements: int) -> bool:
        """Whether the layout has one of these IANA elements."""
        return any((element, 0) in self._layout.places for element in elements)

    def _raw(self, key: Key) -> NDArray[np.uint8] | None:
        place = self._layout.places.get(key)
        if place is None or not place[1]:
            return None
        return self._bytes[:, place[0] : place[0] + place[1]]

    def number(self, element: int, enterprise: int = 0) -> Numbers | None:
        """An unsigned number of 1 to 8 bytes, uint64[records]; None where the layout has none such."""
        raw = self._raw((element, enterprise))
        if raw is None or raw.shape[1] > 8:
            return None
        wide = np.zeros((len(raw), 8), np.uint8)
        wide[:, 8 - raw.shape[1] :] = raw
        return wide.view(">u8")[:, 0].astype(np.uint64)

    def first_number(self, *keys: Key) -> Numbers:
        """The first of these elements that the layout has; zeros where it has none."""
        for element, enterprise in keys:
            found = self.number(element, enterprise)
            if found is not None:
                return found
        return np.zeros(len(self), np.uint64)

    def addresses(self, v4: int, v6: int) -> list[str]:
        """Addresses of either family as text; of a record with both, the one that is not all zero."""
        four, six = self._addresses(v4, socket.AF_INET), self._addresses(v6, socket.AF_INET6)
        if four is None or six is None:
            return four or six or [""] * len(self)
        return [b if a in _NOTHING and b not in _NOTHING else a for a, b in zip(four, six, strict=True)]

    def _addresses(self, element: int, family: socket.AddressFamily) -> list[str] | None:
        raw, width = self._raw((element, 0)), _FAMILY_BYTES[family]
        if raw is None or raw.shape[1] != width:
            return None
        whole = raw.tobytes()
        known: dict[bytes, str] = {}
        texts = []
        for at in range(0, len(whole), width):
            packed = whole[at : at + width]
            text = known.get(packed)
            if text is None:
                text = known[packed] = socket.inet_ntop(family, packed)
            texts.append(text)
        return texts

    def texts(self, element: int, enterprise: int = 0) -> list[str] | None:
        """Strings, without the zeros that fill them up; what is not UTF-8 is replaced."""
        raw = self._raw((element, enterprise))
        if raw is None:
            return None
        whole, width = raw.tobytes(), raw.shape[1]
        cut = (whole[at : at + width].split(b"\0", 1)[0] for at in range(0, len(whole), width))
        return [one.decode("utf-8", "replace") for one in cut]

    def attributes(self, more: dict[str, Numbers]) -> list[str]:
        """A JSON object a record: every further element that IANA knows, by its name there, unless it is 0.

        Elements of enterprises are left out, except those of the other direction (RFC 5103), which get
        `reverse` before their name.

        Args:
            more: further attributes, uint64[records] by name; 0 is left out too.
        """
        rows: list[dict[str, object]] = [{} for _ in range(len(self))]
        for name, values in more.items():
            _fill(rows, name, values.tolist())
        for element, enterprise in self._layout.places:
            name, kind = ELEMENTS.get(element, ("", ""))
            if enterprise == REVERSE and element not in (1, 2):
                _fill(rows, "reverse" + name[:1].upper() + name[1:], self._values(element, REVERSE, kind))
            elif enterprise == 0 and element not in _IN_COLUMNS:
                _fill(rows, name, self._values(element, 0, kind))
        return [orjson.dumps(row).decode() for row in rows]

    def _values(self, element: int, enterprise: int, kind: str) -> list[object]:
        if kind in _UNSIGNED:
            numbers = self.number(element, enterprise)
            return [] if numbers is None else numbers.tolist()
        if kind == "string":
            return list(self.texts(element, enterprise) or [])
        if enterprise:
            return []
        if kind in ("ipv4Address", "ipv6Address"):
            family = socket.AF_INET if kind == "ipv4Address" else socket.AF_INET6
            found = self._addresses(element, family) or []
            return ["" if text in _NOTHING else text for text in found]
        raw = self._raw((element, 0))
        if kind == "macAddress" and raw is not None and raw.shape[1] == 6:
            return [one.tobytes().hex(":") if one.any() else "" for one in raw]
        return []


def _fill(rows: list[dict[str, object]], name: str, values: list[object]) -> None:
    """Nothing where there are no values: the element is of a kind that is not shown."""
    for row, value in zip(rows, values, strict=False):
        if value:
            row[name] = value
