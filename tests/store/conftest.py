"""Starting the small ClickHouse server of `clickhouse_http.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.postgres_server import PostgresServer

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW


class ServerProgram:
    """The server as a process of its own; `kill` is `kill -9`, `start` goes on with the same directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = 0
        self.start()

    def start(self) -> None:
        program = Path(__file__).with_name("clickhouse_http.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program), str(self._directory), str(self._port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self._port = int(lines.readline().split()[1])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def url(self, database: str = "stormpetrel", password: str = "secret") -> str:
        return f"http://default:{password}@127.0.0.1:{self._port}/{database}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProgram]:
    """One server for the tests of a module; they use databases of their own."""
    program = ServerProgram(tmp_path_factory.mktemp("clickhouse"))
    yield program
    program.kill()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """A database name for one test, unlike that of any other run."""
    letters = "".join(sign if sign.isalnum() else "_" for sign in request.node.name)
    return f"test_{os.getpid()}_{letters}"[:120]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests of a process; they use databases of their own."""
    found = PostgresServer()
    yield found
    found.stop()


@pytest.fixture
def postgres_url(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    """An empty database of one test."""
    letters = "".join(sign if sign.isalnum() else "_" for sign in request.node.name)
    return postgres.database(f"test_{letters}"[:60])


@pytest.fixture
def automation(tmp_path: Path) -> Iterator[SqlControlStore]:
    """An empty control store in `control.db` of the test's directory, whose clock stands at `NOW`."""
    store = open_control_store(f"sqlite:///{tmp_path / 'control.db'}", tmp_path, FakeClock(NOW))
    yield store
    store.close()
