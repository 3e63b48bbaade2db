"""A real exporter on loopback: what it saw in a capture file is what is stored, flow for flow."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.capture import ICMP, TCP, UDP, Packet, write_capture
from tests.e2e.conftest import CONFIG, Petrel, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("softflowd") is None, reason="softflowd is not installed"),
]

FLOWS_CONFIG = """
[sources.flows]
udp_port = {udp}
"""

# Run apart: the engine is one a process.
READ = """
import json, sys
from pathlib import Path
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import StoreConfig
store = open_store(StoreConfig(), Path(sys.argv[1]))
print(json.dumps(store._connections.query("SELECT * EXCEPT (stored) FROM flows").to_pylist()))
store.close()
"""

Key = tuple[str, int, str, int, int]


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def conversation(six: bool) -> list[Packet]:
    """Some traffic of the last minute: both directions, one direction, TCP, UDP, ICMP, and enough for
    several datagrams."""
    start = int(time.time() * 1000) * 1000 - 60_000_000
    web, client = ("10.1.0.2", 443), ("10.1.0.1", 40001)
    packets = [Packet(start + 100_000 * n, client, web, TCP, 60 + n) for n in range(4)]
    packets += [Packet(start + 50_000 + 100_000 * n, web, client, TCP, 1400) for n in range(3)]
    packets += [Packet(start + 20_000, ("10.1.0.3", 0), ("10.1.0.4", 0), ICMP, 84)]
    packets += [
        Packet(start + 1000 * n, (f"10.2.{n // 200}.{n % 200 + 1}", 5000 + n), ("10.1.0.53", 53), UDP, 40 + n % 7)
        for n in range(300)
    ]
    if six:
        packets += [Packet(start + 7000 * n, ("2001:db8::1", 6000), ("2001:db8::2", 53), UDP, 100) for n in range(2)]
    return sorted(packets)


def seen(packets: list[Packet]) -> dict[Key, list[int]]:
    """Of each flow: bytes, packets, first and last millisecond."""
    found: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for packet in packets:
        ports = (0, 0) if packet.protocol == ICMP else (packet.source[1], packet.destination[1])
        key = (packet.source[0], ports[0], packet.destination[0], ports[1], packet.protocol)
        flow = found[key]
        flow[0] += packet.size
        flow[1] += 1
        flow[2] = flow[2] or packet.microseconds // 1000
        flow[3] = packet.microseconds // 1000
    return dict(found)


def key_of(row: dict[str, Any]) -> Key:
    ports = (0, 0) if row["protocol"] == ICMP else (row["source_port"], row["destination_port"])
    return (row["source_address"], ports[0], row["destination_address"], ports[1], row["protocol"])


def export(capture: Path, version: int, port: int, *options: str) -> None:
    folder = capture.parent
    command = ["softflowd", "-r", str(capture), "-n", f"127.0.0.1:{port}", "-v", str(version), "-d"]
    command += ["-p", str(folder / "pid"), "-c", str(folder / "ctl"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def stored(petrel: Petrel) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", READ, str(petrel.directory / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def count(petrel: Petrel) -> int:
    return int({name: rows for name, rows, _ in petrel.get("/api/v1/about").json()["tables"]}.get("flows", 0))


def test_softflowd_by_netflow_5_9_and_ipfix(petrel: Petrel, tmp_path: Path) -> None:
    udp = free_udp_port()
    petrel.config = CONFIG + FLOWS_CONFIG.replace("{udp}", str(udp))
    petrel.start()
    expected: dict[Key, list[list[int]]] = defaultdict(list)
    total = 0
    # Of version 9 the header tells whole seconds only, so that the boot it counts from is that vague.
    for version, vague_ms, options in ((5, 2, ()), (9, 1001, ()), (10, 2, ()), (10, 2, ("-A", "milli"))):
        packets = conversation(six=version > 5)
        write_capture(tmp_path / "capture.pcap", packets)
        export(tmp_path / "capture.pcap", version, udp, *options)
        flows = seen(packets)
        total += len(flows)
        for key, told in flows.items():
            expected[key].append([*told, vague_ms])
        wait_until(lambda: count(petrel) >= total, 20, lambda: f"{count(petrel)} of {total}")  # noqa: B023 - called at once
    refused = petrel.get("/api/v1/quality").json()["rejected"]
    assert petrel.stop() == 0
    rows = sorted(stored(petrel), key=lambda row: (key_of(row), row["start_unix_nano"]))
    assert len(rows) == total
    assert refused == []
    assert {row["entity"] for row in rows} == {"host:127.0.0.1"}
    found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[key_of(row)].append(row)
    assert found.keys() == expected.keys()
    for key, told in expected.items():
        for row, (size, packets_sent, first, last, vague) in zip(found[key], told, strict=True):
            assert (row["bytes_sent"], row["packets_sent"], row["bytes_received"]) == (size, packets_sent, 0), key
            assert abs(row["start_unix_nano"] // 1_000_000 - first) <= vague, key
            assert abs(row["end_unix_nano"] // 1_000_000 - last) <= vague, key
