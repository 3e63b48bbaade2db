"""`kill -9` in the middle of ingest, twenty times: nothing acknowledged lost, nothing doubled."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.e2e.conftest import Petrel

from stormpetrel.model.signal import MetricKind
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, write_request
from stormpetrel.simulate.signals import MetricColumns, SeriesSpec

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

SERIES = 50


class Sender(threading.Thread):
    """Sends numbered requests, each again until it is acknowledged, as Prometheus and collectors do."""

    def __init__(self, petrel: Petrel, name: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.petrel, self.label, self.stop = petrel, name, stop
        self.sent = 0
        self.unanswered = 0

    def body(self, number: int) -> tuple[str, bytes, dict[str, str]]:
        raise AssertionError("a sender has a protocol")

    def run(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self.stop.is_set():
                path, body, headers = self.body(self.sent)
                while not self.post(client, path, body, headers):
                    self.unanswered += 1
                    time.sleep(0.05)
                self.sent += 1

    def post(self, client: httpx.Client, path: str, body: bytes, headers: dict[str, str]) -> bool:
        try:
            answer = client.post(
                self.petrel.url + path, content=body, headers={**headers, **self.petrel.auth}
            )
        except httpx.TransportError:
            return False
        assert answer.status_code < 400 or answer.status_code in (429, 503), answer.text
        return answer.status_code < 300


class Metrics(Sender):
    def body(self, number: int) -> tuple[str, bytes, dict[str, str]]:
        specs = tuple(
            SeriesSpec("sent", (("n", str(n)), ("sender", self.label)), MetricKind.GAUGE)
            for n in range(SERIES)
        )
        now = time.time_ns() // 1_000_000 * 1_000_000
        values = np.full((1, SERIES), float(number))
        return (
            "/api/v1/write",
            write_request(MetricColumns(specs, np.array([now]), values)),
            REMOTE_WRITE_HEADERS,
        )


class Logs(Sender):
    def body(self, number: int) -> tuple[str, bytes, dict[str, str]]:
        records = ",".join(
            f'{{"timeUnixNano":"{time.time_ns()}","body":{{"stringValue":"{self.label} {number} {n}"}}}}'
            for n in range(20)
        )
        text = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}'
        return "/v1/logs", text.encode(), {"Content-Type": "application/json"}


def export(petrel: Petrel, what: str, out: Path) -> list[dict[str, object]]:
    command = [
        sys.executable,
        "-m",
        "stormpetrel.cli.main",
        "export",
        "--what",
        what,
        "--from",
        "-1h",
        "--to",
        "now",
    ]
    command += ["--out", str(out), "--config", str(petrel.directory / "stormpetrel.toml")]
    subprocess.run(command, check=True, capture_output=True)
    rows: list[dict[str, object]] = pq.read_table(out).to_pylist()
    return rows


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.long)])
def test_kills_lose_and_double_nothing(petrel: Petrel, tmp_path: Path, kills: int) -> None:
    petrel.start()
    stop = threading.Event()
    senders: list[Sender] = [Metrics(petrel, f"m{n}", stop) for n in range(2)]
    senders += [Logs(petrel, f"l{n}", stop) for n in range(2)]
    for sender in senders:
        sender.start()
    pause = np.random.default_rng(5)
    for _ in range(kills):
        time.sleep(float(pause.uniform(0.3, 1.2)))
        petrel.kill()
        petrel.start()
    stop.set()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
        assert sender.sent > kills
    assert sum(sender.unanswered for sender in senders) > kills, "no request was ever interrupted"
    assert petrel.stop() == 0
    samples = export(petrel, "samples", tmp_path / "samples.parquet")
    wanted = sum(sender.sent for sender in senders[:2]) * SERIES
    assert len({(row["series"], row["labels"], row["value"]) for row in samples}) == wanted
    assert len(samples) == wanted
    logs = export(petrel, "logs", tmp_path / "logs.parquet")
    wanted = sum(sender.sent for sender in senders[2:]) * 20
    assert len({row["body"] for row in logs}) == wanted
    assert len(logs) == wanted
