"""Listening for syslog on real sockets of this host."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stormpetrel.adapters.sources.syslog import SyslogSource
from stormpetrel.app.config_sources import SyslogConfig
from stormpetrel.errors import StoreError
from stormpetrel.ingest.syslog import SyslogParser
from stormpetrel.model.time import from_seconds
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake

NOW = from_seconds(1_730_678_400)
LINE = b"<34>Nov  3 22:14:15 web-1 su[77]: %d\n"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def make(**settings: Any) -> SyslogSource:
    config = SyslogConfig(**settings)
    return SyslogSource(config, SyslogParser(longest_bytes=config.max_message_bytes).parse, FakeClock(NOW))


@contextmanager
def connected(port: int, seconds: float = 60.0) -> Iterator[socket.socket]:
    """A connection to a port that may not be open yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            opened = socket.create_connection(("127.0.0.1", port), timeout=5)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    opened.settimeout(120)  # a sender that is made to wait waits
    with opened:
        yield opened


def ended(sender: socket.socket) -> bool:
    """Whether the other side has closed."""
    try:
        return sender.recv(1) == b""
    except (ConnectionResetError, ssl.SSLError):
        return True


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


def test_lines_and_counted_streams(intake: MemoryIntake, running: Any, until: Any) -> None:
    port = free_port()
    with running(make(tcp_port=port), intake):
        for framing in (b"%s\n", b"counted"):
            with connected(port) as sender:
                for n in range(500):
                    message = (LINE % n).rstrip(b"\n")
                    sender.sendall(
                        framing % message if b"%" in framing else b"%d %s" % (len(message), message)
                    )
        until(lambda: len(intake.bodies()) == 1000)
    assert sorted(intake.bodies(), key=int) == [str(n // 2) for n in range(1000)]
    row = intake.log_rows()[0]
    assert (row["entity"], row["source"], row["severity_number"]) == ("host:web-1", "syslog", 18)
    assert intake.refusals() == []


def test_datagrams(intake: MemoryIntake, running: Any, until: Any) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with (
        running(make(udp_port=port, max_message_bytes=1000), intake),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        while not intake.bodies():
            sender.sendto(b"first", ("127.0.0.1", port))
            time.sleep(0.05)
        for n in range(300):
            sender.sendto((LINE % n).rstrip(), ("127.0.0.1", port))
        sender.sendto(b"x" * 5000, ("127.0.0.1", port))
        until(lambda: any(body.startswith("xx") for body in intake.bodies()))
    bodies = [body for body in intake.bodies() if body != "first"]
    assert bodies == [*map(str, range(300)), "x" * 1000]
    assert '"log.truncated":true' in str(intake.log_rows()[-1]["attributes"])


def test_a_last_line_without_its_end_counts(intake: MemoryIntake, running: Any, until: Any) -> None:
    port = free_port()
    with running(make(tcp_port=port), intake):
        with connected(port) as sender:
            sender.sendall(b"<34>Nov  3 22:14:15 web-1 su[77]: 1\n<34>Nov  3 22:14:15 web-1 su[77]: 2")
        until(lambda: intake.bodies() == ["1", "2"])


@pytest.mark.parametrize("trouble", ["overloaded", "store"])
def test_a_stream_waits_and_nothing_of_it_is_lost(
    intake: MemoryIntake, running: Any, until: Any, trouble: str
) -> None:
    port = free_port()
    lines = 400_000 if trouble == "overloaded" else 30_000  # more than the buffers of the network hold
    if trouble == "store":
        intake.fail(StoreError("away"), 3)
    else:
        intake.overload(1_000_000)
    with running(make(tcp_port=port), intake), connected(port) as sender:
        sent = threading.Thread(target=lambda: sender.sendall(b"".join(LINE % n for n in range(lines))))
        sent.start()
        if trouble == "overloaded":
            until(lambda: [r for r in intake.refusals() if r.reason == "overloaded"])
            time.sleep(0.3)
            assert sent.is_alive(), "the sender must be made to wait"
            intake.overload(0)
        sent.join(120)
        until(lambda: sum(len(kept.batch) for kept in intake.kept()) == lines, 120)
    assert sorted(map(int, intake.bodies())) == list(range(lines))
    assert {(r.reason, r.rows) for r in intake.refusals()} == {(trouble, 0)}


def test_a_stop_says_goodbye_and_reads_what_was_sent_before_it_was_heard(
    intake: MemoryIntake, running: Any, until: Any
) -> None:
    port = free_port()
    sent = 0

    def arrived() -> int:
        return sum(len(kept.batch) for kept in intake.kept())

    def talk(sender: socket.socket) -> None:
        nonlocal sent
        ended = select.poll()  # `select` knows no descriptors from 1,024 on
        ended.register(sender, select.POLLIN)
        while not ended.poll(0):
            sender.sendall(b"".join(LINE % n for n in range(sent, sent + 100)))
            sent += 100

    with running(make(tcp_port=port), intake):
        with connected(port) as probe:
            probe.sendall(b"")
        sender = socket.socket()
        # Little on the way at a time: what a busy machine cannot read within a second is not the point.
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        sender.connect(("127.0.0.1", port))
        talking = threading.Thread(target=talk, args=(sender,))
        talking.start()
        until(lambda: arrived() > 20_000)
    talking.join(10)
    with sender:
        assert ended(sender)
    assert intake.bodies() == [str(n) for n in range(sent)]


def test_what_the_intake_never_took_is_counted_at_the_stop(
    intake: MemoryIntake, running: Any, until: Any
) -> None:
    port = free_port()
    intake.overload(1_000_000)
    with running(make(tcp_port=port), intake), connected(port) as sender:
        sender.sendall(LINE % 1 + LINE % 2)
        until(intake.refusals)
    assert ("stopped", 2) in [(r.reason, r.rows) for r in intake.refusals()]


def test_strangers_are_not_heard(intake: MemoryIntake, running: Any, until: Any) -> None:
    tcp, udp = free_port(), free_port(socket.SOCK_DGRAM)
    with running(make(tcp_port=tcp, udp_port=udp, allow=["192.0.2.0/24"]), intake):
        with connected(tcp) as sender:
            assert sender.recv(1) == b""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(LINE % 1, ("127.0.0.1", udp))
            until(lambda: sum(r.rows for r in intake.refusals() if r.reason == "not_allowed") >= 2)
    assert intake.bodies() == []


def test_connections_have_a_bound_and_idle_ones_end(intake: MemoryIntake, running: Any, until: Any) -> None:
    port = free_port()
    with running(make(tcp_port=port, max_connections=1, idle_seconds=1.0), intake), connected(port) as first:
        first.sendall(LINE % 1)
        until(intake.bodies)
        with connected(port) as second:
            assert second.recv(1) == b""
        until(lambda: [r for r in intake.refusals() if r.reason == "too_many_connections"])
        assert first.recv(1) == b"", "closed for its silence"
        with connected(port) as third:
            third.sendall(LINE % 3)
            until(lambda: intake.bodies() == ["1", "3"])


def test_a_stream_that_cannot_be_cut_is_closed(intake: MemoryIntake, running: Any, until: Any) -> None:
    port = free_port()
    with running(make(tcp_port=port), intake), connected(port) as sender:
        sender.sendall(b"5 <34>x")
        until(intake.bodies)
        sender.sendall(b"no length")
        until(lambda: ended(sender))
        until(intake.refusals)
    assert [(r.reason, r.rows) for r in intake.refusals()] == [("bad_frame", 1)]


def test_an_address_in_use_is_told_of_and_tried_again(
    intake: MemoryIntake, running: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stormpetrel.adapters.sources.listen_ports.FIRST_WAIT_SECONDS", 0.1)
    other = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        source = make(tcp_port=port, udp_port=other)
        runner = running(source, intake)
        with runner:
            until(intake.refusals)
            refusal = intake.refusals()[0]
            assert (refusal.reason, refusal.rows) == ("cannot_listen", 0)
            assert f"TCP 127.0.0.1:{port}" in refusal.example
            assert "another program" in refusal.example
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:  # the other port works
                sender.sendto((LINE % 7).rstrip(), ("127.0.0.1", other))
                until(lambda: intake.bodies() == ["7"])
            taken.close()
            with connected(port) as stream:
                stream.sendall(LINE % 8)
                until(lambda: intake.bodies() == ["7", "8"])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of a server and a client signed by it."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for who in ("server", "client"):
        openssl("req", *new, "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{who}.csr", *signing, "-out", f"{who}.pem")
    return folder


def tls_source(certificates: Path, port: int, **more: Any) -> SyslogSource:
    return make(
        tls_port=port,
        certificate_file=str(certificates / "server.pem"),
        key_file=str(certificates / "server.key"),
        **more,
    )


def client_context(certificates: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates / "ca.pem"))


def test_tls(certificates: Path, intake: MemoryIntake, running: Any, until: Any) -> None:
    port = free_port()
    with running(tls_source(certificates, port), intake):
        with (
            connected(port) as plain,
            client_context(certificates).wrap_socket(plain, server_hostname="localhost") as sender,
        ):
            for n in range(300):
                message = (LINE % n).rstrip(b"\n")
                sender.sendall(b"%d %s" % (len(message), message))
            until(lambda: len(intake.bodies()) == 300)
        with connected(port) as plain:
            plain.sendall(b"this is no handshake\n\n")
            until(lambda: [r for r in intake.refusals() if r.reason == "tls_handshake"])
    assert intake.bodies() == [str(n) for n in range(300)]


def test_tls_with_client_certificates(
    certificates: Path, intake: MemoryIntake, running: Any, until: Any
) -> None:
    port = free_port()
    source = tls_source(certificates, port, client_ca_file=str(certificates / "ca.pem"))
    with running(source, intake):
        known = client_context(certificates)
        known.load_cert_chain(certificates / "client.pem", certificates / "client.key")
        with connected(port) as plain, known.wrap_socket(plain, server_hostname="localhost") as sender:
            sender.sendall(LINE % 1)
            until(lambda: intake.bodies() == ["1"])
        with (
            connected(port) as plain,
            client_context(certificates).wrap_socket(plain, server_hostname="localhost") as sender,
        ):
            sender.sendall(LINE % 2)
            assert ended(sender)
        until(lambda: [r for r in intake.refusals() if r.reason == "tls_handshake"])
    assert intake.bodies() == ["1"]


def test_tls_without_its_files_is_told_of(
    tmp_path: Path, intake: MemoryIntake, running: Any, until: Any
) -> None:
    source = make(tls_port=free_port(), certificate_file=str(tmp_path / "a"), key_file=str(tmp_path / "b"))
    with running(source, intake):
        until(intake.refusals)
    assert "No such file" in intake.refusals()[0].example


@pytest.mark.parametrize("kind", ["udp_port", "tcp_port"])
def test_contract(kind: str) -> None:
    def send(port: int) -> None:
        deadline = time.monotonic() + 4
        stream = socket.SOCK_STREAM if kind == "tcp_port" else socket.SOCK_DGRAM
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_INET, stream) as sender:
                try:
                    sender.connect(("127.0.0.1", port))
                    sender.sendall(LINE % 1)
                except OSError:
                    pass  # not listening yet, or no more
            time.sleep(0.1)

    def source() -> SyslogSource:
        port = free_port()
        threading.Thread(target=send, args=(port,), daemon=True).start()
        return make(**{kind: port})

    check_source(source)
