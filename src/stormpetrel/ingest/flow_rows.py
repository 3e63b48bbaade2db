"""Flows as text formats tell them, row by row: reading their values, and rows into a batch."""

from __future__ import annotations

import math
import socket
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from stormpetrel.ingest.timestamps import parse_rfc3339
from stormpetrel.ingest.webhook_values import RowRefusedError, shown
from stormpetrel.model.record_columns import build_flows
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.time import NANOS_PER_MILLISECOND, NANOS_PER_SECOND

MAX_ROWS = 200_000  # of one request
# A sensor's clock may be wrong; what lies further ahead would stay the newest for ever.
MAX_AHEAD_NANOS = 86_400 * NANOS_PER_SECOND

_GREATEST = (1 << 63) - 1
# From IANA's list of protocol numbers, with the names that sensors write.
_PROTOCOLS = {
    "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipip": 4, "tcp": 6, "egp": 8, "igp": 9, "udp": 17,
    "rdp": 27, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "mobile": 55,
    "ipv6-icmp": 58, "icmp6": 58, "icmpv6": 58, "eigrp": 88, "ospf": 89, "ospfigp": 89, "pim": 103,
    "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
}  # fmt: skip


class FlowRow(NamedTuple):
    """One flow; the fields are those of `model.records.FLOW_SCHEMA`."""

    start_unix_nano: int
    end_unix_nano: int
    entity: str
    source_address: str
    source_port: int
    destination_address: str
    destination_port: int
    protocol: int
    bytes_sent: int
    bytes_received: int
    packets_sent: int
    packets_received: int
    state: str
    application: str
    attributes: str


def flow_batch(rows: Sequence[FlowRow], source: str, token: int) -> FlowBatch | None:
    """The rows as a batch; None where there are none."""
    if not rows:
        return None
    columns: dict[str, Any] = dict(zip(FlowRow._fields, zip(*rows, strict=True), strict=True))
    return build_flows(**columns, source=source, request_token=token)


def count_of(value: object) -> int:
    """A count of bytes, packets or the like; what is none, or negative, is 0.

    >>> count_of("12"), count_of(3.0), count_of("-"), count_of(-1), count_of(float("nan"))
    (12, 3, 0, 0, 0)
    """
    if isinstance(value, bool):  # a bool is an int, and no column takes it for one
        return 0
    if isinstance(value, str):
        try:
            value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else float(value)
        except ValueError:
            return 0
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) else 0
    return max(0, min(value, _GREATEST)) if isinstance(value, int) else 0


def port_of(value: object) -> int:
    """A port; what is none is 0."""
    port = count_of(value)
    return port if port <= 0xFFFF else 0


def protocol_of(value: object) -> int:
    """IANA's number of a protocol by its number or name; an unknown one is 0.

    >>> protocol_of("TCP"), protocol_of("17"), protocol_of(6), protocol_of("6.0"), protocol_of("unknown")
    (6, 17, 6, 6, 0)
    """
    if isinstance(value, str):
        known = _PROTOCOLS.get(value.strip().lower())
        if known is not None:
            return known
    number = count_of(value)
    return number if number <= 0xFF else 0


@lru_cache(10_000)
def _address(text: str) -> str | None:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except OSError:
        return None


def address_of(value: object) -> str:
    """An IP address in its one usual spelling; a zone after `%` is left out.

    >>> address_of("FE80:0::1%eth0")
    'fe80::1'

    Raises:
        RowRefusedError: `bad_address`.
    """
    text = value.partition("%")[0].strip() if isinstance(value, str) and len(value) <= 64 else ""
    # A NUL would end the text for the C library.
    found = _address(text) if text and "\0" not in text else None
    if found is None:
        raise RowRefusedError("bad_address", f"{shown(value)} is no IP address")
    return found


def moment_of(value: object, received_unix_nano: int) -> int:
    """A time in UTC nanoseconds: ISO 8601, or seconds, milli-, micro- or nanoseconds since the epoch by size.

    Decimal text is exact; a JSON number of seconds is exact to the microsecond.

    Args:
        value: as it was told.
        received_unix_nano: nothing may lie more than a day after it.

    Raises:
        RowRefusedError: `bad_time`, `time_in_future`.
    """
    time = _number_moment(value) if isinstance(value, int | float) else None
    if isinstance(value, str) and len(value) <= 64:
        time = _text_moment(value.strip())
    if time is None or not 0 < time <= _GREATEST:
        raise RowRefusedError("bad_time", f"{shown(value)} is no time")
    if time > received_unix_nano + MAX_AHEAD_NANOS:
        raise RowRefusedError(
            "time_in_future", f"{shown(value)} is more than a day ahead of this host's clock"
        )
    return time


def _unit(whole: int) -> int:
    """Nanoseconds in one, by the size of a present time: 10, 13, 16 or 19 digits."""
    for digits, nanos in ((11, NANOS_PER_SECOND), (14, NANOS_PER_MILLISECOND), (17, 1000)):
        if whole < 10**digits:
            return nanos
    return 1


def _number_moment(value: float) -> int | None:
    if isinstance(value, bool) or not math.isfinite(value) or not 0 <= value <= _GREATEST:
        return None
    whole = int(value)
    unit = _unit(whole)
    step = min(unit, 1000)  # a float of seconds tells microseconds, and no more
    return whole * unit + round((value - whole) * unit / step) * step


def _text_moment(text: str) -> int | None:
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit() and 0 < len(whole) <= 19 and bool(point) == bool(fraction)):
        return parse_rfc3339(text)
    unit = _unit(int(whole))
    return int(whole) * unit + int(fraction[:9].ljust(9, "0")) * unit // NANOS_PER_SECOND


_LONGEST = 1 << 62  # nanoseconds


def nanos_of(value: object, unit_nanos: int = NANOS_PER_SECOND) -> int:
    """A duration as whole nanoseconds, exact for decimal text; what is none, or negative, is 0.

    >>> nanos_of("0.25"), nanos_of(1.5), nanos_of("-"), nanos_of(20, 1000)
    (250000000, 1500000000, 0, 20000)
    """
    if isinstance(value, str):
        whole, _, fraction = value.strip().partition(".")
        if (
            whole.isascii()
            and whole.isdigit()
            and len(whole) < 16
            and fraction.isascii()
            and fraction.isdigit()
        ):
            parts = int(fraction[:9].ljust(9, "0")) * unit_nanos // NANOS_PER_SECOND
            return min(int(whole) * unit_nanos + parts, _LONGEST)
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    # Bounded before it is multiplied: the product of two finite numbers may be infinite.
    return min(round(max(0, min(value, _LONGEST)) * unit_nanos), _LONGEST)
