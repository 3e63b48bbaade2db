"""What listeners share: networks, counts of refusals, the kernel's drops, and handing over."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from stormpetrel.adapters.sources import listen_handover
from stormpetrel.adapters.sources.listen import Allowed, KernelDrops, Refusals, open_tcp, open_udp
from stormpetrel.adapters.sources.listen_handover import Handover
from stormpetrel.errors import StoreError
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch
from stormpetrel.testing.memory import MemoryIntake


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("::1", True),
        ("::ffff:10.1.2.3", True),
        ("fe80::1%eth0", False),
        ("not an address", False),
        ("", False),
    ],
)
def test_networks(address: str, allowed: bool) -> None:
    networks = Allowed(["10.0.0.0/8", "192.0.2.7", "::1/128"])
    assert [networks.allows(address) for _ in range(2)] == [allowed, allowed]


def test_what_is_known_of_addresses_has_a_bound() -> None:
    networks = Allowed(["10.0.0.0/8"])
    assert all(networks.allows(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}") for n in range(5000))
    assert len(networks._known) <= 4096


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="everybody"):
        Allowed(["everybody"])


def test_refusals_are_told_together() -> None:
    refusals, intake = Refusals("syslog"), MemoryIntake()
    for n in range(3):
        refusals.add("not_allowed", 1, f"10.0.0.{n}")
    refusals.add("overloaded", 0)
    refusals.tell(intake)
    refusals.tell(intake)
    assert [(r.source, r.reason, r.rows, r.example) for r in intake.refusals()] == [
        ("syslog", "not_allowed", 3, "10.0.0.2"),
        ("syslog", "overloaded", 0, ""),
    ]


def test_the_kernels_drops_are_found_by_inode(tmp_path: Path) -> None:
    table = tmp_path / "udp"
    with open_udp("127.0.0.1", 0) as opened:
        drops = KernelDrops(opened, [str(table), str(tmp_path / "absent")])
        assert drops.more() == 0
        inode = os.fstat(opened.fileno()).st_ino
        line = "1: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 {} 2 0000 {}\n"
        for dropped, more in ((7, 7), (7, 0), (10, 3)):
            table.write_text("head\n" + line.format("1", 99) + "short\n" + line.format(inode, dropped))
            assert drops.more() == more
        table.write_bytes(b"\xff")
        assert drops.more() == 0


def test_the_kernel_does_count_drops() -> None:
    with open_udp("127.0.0.1", 0) as opened, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        drops = KernelDrops(opened)
        for _ in range(200):
            sender.sendto(b"x" * 500, opened.getsockname())
        received = 0
        while True:
            try:
                opened.recv(600)
            except BlockingIOError:
                break
            received += 1
        assert 0 < received < 200
        assert drops.more() == 200 - received


def test_sockets_that_cannot_be_had_leave_nothing_open() -> None:
    with open_tcp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            open_tcp("127.0.0.1", port)
    with pytest.raises(OSError, match="assign"):
        open_udp("192.0.2.1", 0)


def batch(body: str) -> LogBatch:
    return build_logs([1], [body], source="syslog")


class Given:
    """A handover, and the answers to what it handed over."""

    def __init__(self) -> None:
        self.intake = MemoryIntake()
        self.refusals = Refusals("syslog")
        self.handover: Handover[LogBatch] = Handover(self._hand, self.refusals)

    def _hand(self, one: LogBatch) -> Future[None]:
        return self.intake.logs(one, "syslog")


@pytest.fixture
def given() -> Given:
    return Given()


def test_an_overload_keeps_what_waits_in_order(given: Given) -> None:
    given.intake.overload(2)
    given.handover.put(batch("1"), 10, 0.0)
    given.handover.put(batch("2"), 10, 0.01)
    assert (given.handover.full, given.handover.untaken_rows) == (True, 2)
    given.handover.step(0.04)  # too early
    given.handover.step(0.06)  # refused again
    given.handover.step(0.12)
    assert given.intake.bodies() == []
    given.handover.step(0.17)
    given.handover.step(0.18)
    assert given.intake.bodies() == ["1", "2"]
    assert (given.handover.full, given.handover.empty) == (False, True)


def test_a_failed_insert_is_handed_over_again(given: Given) -> None:
    given.intake.fail(StoreError("away"))
    given.handover.put(batch("1"), 10, 0.0)
    given.handover.put(batch("2"), 10, 0.0)
    for tenth in range(10):
        given.handover.step(tenth / 10)
    assert given.intake.bodies() == ["1", "2"]
    given.refusals.tell(given.intake)
    assert [(r.reason, r.rows) for r in given.intake.refusals()] == [("store", 0)]


@pytest.mark.parametrize("fill", [lambda: (300, 1), lambda: (2, listen_handover.MAX_BYTES // 2)])
def test_what_is_not_acknowledged_has_a_bound(given: Given, fill: Callable[[], tuple[int, int]]) -> None:
    batches, size = fill()
    given.intake.hold()
    for n in range(batches):
        assert given.handover.full == (n >= listen_handover.MAX_BATCHES)
        given.handover.put(batch(str(n)), size, 0.0)
    assert given.handover.full
    given.intake.release()
    given.handover.step(1.0)
    assert (given.handover.full, given.handover.empty) == (False, True)
