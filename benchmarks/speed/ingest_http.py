"""HTTP to acknowledged insert: remote write against a real `petrel up` in a process of its own.

    python benchmarks/speed/ingest_http.py [--series 200000] [--per-request 2000] [--ticks 20]

Prints samples per second of wall time and per second of the server's CPU time ("a core"), up to the
acknowledgement and up to the end of judging. `decode_remote_write.py` has the paired baseline.
"""

from __future__ import annotations

import argparse
import http.client
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil

from stormpetrel.model.signal import MetricKind
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, write_request
from stormpetrel.simulate.signals import MetricColumns, SeriesSpec

CONFIG = """
data_dir = "{data}"
[server]
port = {port}
[intake]
max_series_per_source = 1000000
[sources.host]
enabled = false
[sources.logs]
journald = false
files = []
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def bodies(series: int, per_request: int, ticks: int, rng: np.random.Generator) -> list[list[bytes]]:
    """Per tick the request bodies; 10 label pairs a series, as exporters have."""
    start = (time.time_ns() // 1_000_000_000 - ticks * 15) * 1_000_000_000
    fixed = (("cluster", "eu-1"), ("env", "prod"), ("job", "bench"), ("namespace", "shop"), ("zone", "b"))
    groups = []
    for first in range(0, series, per_request):
        specs = tuple(
            SeriesSpec(
                f"metric_{n % 200}",
                (*fixed, ("instance", f"10.0.{n // 250 % 250}.{n % 250}:9100"), ("pod", f"pod-{n}")),
                MetricKind.GAUGE,
            )
            for n in range(first, min(series, first + per_request))
        )
        groups.append(specs)
    made = []
    for tick in range(ticks):
        times = np.array([start + tick * 15_000_000_000])
        values = [rng.normal(100, 5, (1, len(specs))) for specs in groups]
        made.append(
            [write_request(MetricColumns(specs, times, v)) for specs, v in zip(groups, values, strict=True)]
        )
    return made


def send(port: int, token: str, todo: queue.Queue[bytes], failures: list[str]) -> None:
    """One connection, kept open; each request again until it is acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {**REMOTE_WRITE_HEADERS, "Authorization": f"Bearer {token}"}
    while True:
        try:
            body = todo.get_nowait()
        except queue.Empty:
            return
        while True:
            connection.request("POST", "/api/v1/write", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status < 300:
                break
            if answer.status not in (429, 503):
                failures.append(f"{answer.status} {text[:200]!r}")
                return
            time.sleep(0.2)


def run(series: int, per_request: int, ticks: int, connections: int) -> None:
    rng = np.random.default_rng(1)
    made = bodies(series, per_request, ticks + 1, rng)
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        config = Path(directory) / "petrel.toml"
        config.write_text(CONFIG.format(data=Path(directory) / "data", port=port))
        command = [sys.executable, "-m", "stormpetrel.cli.main", "up", "--config", str(config)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while True:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
            token = (Path(directory) / "data" / "ingest.token").read_text().strip()
            report(port, token, made[:1], connections, server.pid, "first sight of every series")
            report(port, token, made[1:], connections, server.pid, "known series")
            memory = psutil.Process(server.pid).memory_info().rss / 2**20
            print(f"server memory: {memory:.0f} MiB with {series} series")
        finally:
            server.terminate()
            server.wait(60)


def report(port: int, token: str, ticks: list[list[bytes]], connections: int, pid: int, name: str) -> None:
    todo: queue.Queue[bytes] = queue.Queue()
    for tick in ticks:
        for body in tick:
            todo.put(body)
    failures: list[str] = []
    before = samples_in(metrics_text(port))
    process = psutil.Process(pid)
    before_cpu, wall = sum(process.cpu_times()[:2]), time.perf_counter()
    threads = [threading.Thread(target=send, args=(port, token, todo, failures)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - wall
    cpu = sum(process.cpu_times()[:2]) - before_cpu
    rows = samples_in(metrics_text(port)) - before
    assert not failures, failures[:3]
    print(
        f"{name}: {rows:,} samples acknowledged in {wall:.2f} s, {cpu:.2f} s CPU: "
        f"{rows / wall:,.0f}/s, {rows / cpu:,.0f}/s a core"
    )
    while value_in(metrics_text(port), "petrel_judge_lag_seconds") > 0:
        time.sleep(0.1)
    whole = sum(process.cpu_times()[:2]) - before_cpu
    print(f"    ... and judged by every detector: {whole:.2f} s CPU, {rows / whole:,.0f}/s a core")


def metrics_text(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text


def value_in(text: str, name: str) -> float:
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def samples_in(text: str) -> int:
    return int(value_in(text, "petrel_samples_total"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200_000)
    parser.add_argument("--per-request", type=int, default=2000)
    parser.add_argument("--ticks", type=int, default=20)
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    run(given.series, given.per_request, given.ticks, given.connections)
