"""A server over HTTP: what goes wrong on the way, and what then becomes of an insert."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.store.conftest import ServerProgram

from stormpetrel.adapters.store import open_store
from stormpetrel.adapters.store.remote import open_remote
from stormpetrel.app.config import StoreConfig
from stormpetrel.errors import ConfigError, StoreError
from stormpetrel.testing.check_store_metrics import EVER
from stormpetrel.testing.store_samples import NOW, SECOND, numbered_logs, numbered_samples


@pytest.mark.parametrize(
    "url",
    ["ftp://host", "localhost:8123", "http://", "http://host:port", "http://host/a;b", "http://host/a b"],
)
def test_unusable_addresses_are_configuration_errors(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url"):
        open_remote(url)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"check store\.url"):
        open_remote("http://default:hidden-word@127.0.0.1:9/x")


@pytest.mark.e2e
def test_a_wrong_password_is_refused_and_never_shown(server: ServerProgram) -> None:
    with pytest.raises(StoreError) as refused:
        open_remote(server.url(password="hidden-word"))
    assert "AUTHENTICATION_FAILED" in str(refused.value)
    assert "hidden-word" not in str(refused.value)


@pytest.mark.e2e
def test_a_server_that_dies_and_returns_keeps_every_insert_once(
    server: ServerProgram, database: str, tmp_path: Path
) -> None:
    store = open_store(StoreConfig(url=server.url(database)), tmp_path)
    reached, failures = threading.Event(), 0

    def kill_twice() -> None:
        for _ in range(2):
            reached.wait(30)
            reached.clear()
            server.kill()
            server.start()

    killer = threading.Thread(target=kill_twice)
    killer.start()
    for number in range(30):
        if number in (10, 20):
            reached.set()
        for _ in range(20):
            try:
                store.insert_samples(numbered_samples(number), f"s{number}")
                store.insert_logs(numbered_logs(number), f"l{number}")
                break
            except StoreError:
                failures += 1
        else:
            raise AssertionError(f"batch {number} never got in")
    killer.join()
    counted = [len(chunk) for chunk in store.scan_samples(EVER, 1.0)]
    assert counted == [500] * 30
    assert [len(chunk) for chunk in store.scan_logs(EVER, 1.0)] == [50] * 30
    store.close()


@pytest.mark.e2e
def test_a_server_that_is_away_is_a_retryable_error(
    server: ServerProgram, database: str, tmp_path: Path
) -> None:
    store = open_store(StoreConfig(url=server.url(database)), tmp_path)
    store.insert_samples(numbered_samples(1), "before")
    server.kill()
    with pytest.raises(StoreError) as away:
        store.insert_samples(numbered_samples(2), "while away")
    assert away.value.retryable
    server.start()
    store.insert_samples(numbered_samples(2), "while away")
    found = store.scan_series([0], EVER)
    assert found.time_unix_nano.tolist() == [NOW + SECOND, NOW + 2 * SECOND]
    store.close()
