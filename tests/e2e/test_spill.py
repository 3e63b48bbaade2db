"""A remote store that goes away, and a `kill -9` with a spill that is not empty: nothing lost, nothing
doubled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import CONFIG, Petrel, http_get, wait_until
from tests.e2e.test_kill import SERIES, Logs, Metrics, Sender, export
from tests.store.conftest import ServerProgram

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProgram]:
    program = ServerProgram(tmp_path / "clickhouse")
    yield program
    program.kill()


@pytest.fixture
def remote(petrel: Petrel, server: ServerProgram) -> Petrel:
    """A Storm Petrel whose store is that server."""
    petrel.config = f'{CONFIG}\n[store]\nurl = "{server.url()}"\n'
    return petrel.start()


def metric(petrel: Petrel, name: str) -> float:
    lines = http_get(f"{petrel.url}/metrics", timeout=10).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def spilled(petrel: Petrel) -> float:
    return metric(petrel, "petrel_spill_rows")


def test_a_store_that_dies_and_a_process_that_dies_lose_and_double_nothing(
    remote: Petrel, server: ServerProgram, tmp_path: Path
) -> None:
    stop = threading.Event()
    senders: list[Sender] = [Metrics(remote, "m", stop), Logs(remote, "l", stop)]
    for sender in senders:
        sender.start()

    def all_go_on() -> None:
        before = [sender.sent for sender in senders]
        wait_until(lambda: all(s.sent > b + 2 for s, b in zip(senders, before, strict=True)), 60)

    all_go_on()
    server.kill()
    wait_until(lambda: spilled(remote) > 0, 60)
    all_go_on()
    told = http_get(f"{remote.url}/readyz", timeout=10)
    assert told.status_code == 200
    assert "rows wait on disk" in told.json()["degraded"]
    about = remote.get("/api/v1/about")
    assert about.status_code in (200, 503), "the sizes of the tables are the store's to tell"

    server.start()
    wait_until(lambda: spilled(remote) == 0, 60, lambda: remote.output[-3000:])
    all_go_on()

    server.kill()
    wait_until(lambda: spilled(remote) > 0, 60)
    all_go_on()
    remote.kill()
    server.start()
    remote.start()
    wait_until(lambda: spilled(remote) == 0, 60, lambda: remote.output[-3000:])
    all_go_on()
    stop.set()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    assert http_get(f"{remote.url}/readyz", timeout=10).json() == {"status": "ready"}
    assert metric(remote, "petrel_spill_set_aside_total") == 0
    assert remote.stop() == 0
    samples = export(remote, "samples", tmp_path / "samples.parquet")
    assert len({(row["series"], row["labels"], row["value"]) for row in samples}) == len(samples)
    assert len(samples) == senders[0].sent * SERIES
    logs = export(remote, "logs", tmp_path / "logs.parquet")
    assert len({row["body"] for row in logs}) == len(logs)
    assert len(logs) == senders[1].sent * 20
