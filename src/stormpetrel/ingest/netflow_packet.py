"""One datagram of NetFlow 5, NetFlow 9 or IPFIX: its header, its sets, its templates.

Sources: Cisco's *NetFlow Export Datagram Format* (version 5), RFC 3954 (version 9), RFC 7011 (IPFIX). The
packet classes of the library `netflow` are not used: a set of length 0 keeps them busy for ever, they take
enterprise elements for IANA's of the same number, and know no elements of variable length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stormpetrel.errors import DecodeError, UnsupportedError
from stormpetrel.model.time import NANOS_PER_SECOND

MAX_FIELDS = 512  # of one template
VARIABLE = 0xFFFF  # as a field's length in IPFIX: the length stands before each value
SLOT_BYTES = 64  # what is kept of a value of variable length

REVERSE = 29305  # the enterprise number of the other direction of a flow, RFC 5103
SCOPE = 1 << 32  # stands for the enterprise of NetFlow 9's scope fields, which have numbers of their own
NO_UPTIME = -(1 << 62)

_PADDING = 210  # IANA paddingOctets
_V5_RECORD = 48
_V5_FIELDS = (
    (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2),
    (_PADDING, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (_PADDING, 2),
)  # fmt: skip


class Field(NamedTuple):
    """One field of a template; `length` in bytes may be `VARIABLE`."""

    element: int
    enterprise: int
    length: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How the records of a template are laid out. Two templates with the same fields are equal.

    Attributes:
        fields: in order.
        scope_fields: how many of them say what the rest is about; more than none: the records are options.
        places: (element, enterprise) to (offset, length) within a record; the first of a repeated element.
        length: bytes of one record, a value of variable length taken as `SLOT_BYTES`.
        least: bytes of the shortest record on the wire.
    """

    fields: tuple[Field, ...]
    scope_fields: int = 0
    places: dict[tuple[int, int], tuple[int, int]] = field(init=False, compare=False, repr=False)
    length: int = field(init=False, compare=False)
    least: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        places: dict[tuple[int, int], tuple[int, int]] = {}
        offset = 0
        for element, enterprise, length in self.fields:
            kept = SLOT_BYTES if length == VARIABLE else length
            places.setdefault((element, enterprise), (offset, kept))
            offset += kept
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "length", offset)
        object.__setattr__(self, "least", sum(1 if f.length == VARIABLE else f.length for f in self.fields))

    @property
    def variable(self) -> bool:
        """Whether records differ in length."""
        return self.least != self.length


V5_LAYOUT = Layout(tuple(Field(element, 0, length) for element, length in _V5_FIELDS))


class Header(NamedTuple):
    """What a datagram says of itself. `uptime_ms` is `NO_UPTIME` where the version has none (IPFIX)."""

    version: int
    export_unix_nano: int
    uptime_ms: int
    domain: int
    sampling: int = 0


class Packet(NamedTuple):
    """A header, and the sets after it as (set id, content); version 5 has one set, without an id."""

    header: Header
    sets: list[tuple[int, bytes]]
    whole: bool  # false: the datagram was cut off, or a set's length is wrong; the sets before it are given


def read_packet(payload: bytes) -> Packet:
    """Header and sets of a datagram, O(bytes).

    Raises:
        UnsupportedError: another version than 5, 9 and 10.
        DecodeError: shorter than its header.
    """
    try:
        version = int.from_bytes(payload[:2], "big")
        if version == 5:
            return _read_v5(payload)
        if version == 9:
            _, uptime, seconds, _, domain = struct.unpack_from("!HIIII", payload, 2)
            header = Header(9, seconds * NANOS_PER_SECOND, uptime, domain)
            return Packet(header, *_read_sets(payload, 20, len(payload)))
        if version == 10:
            length, seconds, _, domain = struct.unpack_from("!HIII", payload, 2)
            header = Header(10, seconds * NANOS_PER_SECOND, NO_UPTIME, domain)
            sets, whole = _read_sets(payload, 16, min(length, len(payload)))
            return Packet(header, sets, whole and length == len(payload))
    except struct.error:
        raise DecodeError(f"a NetFlow datagram of {len(payload)} bytes is shorter than its header") from None
    raise UnsupportedError(f"flow export version {version} is not spoken: export NetFlow 5, 9 or IPFIX (10)")


