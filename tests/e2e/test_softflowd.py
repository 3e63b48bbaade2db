"""A real exporter on loopback: what it saw in a capture file is what is stored, flow for flow."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from functools import partial
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


def conversation(net: int, six: bool) -> list[Packet]:
    """Some traffic of the last minute in networks of its own: both directions and one, TCP, UDP, ICMP, and
    enough for several datagrams."""
    start = int(time.time() * 1000) * 1000 - 60_000_000
    web, client = (f"10.{net}.0.2", 443), (f"10.{net}.0.1", 40001)
    packets = [Packet(start + 100_000 * n, client, web, TCP, 60 + n) for n in range(4)]
    packets += [Packet(start + 50_000 + 100_000 * n, web, client, TCP, 1400) for n in range(3)]
    packets += [Packet(start + 20_000, (f"10.{net}.0.3", 0), (f"10.{net}.0.4", 0), ICMP, 84)]
    for n in range(300):
        source = (f"10.{net}.{n // 200 + 1}.{n % 200 + 1}", 5000 + n)
        packets.append(Packet(start + 1000 * n, source, (f"10.{net}.0.53", 53), UDP, 40 + n % 7))
    if six:
        ends = (f"2001:db8:{net}::1", 6000), (f"2001:db8:{net}::2", 53)
        packets += [Packet(start + 7000 * n, *ends, UDP, 100) for n in range(2)]
    return sorted(packets)


def seen(packets: list[Packet]) -> dict[Key, list[int]]:
    """Of each flow: bytes, packets, first and last millisecond, which both directions share."""
    found: dict[Key, list[int]] = defaultdict(lambda: [0, 0])
    moments: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for packet in packets:
        key = key_of_packet(packet)
        found[key][0] += packet.size
        found[key][1] += 1
        moments[both_ways(key)].append(packet.microseconds // 1000)
    return {
        key: [*told, min(moments[both_ways(key)]), max(moments[both_ways(key)])]
        for key, told in found.items()
    }


def both_ways(key: Key) -> tuple[object, ...]:
    return (*sorted([key[:2], key[2:4]]), key[4])


def key_of_packet(packet: Packet) -> Key:
    ports = (0, 0) if packet.protocol == ICMP else (packet.source[1], packet.destination[1])
    return (packet.source[0], ports[0], packet.destination[0], ports[1], packet.protocol)


def key_of(row: dict[str, Any]) -> Key:
    ports = (0, 0) if row["protocol"] == ICMP else (row["source_port"], row["destination_port"])
    return (row["source_address"], ports[0], row["destination_address"], ports[1], row["protocol"])


def export(capture: Path, version: int, port: int, *options: str) -> None:
    # Short names: with a long one for its control socket it waits for ever.
    command = ["softflowd", "-r", capture.name, "-n", f"127.0.0.1:{port}", "-v", str(version), "-d"]
    command += ["-p", "pid", "-c", "ctl", *options]
    done = subprocess.run(
        command, cwd=capture.parent, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def stored(petrel: Petrel) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", READ, str(petrel.directory / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def count(petrel: Petrel) -> int:
    return int({name: rows for name, rows, _ in petrel.get("/api/v1/about").json()["tables"]}.get("flows", 0))


# Of version 9 the header tells whole seconds only, so that the boot it counts from is as vague as that.
EXPORTS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (5, 2, ()),
    (9, 1001, ()),
    (10, 2, ()),
    (10, 2, ("-A", "milli")),
)


def test_softflowd_by_netflow_5_9_and_ipfix(petrel: Petrel, tmp_path: Path) -> None:
    udp = free_udp_port()
    petrel.config = CONFIG + FLOWS_CONFIG.replace("{udp}", str(udp))
    petrel.start()
    expected: dict[Key, list[int]] = {}
    for net, (version, vague_ms, options) in enumerate(EXPORTS, 1):
        packets = conversation(net, six=version > 5)
        write_capture(tmp_path / "capture.pcap", packets)
        export(tmp_path / "capture.pcap", version, udp, *options)
        expected.update({key: [*told, vague_ms] for key, told in seen(packets).items()})
        wait_until(partial(is_stored, petrel, len(expected)), 20, partial(explain, petrel, version))
    refused = petrel.get("/api/v1/quality").json()["rejected"]
    assert petrel.stop() == 0
    rows = {key_of(row): row for row in stored(petrel)}
    assert rows.keys() == expected.keys()
    assert refused == []
    assert {row["entity"] for row in rows.values()} == {"host:127.0.0.1"}
    for key, (size, packets_sent, first, last, vague) in expected.items():
        row = rows[key]
        counts = (row["bytes_sent"], row["packets_sent"], row["bytes_received"])
        assert counts == (size, packets_sent, 0), key
        assert abs(row["start_unix_nano"] // 1_000_000 - first) <= vague, key
        assert abs(row["end_unix_nano"] // 1_000_000 - last) <= vague, key


def is_stored(petrel: Petrel, flows: int) -> bool:
    return count(petrel) >= flows


def explain(petrel: Petrel, version: int) -> str:
    return f"version {version}: {count(petrel)} flows; {petrel.get('/api/v1/quality').json()['rejected']}"
