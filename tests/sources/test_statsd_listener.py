"""Listening for StatsD on real sockets of this host."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.statsd import StatsdSource
from stormpetrel.app.config_sources import StatsdConfig
from stormpetrel.errors import StoreError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.statsd import StatsdWindows
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake

NOW = 1_700_000_000_000_000_000
TEN_SECONDS = 10_000_000_000


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def send(kind: socket.SocketKind, port: int, packet: bytes) -> bool:
    with socket.socket(socket.AF_INET, kind) as sender:
        try:
            sender.connect(("127.0.0.1", port))
            sender.sendall(packet)
        except ConnectionRefusedError:
            return False
        return True


class Sums:
    """Windows that say how many packets they took."""

    def __init__(self, registry: SeriesRegistry) -> None:
        self.windows = StatsdWindows(registry)
        self.packets = 0
        self.flush, self.finish, self.rejected = (
            self.windows.flush,
            self.windows.finish,
            self.windows.rejected,
        )

    def add(self, packet: bytes, now_unix_nano: int) -> None:
        self.windows.add(packet, now_unix_nano)
        self.packets += 1


def test_packets_and_streams_are_summed_into_windows(running: Any, until: Any) -> None:
    tcp, udp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    registry, clock, intake = SeriesRegistry(), FakeClock(NOW), MemoryIntake()
    sums = Sums(registry)
    with running(StatsdSource(StatsdConfig(tcp_port=tcp, udp_port=udp), sums, clock), intake):
        until(lambda: send(socket.SOCK_STREAM, tcp, b"hits:1|c\nhits:2|c\nnonsense"))
        send(socket.SOCK_DGRAM, udp, b"hits:4|c\nload:0.5|g")
        until(lambda: sums.packets == 4)
        intake.fail(StoreError("away"), 1)
        clock.advance(10)
        until(intake.kept)
        send(socket.SOCK_DGRAM, udp, b"hits:8|c")
        until(lambda: sums.packets == 5)
        clock.advance(3)
    texts = {registry.info(int(n)).text() for n in intake.samples().series}
    assert texts == {"hits", "load"}
    first, last = intake.metric_batches()
    assert (first.value.tolist(), set(first.time_unix_nano.tolist())) == ([7.0, 0.5], {NOW + TEN_SECONDS})
    assert (last.value.tolist(), set(last.time_unix_nano.tolist())) == ([8.0], {NOW + 13 * TEN_SECONDS // 10})
    assert [(r.reason, r.rows) for r in intake.refusals()] == [("malformed", 1), ("store", 0)]


@pytest.mark.parametrize("kind", ["udp_port", "tcp_port"])
def test_contract(kind: str) -> None:
    stream = socket.SOCK_STREAM if kind == "tcp_port" else socket.SOCK_DGRAM

    def keep_sending(port: int) -> None:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            with suppress(OSError):  # the source ends in the middle of it
                send(stream, port, b"hits:1|c")
            time.sleep(0.1)

    def source() -> StatsdSource:
        port = free_port(stream)
        threading.Thread(target=keep_sending, args=(port,), daemon=True).start()
        windows = StatsdWindows(SeriesRegistry(), flush_seconds=0.2)
        return StatsdSource(StatsdConfig(**{kind: port}), windows, SystemClock())

    check_source(source)
