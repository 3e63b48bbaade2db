"""NetFlow 9 and version 5 datagrams to flow batches, in pairs with what a plain program does.

    python benchmarks/speed/flows.py

The plain program parses with the library `netflow`, which makes an object of every flow, makes a row of each
with its addresses as text and the rest as JSON, and a batch of the rows.
"""

from __future__ import annotations

import ipaddress
import json
import statistics
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from netflow.v5 import V5ExportPacket
from netflow.v9 import V9ExportPacket

from stormpetrel.ingest.netflow_flows import NetflowDecoder
from stormpetrel.model.record_columns import build_flows

DATAGRAMS, FLOWS, ROUNDS = 200, 28, 9
NOW = 1_700_000_000
NAMES = (
    "start_unix_nano", "end_unix_nano", "source_address", "destination_address", "source_port",
    "destination_port", "bytes_sent", "packets_sent", "protocol", "attributes",
)  # fmt: skip
# What softflowd sends of a flow.
FIELDS = (
    (8, 4), (12, 4), (22, 4), (21, 4), (1, 4), (2, 4), (10, 4), (14, 4), (7, 2), (11, 2), (4, 1), (6, 1),
    (60, 1), (5, 1),
)  # fmt: skip


def one_set(number: int, content: bytes) -> bytes:
    return struct.pack("!HH", number, len(content) + 4) + content


def version_9() -> list[bytes]:
    specifiers = b"".join(struct.pack("!HH", *field) for field in FIELDS)
    template = one_set(0, struct.pack("!HH", 256, len(FIELDS)) + specifiers)
    rng = np.random.default_rng(7)
    width = sum(length for _, length in FIELDS)
    found = []
    for _ in range(DATAGRAMS):
        head = struct.pack("!HHIIII", 9, FLOWS + 1, 10_000_000, NOW, 1, 0)
        records = b"".join(
            rng.bytes(8) + struct.pack("!II", 9_000_000, 9_900_000) + rng.bytes(width - 16)
            for _ in range(FLOWS)
        )
        found.append(head + template + one_set(256, records))
    return found


def version_5() -> list[bytes]:
    rng = np.random.default_rng(7)
    found = []
    for _ in range(DATAGRAMS):
        head = struct.pack("!HHIIIIBBH", 5, FLOWS, 10_000_000, NOW, 0, 1, 0, 0, 0)
        records = b"".join(
            rng.bytes(24) + struct.pack("!II", 9_000_000, 9_900_000) + rng.bytes(16) for _ in range(FLOWS)
        )
        found.append(head + records)
    return found


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ours(payloads: list[bytes]) -> None:
    decoder = NetflowDecoder()
    decoded = decoder.decode([("10.0.0.1", NOW * 1_000_000_000, one) for one in payloads], "netflow")
    assert decoded.flows is not None
    assert len(decoded.flows) == DATAGRAMS * FLOWS


def plain(payloads: list[bytes], version: int) -> None:
    rows = []
    for payload in payloads:
        packet = V5ExportPacket(payload) if version == 5 else V9ExportPacket(payload, {})
        rows += [row_of(flow.data, packet.header) for flow in packet.flows]
    batch = build_flows(**dict(zip(NAMES, zip(*rows, strict=True), strict=True)), source="netflow")
    assert len(batch) == DATAGRAMS * FLOWS


def row_of(told: dict[str, Any], header: Any) -> tuple[Any, ...]:
    boot = header.timestamp * 1000 - header.uptime
    source, destination = told.pop("IPV4_SRC_ADDR"), told.pop("IPV4_DST_ADDR")
    return (
        (boot + told.pop("FIRST_SWITCHED")) * 1_000_000,
        (boot + told.pop("LAST_SWITCHED")) * 1_000_000,
        source if isinstance(source, str) else str(ipaddress.IPv4Address(source)),
        destination if isinstance(destination, str) else str(ipaddress.IPv4Address(destination)),
        told.pop("SRC_PORT", 0) or told.pop("L4_SRC_PORT", 0),
        told.pop("DST_PORT", 0) or told.pop("L4_DST_PORT", 0),
        told.pop("IN_OCTETS", 0) or told.pop("IN_BYTES", 0),
        told.pop("IN_PACKETS", 0) or told.pop("IN_PKTS", 0),
        told.pop("PROTO", 0) or told.pop("PROTOCOL", 0),
        json.dumps(told),
    )


def main() -> None:
    for version, payloads in ((9, version_9()), (5, version_5())):
        ours(payloads)
        pairs = [
            (seconds(partial(ours, payloads)), seconds(partial(plain, payloads, version)))
            for _ in range(ROUNDS)
        ]
        rate = DATAGRAMS * FLOWS / statistics.median(one for one, _ in pairs)
        ratio = statistics.median(other / one for one, other in pairs)
        print(f"version {version}: {rate:,.0f} flows/s, {ratio:.1f} times the plain program")


if __name__ == "__main__":
    main()
