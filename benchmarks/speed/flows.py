"""NetFlow 9 and version 5 datagrams to flow batches, against the parsers of the library `netflow`.

The library makes an object of every flow; to make that a flow batch would cost it more still.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import numpy as np
from netflow.v5 import V5ExportPacket
from netflow.v9 import V9ExportPacket

from stormpetrel.ingest.netflow_flows import NetflowDecoder

DATAGRAMS, FLOWS, ROUNDS = 200, 28, 9
NOW = 1_700_000_000
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


def theirs(payloads: list[bytes], version: int) -> None:
    for payload in payloads:
        packet = V5ExportPacket(payload) if version == 5 else V9ExportPacket(payload, {})
        assert len(packet.flows) == FLOWS


def main() -> None:
    for version, payloads in ((9, version_9()), (5, version_5())):
        ours(payloads)
        pairs = [
            (seconds(lambda: ours(payloads)), seconds(lambda: theirs(payloads, version)))  # noqa: B023 - called at once
            for _ in range(ROUNDS)
        ]
        rate = DATAGRAMS * FLOWS / min(one for one, _ in pairs)
        ratio = float(np.median([other / one for one, other in pairs]))
        print(f"version {version}: {rate:,.0f} flows/s to batches, {ratio:.1f} times netflow's to objects")


if __name__ == "__main__":
    main()
