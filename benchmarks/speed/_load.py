"""A remote-write load for benchmarks: requests encoded once, then patched for every tick."""

from __future__ import annotations

import http.client
import os
import queue
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cramjam
import httpx
import numpy as np
import psutil
from benchmarks.speed._threads import thread_seconds
from numpy.typing import NDArray

from stormpetrel.model.signal import MetricKind
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, varint, write_request
from stormpetrel.simulate.signals import MetricColumns, SeriesSpec

CONFIG = """
data_dir = "{data}"
log_level = "warning"
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
MARK = struct.pack("<d", 123456.789)
FIXED = (("cluster", "eu-1"), ("env", "prod"), ("job", "bench"), ("namespace", "shop"), ("zone", "b"))


class Template:
    """One request of gauges whose values and times can be set without encoding the labels again."""

    def __init__(self, first: int, count: int) -> None:
        self.count = count
        specs = tuple(
            SeriesSpec(
                f"metric_{n % 200}",
                (*FIXED, ("instance", f"10.0.{n // 250 % 250}.{n % 250}:9100"), ("pod", f"pod-{n}")),
                MetricKind.GAUGE,
            )
            for n in range(first, first + count)
        )
        marked = MetricColumns(specs, np.array([time.time_ns()]), np.full((1, count), 123456.789))
        raw = bytes(cramjam.snappy.decompress_raw(write_request(marked)))
        places, at = [], raw.find(MARK)
        while at >= 0:
            places.append(at)
            at = raw.find(MARK, at + 8)
        assert len(places) == count
        self._raw = np.frombuffer(raw, np.uint8).copy()
        self._values = np.array(places)[:, None] + np.arange(8)
        self._times = np.array(places)[:, None] + 9 + np.arange(6)

    def body(self, time_unix_nano: int, values: NDArray[np.float64]) -> bytes:
        """The request, compressed."""
        self._raw[self._values] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
        self._raw[self._times] = np.frombuffer(varint(time_unix_nano // 1_000_000), np.uint8)
        return bytes(cramjam.snappy.compress_raw(self._raw.tobytes()))


def templates(series: int, per_request: int) -> list[Template]:
    return [Template(n, min(per_request, series - n)) for n in range(0, series, per_request)]


@dataclass
class Server:
    """A real `petrel up` in a process of its own."""

    port: int
    token: str
    process: psutil.Process

    def metrics(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=60).text

    def value(self, name: str) -> float:
        return float(
            next(line.split()[1] for line in self.metrics().splitlines() if line.startswith(name + " "))
        )

    def samples(self) -> int:
        return int(self.value("petrel_samples_total"))

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def judging_seconds(self) -> float:
        """Processor time of the threads that work on what is stored already; 0 where it cannot be told."""
        spent = thread_seconds(self.process.pid, os.sysconf("SC_CLK_TCK"))
        return spent.get("judge", 0.0) + spent.get("deriver", 0.0)

    def memory_mib(self) -> float:
        return float(self.process.memory_info().rss / 2**20)

    def wait_judged(self) -> None:
        while self.value("petrel_judge_lag_seconds") > 0:
            time.sleep(0.1)


@contextmanager
def server(config: str = CONFIG, program: str = "benchmarks.speed._petrel") -> Iterator[Server]:
    """A server on a free port, in a directory of its own that goes with it."""
    with tempfile.TemporaryDirectory() as directory, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
        taken.close()
        path = Path(directory) / "petrel.toml"
        path.write_text(config.format(data=Path(directory) / "data", port=port))
        command = [sys.executable, "-m", program, "up", "--config", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2])
        try:
            while not answers(port):
                time.sleep(0.2)
            token = (Path(directory) / "data" / "ingest.token").read_text().strip()
            yield Server(port, token, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(120)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def send_all(to: Server, bodies: list[bytes], connections: int) -> None:
    """Send requests over kept-open connections, each again until it is acknowledged."""
    todo: queue.Queue[bytes] = queue.Queue()
    for body in bodies:
        todo.put(body)
    failures: list[str] = []
    threads = [threading.Thread(target=_sender, args=(to, todo, failures)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]


def _sender(to: Server, todo: queue.Queue[bytes], failures: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", to.port, timeout=60)
    headers = {**REMOTE_WRITE_HEADERS, "Authorization": f"Bearer {to.token}"}
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
