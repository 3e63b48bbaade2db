"""Both ways to connect keep the whole contract of the telemetry store."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.conftest import ServerProgram

from stormpetrel.adapters.store import open_store
from stormpetrel.app.config import StoreConfig
from stormpetrel.ports.store import TelemetryStore
from stormpetrel.testing.check_store import STORE_CHECKS, check_store, check_survives_kill

Check = Callable[[Callable[[], TelemetryStore]], None]
every_check = pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: str(check.__name__))

_WRITER = """
import sys, pathlib
from stormpetrel.adapters.store import open_store
from stormpetrel.app.config import StoreConfig
from stormpetrel.testing.check_store import write_forever
config = StoreConfig(url=sys.argv[2])
write_forever(open_store(config, pathlib.Path(sys.argv[1])), int(sys.argv[3]))
"""


@every_check
def test_in_process(check: Check, tmp_path: Path) -> None:
    check(lambda: open_store(StoreConfig(), tmp_path))


def test_in_process_survives_kill(tmp_path: Path) -> None:
    writer = [sys.executable, "-c", _WRITER, str(tmp_path), ""]
    check_survives_kill(lambda: open_store(StoreConfig(), tmp_path), writer)


@pytest.mark.e2e
@every_check
def test_over_http(check: Check, server: ServerProgram, database: str, tmp_path: Path) -> None:
    check(lambda: open_store(StoreConfig(url=server.url(database)), tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
def test_over_http_survives_kill(server: ServerProgram, database: str, tmp_path: Path) -> None:
    url = server.url(database)
    writer = [sys.executable, "-c", _WRITER, str(tmp_path), url]
    check_survives_kill(lambda: open_store(StoreConfig(url=url), tmp_path), writer)


@pytest.mark.e2e
def test_on_a_real_server(tmp_path: Path) -> None:
    """With STORMPETREL_TEST_CLICKHOUSE_URL, http://user:password@host:8123, on databases `test_…`."""
    url = os.environ.get("STORMPETREL_TEST_CLICKHOUSE_URL", "").rstrip("/")
    if not url:
        pytest.skip("set STORMPETREL_TEST_CLICKHOUSE_URL to run the contract against a real ClickHouse")
    run = f"test_{os.getpid()}"
    check_store(lambda name: open_store(StoreConfig(url=f"{url}/{run}_{name}"), tmp_path))
