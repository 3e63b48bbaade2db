"""Two executors on one PostgreSQL: one is killed in the middle of its runs, the other finishes them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.act.kill_world import HERE, Figures, check, proposed, target, waited
from tests.store.postgres_server import PostgresServer

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.model.run import RunState
from stormpetrel.ports.automation import AutomationStore

RUNS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    found = PostgresServer()
    yield found
    found.stop()


def driver(control_url: str, durable_url: str, folder: Path, name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.act.kill_driver", control_url, durable_url, str(folder), name]
    return subprocess.Popen(command, cwd=HERE.parent.parent)


def holder(store: AutomationStore) -> str:
    """Who holds the lease, as the ledger has it."""
    return str([one for one in store.ledger(limit=10_000) if one.kind == "lease"][-1].body)


def ended(store: AutomationStore) -> int:
    return len(store.list_runs([RunState.FINISHED, RunState.COMPENSATED, RunState.ESCALATED], limit=1000))


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_the_other_executor_finishes_what_a_killed_one_had_in_hand(server: PostgresServer) -> None:
    url = server.database("takeover")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        store = open_control_store(url, key_dir=folder)
        names = proposed(store, RUNS, seed=5)
        with target(folder):
            drivers = {name: driver(url, url, folder, name) for name in ("first", "second")}
            try:
                waited(lambda: any(run.records for run in store.list_runs(limit=1000)))
                waited(lambda: ended(store) >= 1)
                leader = "first" if '"first"' in holder(store) else "second"
                other = "second" if leader == "first" else "first"
                drivers[leader].kill()
                assert drivers[leader].wait() == -signal.SIGKILL
                assert ended(store) < RUNS, "it was killed when all was over"
                at = time.monotonic()
                assert drivers[other].wait(120) == 0
                assert time.monotonic() - at < 100
                assert f'"{other}"' in holder(store)
            finally:
                for process in drivers.values():
                    if process.poll() is None:
                        os.kill(process.pid, signal.SIGKILL)
                        process.wait()
        figures = Figures(RUNS)
        check(store, folder, names, figures)
        store.close()
    assert not figures.wrong
    assert sum(figures.ends.values()) == RUNS
