"""The bounds of OTLP over gRPC: size, number, time; its port and certificate; and its contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from tests.sources.grpc_calls import (
    CALLERS,
    PATH,
    TOKEN,
    Code,
    Running,
    Until,
    channel,
    export,
    refused,
    request,
    retry_seconds,
    source,
)

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources import otlp_grpc, otlp_grpc_export
from stormpetrel.app.config import Config
from stormpetrel.app.sources import build_receivers
from stormpetrel.errors import ConfigError
from stormpetrel.ports.intake import Intake
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.memory import MemoryIntake

pytestmark = pytest.mark.e2e


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


def test_messages_beyond_the_limit_are_refused(
    intake: MemoryIntake, running: Running, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_grpc, "MAX_MESSAGE_BYTES", 1000)
    one = source()
    with running(one, intake):
        until(lambda: one.port)
        with channel(one.port) as opened:
            error = refused(opened, request("x" * 2000))
            assert error.code() == Code.RESOURCE_EXHAUSTED
            assert retry_seconds(error) == 0.0, "to be sent again, it would have to be told when"
            export(opened, request("small"))
    assert intake.bodies() == ["small"]


def test_more_at_once_than_places_are_told_to_come_again(
    intake: MemoryIntake, running: Running, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_grpc_export, "MAX_AT_ONCE", 2)
    intake.hold()
    one = source()
    with running(one, intake), ThreadPoolExecutor(2) as senders:
        until(lambda: one.port)
        with channel(one.port) as opened:
            waiting = [senders.submit(export, opened, request(str(n))) for n in range(2)]
            until(lambda: intake.held == 2)
            error = refused(opened, request("late"))
            assert error.code() == Code.RESOURCE_EXHAUSTED
            assert retry_seconds(error) > 0
            intake.release()
            assert [one.result() for one in waiting] == [b"", b""]
            export(opened, request("late"))
    assert sorted(intake.bodies()) == ["0", "1", "late"]


def test_who_never_sends_is_dropped(
    intake: MemoryIntake, running: Running, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_grpc_export, "READ_SECONDS", 0.2)
    one = source()
    silent = threading.Event()
    with running(one, intake):
        until(lambda: one.port)
        with channel(one.port) as opened:

            def nothing() -> Iterator[bytes]:
                silent.wait(20)
                yield from ()

            with pytest.raises(grpc.RpcError) as caught:
                opened.stream_unary(PATH)(nothing(), metadata=TOKEN, timeout=15)
            silent.set()
            assert caught.value.code() == Code.CANCELLED
            export(opened, request("one"))


def test_a_stop_tells_who_waits_to_come_again(intake: MemoryIntake, running: Running, until: Until) -> None:
    intake.hold()
    one = source()
    with ThreadPoolExecutor(1) as senders:
        with running(one, intake):
            until(lambda: one.port)
            opened = grpc.insecure_channel(f"127.0.0.1:{one.port}")
            waiting = senders.submit(refused, opened, request("one"))
            until(lambda: intake.held == 1)
            began = time.monotonic()
        assert time.monotonic() - began < 5.0
        error = waiting.result()
        opened.close()
    assert error.code() == Code.UNAVAILABLE
    assert retry_seconds(error) > 0


def test_a_taken_port_is_reported_and_tried_again(
    intake: MemoryIntake, running: Running, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_grpc, "_FIRST_PAUSE_SECONDS", 0.05)
    first = source()
    with running(first, MemoryIntake()):
        until(lambda: first.port)
        second = source(first.port)
        with running(second, intake):
            until(lambda: len(intake.refusals()) > 1)
    assert {r.reason for r in intake.refusals()} == {"cannot_listen"}
    assert f":{second._config.port}" in intake.refusals()[0].example


class Sending:
    """A source to which somebody sends until it is acknowledged, as the suite wants something to be told."""

    name = "otlp_grpc"

    def __init__(self) -> None:
        self._source = source()

    def run(self, intake: Intake, stop: threading.Event) -> None:
        ended = threading.Event()
        sender = threading.Thread(target=self._send, args=(ended,))
        sender.start()
        try:
            self._source.run(intake, stop)
        finally:
            ended.set()
        sender.join()

    def _send(self, ended: threading.Event) -> None:
        while not ended.wait(0.02):
            if not self._source.port:
                continue
            with channel(self._source.port) as opened:
                try:
                    export(opened, request("hello"), timeout=1.0)
                    return
                except grpc.RpcError:
                    continue


def test_it_keeps_the_contract() -> None:
    check_source(Sending)


def test_it_listens_only_where_a_port_is_named() -> None:
    config = Config()
    assert build_receivers(config, {}, CALLERS.get, SystemClock()) == []
    on = Config.model_validate({"sources": {"otlp_grpc": {"port": 4317}}})
    ((kind, built),) = build_receivers(on, {}, CALLERS.get, SystemClock())
    assert (kind, built.name) == ("otlp_grpc", "otlp_grpc")


def test_a_missing_extra_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stormpetrel.adapters.sources.otlp_grpc", None)
    config = Config.model_validate({"sources": {"otlp_grpc": {"port": 4317}}})
    with pytest.raises(ConfigError, match=r"stormpetrel\[grpc\]"):
        build_receivers(config, {}, CALLERS.get, SystemClock())


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ConfigError, match="key_file"):
        source(certificate_file="cert.pem")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for localhost, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, which makes the certificate")
    files = (str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_tls(intake: MemoryIntake, running: Running, until: Until, certificate: tuple[str, str]) -> None:
    one = source(certificate_file=certificate[0], key_file=certificate[1])
    with running(one, intake):
        until(lambda: one.port)
        trust = grpc.ssl_channel_credentials(Path(certificate[0]).read_bytes())
        secure = grpc.secure_channel(f"127.0.0.1:{one.port}", trust)
        export(secure, request("one"))
        secure.close()
        with channel(one.port) as plain, pytest.raises(grpc.RpcError):
            export(plain, request("two"), timeout=2.0)
    assert intake.bodies() == ["one"]


def test_a_certificate_that_cannot_be_read_is_reported(
    intake: MemoryIntake, running: Running, until: Until
) -> None:
    with running(source(certificate_file="/nowhere/cert.pem", key_file="/nowhere/key.pem"), intake):
        until(intake.refusals)
    assert "/nowhere/" in intake.refusals()[0].example
