"""Listening for flows on a real socket of loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.ingest.flows.wire import V4, one_set, template, v4_record, v5, v5_record, v9

from stormpetrel.adapters.sources import netflow
from stormpetrel.adapters.sources.netflow import AllowList, NetflowSource
from stormpetrel.app.config_sources import FlowsConfig
from stormpetrel.errors import StoreError
from stormpetrel.ingest.netflow_flows import NetflowDecoder
from stormpetrel.model.records import FlowBatch
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def make(port: int, **config: Any) -> NetflowSource:
    return NetflowSource(FlowsConfig(udp_port=port, **config), NetflowDecoder().decode, FakeClock())


@contextmanager
def sending(port: int, *payloads: bytes, every: float = 0.02, address: str = "127.0.0.1") -> Iterator[None]:
    """Send the datagrams again and again: a listener hears them whenever it begins to listen."""
    stop = threading.Event()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def work() -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as opened:
            while not stop.wait(every):
                for payload in payloads:
                    opened.sendto(payload, (address, port))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def flow_rows(intake: MemoryIntake) -> list[dict[str, Any]]:
    batches = [kept.batch for kept in intake.kept("netflow") if isinstance(kept.batch, FlowBatch)]
    return [row for batch in batches for row in batch.records.to_pylist()]


def test_flows_are_handed_over_soon_and_together(running: Any, until: Any) -> None:
    port, intake = free_port(), MemoryIntake()
    payloads = (v9(template(256, V4)), v9(one_set(256, v4_record(1) + v4_record(2))), v5(v5_record()))
    with running(make(port), intake), sending(port, *payloads):
        until(lambda: len(intake.kept()) >= 2)
    rows = flow_rows(intake)
    assert {row["destination_address"] for row in rows} == {"10.0.1.1", "10.0.1.2", "10.0.0.2"}
    assert {row["entity"] for row in rows} == {"host:127.0.0.1"}
    assert len(rows) > 5 * len(intake.kept()), "many datagrams make one batch"
    assert intake.refusals() == []


def test_what_was_received_is_handed_over_at_the_stop(monkeypatch: pytest.MonkeyPatch, running: Any) -> None:
    monkeypatch.setattr(netflow, "FLUSH_SECONDS", 3600.0)
    port, intake = free_port(), MemoryIntake()
    with running(make(port), intake), sending(port, v5(v5_record())):
        time.sleep(0.5)
        assert intake.kept() == []
    assert flow_rows(intake)


def test_much_is_handed_over_before_its_time(
    monkeypatch: pytest.MonkeyPatch, running: Any, until: Any
) -> None:
    monkeypatch.setattr(netflow, "FLUSH_SECONDS", 3600.0)
    monkeypatch.setattr(netflow, "FLUSH_DATAGRAMS", 10)
    port, intake = free_port(), MemoryIntake()
    with running(make(port), intake), sending(port, v5(v5_record())):
        until(intake.kept)
    assert len(flow_rows(intake)) >= 10


def test_strangers_are_counted_and_not_heard(running: Any, until: Any) -> None:
    port, intake = free_port(), MemoryIntake()
    with running(make(port, allow=["10.0.0.0/8"]), intake), sending(port, v5(v5_record())):
        until(lambda: sum(refusal.rows for refusal in intake.refusals()) >= 3)
    assert {refusal.reason for refusal in intake.refusals()} == {"not_allowed"}
    assert "127.0.0.1 is in none of the networks" in intake.refusals()[0].example
    assert intake.kept() == []


def test_ipv6(running: Any, until: Any) -> None:
    port, intake = free_port(), MemoryIntake()
    with running(make(port, host="::1"), intake), sending(port, v5(v5_record()), address="::1"):
        until(intake.kept)
    assert flow_rows(intake)[0]["entity"] == "host:::1"


def test_refusals_of_the_decoder_are_passed_on(running: Any, until: Any) -> None:
    port, intake = free_port(), MemoryIntake()
    with running(make(port), intake), sending(port, b"\0\7 and so on", v5(v5_record())):
        until(intake.kept)
    assert {refusal.reason for refusal in intake.refusals()} == {"unsupported"}


def test_a_port_that_is_taken_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, running: Any, until: Any
) -> None:
    monkeypatch.setattr(netflow, "FIRST_WAIT_SECONDS", 0.05)
    port, intake = free_port(), MemoryIntake()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        with running(make(port), intake):
            until(intake.refusals)
            taken.close()
            with sending(port, v5(v5_record())):
                until(intake.kept)
    refusal = intake.refusals()[0]
    assert (refusal.reason, refusal.rows) == ("cannot_listen", 0)
    assert f"UDP 127.0.0.1 port {port}: " in refusal.example


def test_what_the_kernel_drops_is_counted(monkeypatch: pytest.MonkeyPatch, running: Any, until: Any) -> None:
    monkeypatch.setattr(netflow, "RECEIVE_BUFFER_BYTES", 4096)
    port, intake = free_port(), MemoryIntake()
    entered, go_on = threading.Event(), threading.Event()
    decoder = NetflowDecoder()

    def slow(datagrams: Any, source: str) -> Any:
        entered.set()
        go_on.wait(10)
        return decoder.decode(datagrams, source)

    source = NetflowSource(FlowsConfig(udp_port=port), slow, FakeClock())
    sent = 0

    def dropped() -> int:
        return sum(refusal.rows for refusal in intake.refusals() if refusal.reason == "kernel_dropped")

    with running(source, intake), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:

        def send() -> int:
            nonlocal sent
            sent += opened.sendto(v5(v5_record()), ("127.0.0.1", port)) > 0
            return sent

        until(lambda: send() and entered.is_set())
        for _ in range(500):  # nobody reads now
            send()
        go_on.set()
        until(lambda: send() and dropped())
        # What was sent before the port was open is neither: nobody knows of it.
        until(lambda: sent - 100 < len(flow_rows(intake)) + dropped() <= sent)
    assert dropped() > 400
    assert {refusal.reason for refusal in intake.refusals()} == {"kernel_dropped"}


def test_flows_that_cannot_be_handed_over_are_counted(
    monkeypatch: pytest.MonkeyPatch, running: Any, until: Any
) -> None:
    monkeypatch.setattr(netflow, "OVERLOAD_WAITS", (0.01, 0.01))
    port, intake = free_port(), MemoryIntake()
    intake.overload(3)
    intake.fail(StoreError("the disk is away"))
    with running(make(port), intake), sending(port, v5(v5_record())):
        until(intake.kept)
    told = [(refusal.reason, refusal.rows > 0) for refusal in intake.refusals()]
    assert told == [("overloaded", False), ("overloaded", False), ("overloaded", True), ("store", True)]


@pytest.mark.parametrize("network", ["10.0.0.0/33", "router", ""])
def test_a_network_that_is_none_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=r"network|address"):
        FlowsConfig(allow=[network])
    with pytest.raises(ValueError, match=r"network|address"):
        AllowList([network])


def test_the_list_remembers_few_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netflow, "MAX_KNOWN_ADDRESSES", 3)
    allowed = AllowList(["10.0.0.0/29", "2001:db8::/32"])
    assert [allowed.allows(f"10.0.0.{n}") for n in range(10)] == [True] * 8 + [False] * 2
    assert allowed.allows("2001:db8::5")
    assert len(allowed._known) <= 3


def test_contract() -> None:
    port = free_port()
    with sending(port, v5(v5_record())):
        check_source(lambda: make(port))


def test_contract_where_nobody_sends() -> None:
    check_source(lambda: make(free_port()), produces=False)
