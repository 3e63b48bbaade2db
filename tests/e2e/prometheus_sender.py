"""A real Prometheus scrapes a real node exporter and sends by remote write; what of it was stored."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyarrow.parquet as pq
from tests.e2e.conftest import Petrel, free_port, wait_until

PROMETHEUS = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{node}"]}}]
remote_write:
  - url: {url}/api/v1/write
    authorization: {{credentials: {token}}}
"""


class Prometheus:
    """The processes, started by `prometheus`."""

    def __init__(self, petrel: Petrel, folder: Path) -> None:
        node, self._port = free_port(), free_port()
        config = folder / "prometheus.yml"
        config.write_text(PROMETHEUS.format(node=node, url=petrel.url, token=petrel.token))
        self._tsdb = folder / "tsdb"
        self._exporter = subprocess.Popen(
            ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{node}"], stderr=subprocess.DEVNULL
        )
        with (folder / "prometheus.log").open("wb") as output:
            self._sender = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self._tsdb}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stderr=output,
            )

    def finish_scraping(self) -> None:
        """The target ends; when this returns, all that was scraped of it is sent."""
        self._exporter.send_signal(signal.SIGTERM)
        self._exporter.wait(20)
        ended = time.time()
        wait_until(lambda: self._sent_until(ended), 60)

    def _sent_until(self, seconds: float) -> bool:
        """Whether nothing waits in the queue, and what was scraped later (that the target is down) was sent:
        what waits in the write-ahead log is no part of the queue."""
        text = httpx.get(f"http://127.0.0.1:{self._port}/metrics").text
        names = ("queue_highest_sent_timestamp_seconds", "samples_pending")
        patterns = [rf"prometheus_remote_storage_{name}\{{[^}}]*\}} (\S+)" for name in names]
        numbers = [float(n) for pattern in patterns for n in re.findall(pattern, text)]
        return len(numbers) == 2 and numbers[0] > seconds and numbers[1] == 0

    def end(self) -> int:
        """Prometheus flushes its remote-write queue when it is asked to end; its exit code."""
        self._sender.send_signal(signal.SIGTERM)
        code = self._sender.wait(60)
        if self._exporter.poll() is None:
            self._exporter.kill()
            self._exporter.wait()
        return code

    def scraped(self) -> dict[tuple[str, int], float]:
        """Value by series and time, of all that Prometheus stored itself; once it ended."""
        command = ["promtool", "tsdb", "dump", str(self._tsdb)]
        dump = subprocess.run(command, capture_output=True, text=True, check=True)
        return dict(_prometheus_rows(dump.stdout))


@contextmanager
def prometheus(petrel: Petrel, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that sends until the end of the block."""
    one = Prometheus(petrel, folder)
    try:
        yield one
    finally:
        code = one.end()
    assert code == 0


def _prometheus_rows(dump: str) -> list[tuple[tuple[str, int], float]]:
    """`{__name__="up", job="node"} 1 1700000000000` a line; staleness markers are no samples."""
    rows = []
    for line in dump.splitlines():
        labels, value, stamp = re.findall(r"^(\{.*\}) (\S+) (\d+)$", line)[0]
        number = float(value)
        if not math.isnan(number):
            rows.append(((_canonical(labels), int(stamp)), number))
    return rows


def _canonical(labels: str) -> str:
    pairs = sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
    return ",".join(f"{name}={json.loads(chr(34) + value + chr(34))}" for name, value in pairs)


def exported_samples(petrel: Petrel, out: Path) -> list[tuple[tuple[str, int], float]]:
    command = [sys.executable, "-m", "stormpetrel.cli.main", "export", "--what", "samples"]
    command += [
        "--from",
        "-1h",
        "--to",
        "now",
        "--out",
        str(out),
        "--config",
        str(petrel.directory / "stormpetrel.toml"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    rows = pq.read_table(out).to_pylist()
    found = []
    for row in rows:
        pairs = {"__name__": row["metric"], **json.loads(row["labels"])}
        labels = ",".join(f"{name}={value}" for name, value in sorted(pairs.items()))
        found.append(((labels, row["time_unix_nano"] // 1_000_000), row["value"]))
    return found


def check_stored(petrel: Petrel, sender: Prometheus, folder: Path) -> None:
    """What Prometheus has is stored, each sample once; stops Storm Petrel."""
    assert petrel.stop() == 0
    wanted = sender.scraped()
    assert len(wanted) > 5000
    got = exported_samples(petrel, folder / "samples.parquet")
    assert len(got) == len({key for key, _ in got}), "a sample is stored twice"
    differing = wanted.items() ^ dict(got).items()
    assert not differing, f"{len(differing)} of {len(wanted)} differ: {sorted(differing)[:5]}"
