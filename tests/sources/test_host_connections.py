"""Connections of this host as flow records, and through the source."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psutil
import pytest
from psutil._ntuples import addr, sconn

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.host import HostSource
from stormpetrel.adapters.sources.host_connections import MAX_KNOWN, MAX_TOLD, ConnectionReader
from stormpetrel.app.config_sources import HostSourceConfig
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.time import from_seconds
from stormpetrel.testing.memory import MemoryIntake

T0 = 1_700_000_000_000_000_000
MINUTE = from_seconds(60)


def tcp(own: str, port: int, other: str = "", to: int = 0, pid: int | None = None, status: str = "") -> sconn:
    remote: Any = addr(other, to) if other else ()
    said = status or (psutil.CONN_ESTABLISHED if other else psutil.CONN_LISTEN)
    return sconn(-1, socket.AF_INET, socket.SOCK_STREAM, addr(own, port), remote, said, pid)


def reader(connections: list[sconn]) -> ConnectionReader:
    return ConnectionReader("host:web-1", "host", lambda: connections)


def told(flows: Any) -> list[tuple[Any, ...]]:
    if flows is None:
        return []
    names = ("source_address", "destination_address", "destination_port", "attributes")
    return [tuple(row[name] for name in names) for row in flows.records.to_pylist()]


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process of another number than ours."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def test_who_asked_is_the_source_and_the_serving_port_is_told(sleeper: int) -> None:
    said = json.dumps(
        {"local": "source", "process.name": psutil.Process(sleeper).name()}, separators=(",", ":")
    )
    flows = reader(
        [
            tcp("10.0.0.1", 443),
            tcp("10.0.0.1", 443, "10.0.0.9", 51_000),
            tcp("10.0.0.1", 443, "10.0.0.9", 51_001),
            tcp("10.0.0.1", 40_000, "10.0.0.2", 5432, sleeper),
            tcp("::ffff:10.0.0.1", 40_001, "::ffff:10.0.0.3", 6379),
        ]
    ).read(T0)
    assert sorted(told(flows)) == [
        ("10.0.0.1", "10.0.0.2", 5432, said),
        ("10.0.0.1", "10.0.0.3", 6379, '{"local":"source"}'),
        ("10.0.0.9", "10.0.0.1", 443, '{"local":"destination"}'),
    ]  # fmt: skip
    assert flows is not None
    row = flows.records.to_pylist()[0]
    assert (row["entity"], row["source"], row["state"], row["protocol"]) == (
        "host:web-1", "host", "established", 6,
    )  # fmt: skip


def test_our_own_loopback_and_what_is_not_established_is_left_out() -> None:
    connections = [
        tcp("10.0.0.1", 40_000, "10.0.0.2", 5432, os.getpid()),
        tcp("127.0.0.1", 40_001, "127.0.0.1", 5432),
        tcp("10.0.0.1", 40_002, "10.0.0.1", 5432),
        tcp("fe80::1%eth0", 40_003, "fe80::2%eth0", 5432),
        tcp("10.0.0.1", 40_004, "10.0.0.2", 5432, status=psutil.CONN_TIME_WAIT),
    ]
    assert reader(connections).read(T0) is None


def test_it_looks_once_a_minute_and_tells_again_after_five() -> None:
    connections = [tcp("10.0.0.1", 40_000, "10.0.0.2", 5432)]
    one = reader(connections)
    assert len(told(one.read(T0))) == 1
    connections.append(tcp("10.0.0.1", 40_000, "10.0.0.3", 5432))
    assert told(one.read(T0 + MINUTE - 1)) == []
    assert [row[1] for row in told(one.read(T0 + MINUTE))] == ["10.0.0.3"]
    again = one.read(T0 + 5 * MINUTE)
    assert [row[1] for row in told(again)] == ["10.0.0.2"]
    assert again is not None
    assert again.records.column("start_unix_nano").to_pylist() == [T0]
    assert [row[1] for row in told(one.read(T0 - 9 * MINUTE))] == ["10.0.0.2", "10.0.0.3"]


def test_very_many_connections_are_bounded_and_the_rest_waits_for_the_next_look() -> None:
    connections = [tcp("10.0.0.1", 40_000, f"10.1.{n >> 8}.{n & 255}", 5432) for n in range(MAX_TOLD + 30)]
    one = reader(connections)
    assert len(told(one.read(T0))) == MAX_TOLD
    assert one.left_out_total == 30
    assert len(told(one.read(T0 + MINUTE))) == 30
    for look in range(2, 40):
        connections[:] = [tcp("10.0.0.1", 1, f"10.{look}.0.{n}", 5432) for n in range(MAX_TOLD)]
        one.read(T0 + look * MINUTE)
    assert len(one._told) <= MAX_KNOWN


def test_a_host_that_does_not_let_us_look_is_no_trouble() -> None:
    def refuse() -> list[sconn]:
        raise psutil.AccessDenied

    assert ConnectionReader("host:a", "host", refuse).read(T0) is None


def test_the_source_hands_over_what_the_host_really_has() -> None:
    """A connection of two other processes over loopback is seen, and left out; nothing is refused."""
    intake = MemoryIntake()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        script = "import socket,sys; s=socket.create_connection(('127.0.0.1',int(sys.argv[1]))); input()"
        command = [sys.executable, "-c", script, str(server.getsockname()[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as client:
            accepted, _ = server.accept()
            source = HostSource(HostSourceConfig(), SeriesRegistry(), SystemClock(), "box")
            source.tell_connections(intake)
            client.kill()
            accepted.close()
    assert not intake.refusals()
    assert all("127.0.0.1" not in row[:2] for kept in intake.kept() for row in told(kept.batch))


def test_connections_can_be_turned_off() -> None:
    source = HostSource(HostSourceConfig(connections=False), SeriesRegistry(), SystemClock(), "box")
    intake = MemoryIntake()
    source.tell_connections(intake)
    assert not intake.kept()
