"""Datagrams of NetFlow 5, NetFlow 9 and IPFIX, written field by field as their specifications have them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Any

from stormpetrel.ingest.netflow_flows import NetflowDecoder
from stormpetrel.model.push import Decoded

SECOND = 1_000_000_000
MS = 1_000_000
NOW = 1_700_000_000 * SECOND
UPTIME = 10_000_000  # ms at the export
ROUTER = "192.0.2.1"

V4 = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4))

Fields = Sequence[tuple[int, ...]]


def ip(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def v5_record(source: str = "10.0.0.1", destination: str = "10.0.0.2", **changed: int) -> bytes:
    told = {"packets": 7, "octets": 4321, "first": UPTIME - 2500, "last": UPTIME - 500, "sport": 40000}
    told |= {"dport": 443, "flags": 27, "protocol": 6, "tos": 0, **changed}
    return struct.pack(
        "!4s4s4sHHIIIIHHxBBBHHBBxx",
        ip(source), ip(destination), ip("10.0.0.254"), 3, 4, told["packets"], told["octets"], told["first"],
        told["last"], told["sport"], told["dport"], told["flags"], told["protocol"], told["tos"],
        65001, 0, 24, 16,
    )  # fmt: skip


def v5(*records: bytes, count: int | None = None, nanos: int = 250_000_000, sampling: int = 0) -> bytes:
    number = len(records) if count is None else count
    head = struct.pack("!HHIIIIBBH", 5, number, UPTIME, NOW // SECOND, nanos, 99, 1, 2, sampling)
    return head + b"".join(records)


def one_set(number: int, content: bytes, pad: int = 0) -> bytes:
    return struct.pack("!HH", number, 4 + len(content) + pad) + content + bytes(pad)


def template(number: int, fields: Fields, version: int = 9) -> bytes:
    body = b"".join(specifier(*field) for field in fields)
    return one_set(0 if version == 9 else 2, struct.pack("!HH", number, len(fields)) + body)


def specifier(element: int, length: int, enterprise: int = 0) -> bytes:
    if enterprise:
        return struct.pack("!HHI", element | 0x8000, length, enterprise)
    return struct.pack("!HH", element, length)


def v9(*sets: bytes, uptime: int = UPTIME, domain: int = 0, seconds: int = NOW // SECOND) -> bytes:
    return struct.pack("!HHIIII", 9, len(sets), uptime, seconds, 1, domain) + b"".join(sets)


def ipfix(*sets: bytes, domain: int = 0, seconds: int = NOW // SECOND) -> bytes:
    body = b"".join(sets)
    return struct.pack("!HHIII", 10, 16 + len(body), seconds, 1, domain) + body


def v4_record(number: int = 0, first: int = UPTIME - 2500, last: int = UPTIME - 500) -> bytes:
    """A record of the fields `V4`."""
    addresses = ip("10.0.0.1") + ip(f"10.0.1.{number % 256}")
    return addresses + struct.pack("!HHBIIII", 40000, 53, 17, 1000 + number, 5, first, last)


def decode(*payloads: bytes, decoder: NetflowDecoder | None = None, received: int = NOW) -> Decoded:
    return (decoder or NetflowDecoder()).decode([(ROUTER, received, one) for one in payloads], "netflow")


def flows(decoded: Decoded) -> list[dict[str, Any]]:
    return [] if decoded.flows is None else decoded.flows.records.to_pylist()


def refused(decoded: Decoded) -> dict[str, int]:
    return {one.reason: one.rows for one in decoded.rejected}
