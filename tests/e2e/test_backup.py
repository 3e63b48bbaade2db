"""The restore drill: a real installation under load is backed up, put back elsewhere, and used there."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.browser import NAME, PASSWORD
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.sent import csrf, exported, person
from tests.e2e.test_kill import Logs, Metrics, Sender

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

LINES = 20  # log records of a request


def petrel_command(*arguments: object, code: int = 0) -> dict[str, Any]:
    """`petrel …` as a person types it, and its answer as JSON."""
    command = [sys.executable, "-m", "stormpetrel.cli.main", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout) if code == 0 else {"error": done.stderr}
    return told


def backup(petrel: Petrel, to: Path, *more: object) -> dict[str, Any]:
    return petrel_command("backup", "--to", to, "--config", petrel.directory / "stormpetrel.toml", *more)


def restored(archive: object, directory: Path) -> Petrel:
    """Another installation, made of a backup; not started."""
    directory.mkdir()
    petrel_command("restore", archive, "--data-dir", directory / "data")
    return Petrel(directory)


@contextmanager
def started(petrel: Petrel) -> Iterator[Petrel]:
    """It runs, and is gone at the end however that comes."""
    try:
        yield petrel.start()
    finally:
        if petrel.process is not None and petrel.process.poll() is None:
            petrel.kill()


def raise_alert(petrel: Petrel) -> str:
    """An alert of another system that opens an incident; the incident's id."""
    labels = {"alertname": "DiskFull", "instance": "db-1", "severity": "critical"}
    alert = {"status": "firing", "labels": labels, "annotations": {}, "fingerprint": "f1",
             "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "endsAt": ""}  # fmt: skip
    body = {"version": "4", "status": "firing", "receiver": "x", "alerts": [alert]}
    answer = httpx.post(f"{petrel.url}/hooks/alertmanager", json=body, headers=petrel.auth, timeout=30)
    assert answer.status_code == 200, answer.text
    wait_until(lambda: bool(incidents(petrel)), 60, lambda: petrel.output[-3000:])
    return str(incidents(petrel)[0]["incident_id"])


def incidents(petrel: Petrel) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = petrel.get("/api/v1/incidents").json()["incidents"]
    return found


def sign_in(petrel: Petrel) -> int:
    """Whether the person's password is still good there."""
    with httpx.Client(base_url=petrel.url, headers={"Origin": petrel.url}, timeout=60) as client:
        page = client.get("/sign-in").text
        answer = client.post("/sign-in", data={"name": NAME, "password": PASSWORD} | csrf(page))
        return 200 if answer.status_code == 303 and client.get("/").status_code == 200 else answer.status_code


def sums_of(database: Path) -> dict[str, tuple[int, str]]:
    """Rows and checksum of every table of a SQLite file, whatever tables it has."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {}
    for name in names:
        rows = sorted(repr(row) for row in connection.execute(f'SELECT * FROM "{name}"'))
        found[name] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
    connection.close()
    return found


def requests_of(rows: list[dict[str, Any]]) -> Counter[str]:
    """How many lines of each request of a sender of logs are there."""
    return Counter(re.sub(r" [0-9]+$", "", row["body"]) for row in rows if row["body"].startswith("sender-"))


def test_while_it_runs_and_takes_in_nothing_is_lost_doubled_or_torn(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    with person(petrel):
        pass
    incident = raise_alert(petrel)
    stop = threading.Event()
    senders: list[Sender] = [Metrics(petrel, "metrics", stop), Logs(petrel, "sender-1", stop),
                             Logs(petrel, "sender-2", stop)]  # fmt: skip
    for sender in senders:
        sender.start()
    wait_until(lambda: min(sender.sent for sender in senders) > 20, 60)
    acknowledged = {sender.label: sender.sent for sender in senders}
    told = backup(petrel, tmp_path, "--keep", 2)
    after = {sender.label: sender.sent + 1 for sender in senders}
    wait_until(lambda: all(sender.sent > after[sender.label] for sender in senders), 60)  # it goes on
    stop.set()
    for sender in senders:
        sender.join(30)
    assert petrel.get("/readyz").status_code == 200
    assert not list((petrel.directory / "data" / "snapshots").iterdir())

    with started(restored(told["archive"], tmp_path / "other")) as other:
        assert incident in {one["incident_id"] for one in incidents(other)}
        assert sign_in(other) == 200
        tokens = [(one.directory / "data" / "ingest.token").read_text() for one in (petrel, other)]
        assert tokens[0] == tokens[1]
        late = Logs(other, "sender-3", stop)
        with httpx.Client(timeout=30) as client:
            assert late.post(client, *late.body(0))
        assert other.stop() == 0
    rows = exported(other, "logs", tmp_path / "logs.parquet")
    found = requests_of(rows)
    assert set(found.values()) == {LINES}  # each request whole, and once
    for label in ("sender-1", "sender-2"):
        numbers = sorted(int(name.split()[1]) for name in found if name.startswith(f"{label} "))
        assert numbers == list(range(len(numbers)))  # in order, without a gap
        assert acknowledged[label] <= len(numbers) <= after[label] + 1
    samples = exported(other, "samples", tmp_path / "samples.parquet")
    of_series = Counter(row["labels"] if "labels" in row else row["series"] for row in samples)
    assert min(of_series.values()) >= acknowledged["metrics"]
    # No log of either installation holds a secret.
    for one in (petrel, other):
        for path in (one.directory / "data").glob("*.token"):
            assert path.read_text().strip() not in one.output


def test_while_it_is_stopped_every_table_comes_back_to_the_last_row(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    with person(petrel):
        pass
    raise_alert(petrel)
    stop = threading.Event()
    for sender in (Metrics(petrel, "metrics", stop), Logs(petrel, "sender-1", stop)):
        with httpx.Client(timeout=30) as client:
            for number in range(5):
                assert sender.post(client, *sender.body(number))
    assert petrel.stop() == 0
    told = backup(petrel, tmp_path / "a.tar")
    assert petrel_command("backup", "verify", tmp_path / "a.tar")["files"] == told["files"]
    before = sums_of(petrel.directory / "data" / "control.sqlite")
    other = restored(tmp_path / "a.tar", tmp_path / "other")
    assert sums_of(other.directory / "data" / "control.sqlite") == before
    assert before["users"][0] == 1
    (other.directory / "stormpetrel.toml").write_text(
        other.config.format(data=other.directory / "data", port=other.port)
    )
    for what in ("samples", "logs", "findings", "series"):
        mine = exported(petrel, what, tmp_path / f"mine-{what}.parquet")
        theirs = exported(other, what, tmp_path / f"theirs-{what}.parquet")
        assert sorted(map(repr, mine)) == sorted(map(repr, theirs)), what
        assert mine or what == "findings", what
    assert told["telemetry_rows"]["logs"] == 5 * LINES
    # The same file again is refused, and so is a folder that is in use.
    assert (
        "exists and is not replaced"
        in petrel_command(
            "backup", "--to", tmp_path / "a.tar", "--config", petrel.directory / "stormpetrel.toml", code=1
        )["error"]
    )
    assert (
        "is not empty"
        in petrel_command("restore", tmp_path / "a.tar", "--data-dir", other.directory / "data", code=1)[
            "error"
        ]
    )
    with started(other):
        assert sign_in(other) == 200
        assert len(incidents(other)) == before["incidents"][0]
