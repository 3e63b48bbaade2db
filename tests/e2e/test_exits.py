"""How `petrel up` ends: plain messages, the documented exit codes, and nothing acknowledged lost."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.e2e.conftest import Petrel, free_port
from tests.e2e.sent import exported, now, send_samples

from stormpetrel.cli.serve import _listen
from stormpetrel.errors import ConfigError

pytestmark = pytest.mark.e2e


def last_words(petrel: Petrel) -> tuple[int, str]:
    """Exit code and message of a start that fails."""
    petrel.start(ready=False)
    assert petrel.process is not None
    code = petrel.process.wait(60)
    assert "Traceback" not in petrel.output
    return code, " ".join(petrel.output.split())


def test_an_unknown_key_is_named_with_the_nearest_one(petrel: Petrel) -> None:
    petrel.config = petrel.config.replace("port =", "prot =")
    code, words = last_words(petrel)
    assert code == 2
    assert "unknown key server.prot; did you mean server.port?" in words
    assert not (petrel.directory / "data").exists(), "nothing is made before the configuration is right"


def test_a_port_in_use_is_said_plainly(petrel: Petrel) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", petrel.port))
        other.listen()
        code, words = last_words(petrel)
    assert code == 2
    assert f"port {petrel.port} on 127.0.0.1 is in use by another program" in words
    assert "--port" in words


def test_a_port_is_claimed_at_once_and_not_when_all_is_ready() -> None:
    port = free_port()
    first = _listen("127.0.0.1", port)
    with first, pytest.raises(ConfigError, match="in use by another program"):
        _listen("127.0.0.1", port)


def test_a_data_directory_in_use_names_its_owner(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    assert petrel.process is not None
    (tmp_path / "other").mkdir()
    other = Petrel(tmp_path / "other", petrel.config.replace("{data}", str(tmp_path / "data")))
    code, words = last_words(other)
    assert code == 3
    assert f"already in use by process {petrel.process.pid}" in words
    assert petrel.is_ready(), "the owner is not disturbed"
    petrel.kill()
    assert other.start().stop() == 0, "a killed owner owns nothing"


def test_a_stop_under_load_loses_nothing_acknowledged(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    acknowledged: list[tuple[str, float]] = []
    ended = threading.Event()

    def send(name: str) -> None:
        number = 0.0
        while not ended.is_set():
            number += 1
            try:
                answer = send_samples(petrel, [name], [now()], [[number]])
            except httpx.TransportError:
                return
            if answer.is_success:
                acknowledged.append((name, number))
            else:
                assert answer.status_code in (429, 503), answer.text
                return

    senders = [threading.Thread(target=send, args=(f"sender_{n}",)) for n in range(8)]
    for sender in senders:
        sender.start()
    time.sleep(2)
    code = petrel.stop()
    ended.set()
    for sender in senders:
        sender.join(30)
    assert code == 0, petrel.output[-2000:]
    assert len(acknowledged) > 20
    stored = [(row["metric"], row["value"]) for row in exported(petrel, "samples", tmp_path / "s.parquet")]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
