"""A full disk: senders are told to come back, people still see the page, and it ends without a restart."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.sent import csrf, exported, log_request, now, person, send_logs, send_samples

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a file system needs root"
    ),
]

NAMES = [f"series_{n}" for n in range(500)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 MiB where the data directory will be."""
    path = tmp_path / "data"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(path)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this machine does not let us mount a file system: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all that is left, to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


class Numbered:
    """Sends numbered samples and log records; `acknowledged` counts rounds, by kind."""

    def __init__(self, petrel: Petrel) -> None:
        self.petrel = petrel
        self.samples: list[float] = []
        self.logs: list[str] = []
        self.answers: list[httpx.Response] = []
        self.unanswered_samples: tuple[int, float] | None = None
        self.unanswered_log: tuple[bytes, str] | None = None
        self.number = 0

    def round(self) -> bool:
        """One request of each kind, the last one again when it was refused; true when both were taken."""
        self.number += 1
        stamp, value = self.unanswered_samples or (now(), float(self.number))
        text = f"record {self.number}"
        body, text = self.unanswered_log or (log_request([text]), text)
        samples = send_samples(self.petrel, NAMES, [stamp], [[value] * len(NAMES)])
        logs = send_logs(self.petrel, body)
        self.answers += [samples, logs]
        self.unanswered_samples = None if samples.is_success else (stamp, value)
        self.unanswered_log = None if logs.is_success else (body, text)
        if samples.is_success:
            self.samples.append(value)
        if logs.is_success:
            self.logs.append(text)
        return samples.is_success and logs.is_success


@pytest.fixture
def petrel_on_small_disk(petrel: Petrel, small_disk: Path) -> Iterator[Petrel]:
    """Ended before its disk goes away."""
    yield petrel
    if petrel.process is not None and petrel.process.poll() is None:
        petrel.kill()


def test_a_full_disk_refuses_senders_until_there_is_room(
    petrel_on_small_disk: Petrel, small_disk: Path, tmp_path: Path
) -> None:
    petrel = petrel_on_small_disk.start()
    sender = Numbered(petrel)
    assert sender.round()
    with person(petrel) as admin:
        ballast = fill(small_disk)
        check_full(sender, admin)
        ballast.unlink()
    wait_until(sender.round, 30, lambda: sender.answers[-1].text)
    for _ in range(3):
        assert sender.round(), sender.answers[-1].text
    assert petrel.stop() == 0, petrel.output[-3000:]
    stored = [(row["metric"], row["value"]) for row in exported(petrel, "samples", tmp_path / "s.parquet")]
    assert sorted(stored) == sorted((name, value) for value in sender.samples for name in NAMES)
    bodies = [row["body"] for row in exported(petrel, "logs", tmp_path / "l.parquet")]
    assert sorted(bodies) == sorted(sender.logs)


def check_full(sender: Numbered, admin: httpx.Client) -> None:
    """Every sender is told to come back, and everybody else is answered."""
    petrel = sender.petrel
    for _ in range(8):
        sender.round()
        time.sleep(0.2)
    refused = [answer for answer in sender.answers if not answer.is_success]
    assert len(refused) > 8
    for answer in refused:
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["reason"] == "store_full"
        assert answer.json()["error"]["retryable"]
        assert int(answer.headers["retry-after"]) > 0
    assert petrel.get("/readyz").status_code in (200, 503)
    for path in ("/healthz", "/api/v1/now", "/api/v1/incidents", "/api/v1/about", "/metrics"):
        assert petrel.get(path).status_code == 200, path
    for path in ("/", "/incidents", "/logs", "/quality", "/about"):
        assert admin.get(path).status_code == 200, path
    failing = {s["name"]: s for s in petrel.get("/api/v1/now").json()["sources"]}
    assert {source["state"] for source in failing.values()} == {"failing"}
    for source in failing.values():
        assert source["last_error"].startswith("store_full: "), source
    form = csrf(admin.get("/settings/tokens").text)
    made = admin.post("/settings/tokens", data={"name": "one", "scope": "read", **form})
    assert made.status_code in (200, 503), "kept or refused, never broken"