def _read_v5(payload: bytes) -> Packet:
    count, uptime, seconds, nanos, _, kind, number, sampling = struct.unpack_from("!HIIIIBBH", payload, 2)
    export = seconds * NANOS_PER_SECOND + min(nanos, NANOS_PER_SECOND - 1)
    header = Header(5, export, uptime, kind << 8 | number, sampling & 0x3FFF)
    content = payload[24 : 24 + count * _V5_RECORD]
    whole = len(content) == count * _V5_RECORD
    return Packet(header, [(0, content[: len(content) // _V5_RECORD * _V5_RECORD])], whole)


def _read_sets(payload: bytes, at: int, end: int) -> tuple[list[tuple[int, bytes]], bool]:
    sets: list[tuple[int, bytes]] = []
    while end - at >= 4:
        number, length = struct.unpack_from("!HH", payload, at)
        if length < 4 or at + length > end:
            return sets, False
        sets.append((number, payload[at + 4 : at + length]))
        at += length
    return sets, at == end


def read_templates(content: bytes, version: int, options: bool) -> Iterator[tuple[int, Layout | None]]:
    """The templates of a template set or options template set, as (template id, layout).

    A layout of None withdraws the template. What follows a template that is cut off is not read.

    Raises:
        DecodeError: a template has too many fields, or records of no length.
    """
    at = 0
    # What is shorter than a template's head is padding, and so is a template id of the reserved range.
    while at + 4 <= len(content):
        try:
            number, fields, scope, at = (_read_v9 if version == 9 else _read_ipfix)(content, at, options)
        except struct.error:
            raise DecodeError("a flow template is cut off") from None
        if number < 256:
            return
        layout = Layout(tuple(fields), scope)
        if fields and not layout.least:
            raise DecodeError(f"flow template {number} has records of no length")
        yield number, layout if fields else None


_Template = tuple[int, list[Field], int, int]


def _read_v9(content: bytes, at: int, options: bool) -> _Template:
    """Template id, fields, how many of them are scope fields, and where the next template starts."""
    if options:
        number, scope_bytes, option_bytes = struct.unpack_from("!HHH", content, at)
        scope, count = scope_bytes // 4, (scope_bytes + option_bytes) // 4
        at += 6
    else:
        number, count = struct.unpack_from("!HH", content, at)
        scope = 0
        at += 4
    _check_count(number, count)
    pairs = struct.iter_unpack("!HH", content[at : at + 4 * count])
    fields = [Field(element, SCOPE if n < scope else 0, length) for n, (element, length) in enumerate(pairs)]
    if len(fields) < count:
        raise DecodeError(f"flow template {number} is cut off")
    return number, fields, scope, at + 4 * count


def _read_ipfix(content: bytes, at: int, options: bool) -> _Template:
    """As `_read_v9`; fields may name an enterprise, and a count of none withdraws the template."""
    number, count = struct.unpack_from("!HH", content, at)
    at += 4
    _check_count(number, count)
    scope = 0
    if options and count:
        (scope,) = struct.unpack_from("!H", content, at)
        at += 2
    fields = []
    for _ in range(count):
        element, length = struct.unpack_from("!HH", content, at)
        at += 4
        enterprise = 0
        if element & 0x8000:
            (enterprise,) = struct.unpack_from("!I", content, at)
            at += 4
        fields.append(Field(element & 0x7FFF, enterprise, length))
    return number, fields, min(scope, count), at


def _check_count(number: int, count: int) -> None:
    if count > MAX_FIELDS:
        raise DecodeError(f"flow template {number} has {count} fields, at most {MAX_FIELDS} are taken")


def fixed_records(layout: Layout, content: bytes) -> tuple[bytes, bool]:
    """The records of a data set, each `layout.length` bytes, and whether all could be read.

    Padding at the end is left out. A value of variable length is cut, or filled with zeros.
    """
    if not layout.variable:
        return content[: len(content) // layout.length * layout.length], True
    parts: list[bytes] = []
    at = 0
    while len(content) - at >= layout.least:
        record: list[bytes] = []
        for _, _, told in layout.fields:
            length, slot = told, told
            if told == VARIABLE:
                length, at = _value_length(content, at)
                slot = SLOT_BYTES
            record.append(content[at : at + min(length, slot)].ljust(slot, b"\0"))
            at += length
        if at > len(content):
            return b"".join(parts), False
        parts += record
    return b"".join(parts), True


def _value_length(content: bytes, at: int) -> tuple[int, int]:
    """Length of the value of variable length at `at`, and where it starts; beyond the end: past it."""
    if at >= len(content):
        return 1, at
    if content[at] < 255:
        return content[at], at + 1
    return int.from_bytes(content[at + 1 : at + 3], "big"), at + 3
