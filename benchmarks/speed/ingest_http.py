"""HTTP to acknowledged insert: remote write against a real `petrel up` in a process of its own.

    python benchmarks/speed/ingest_http.py [--series 200000] [--per-request 2000] [--ticks 10]

Prints samples per second of wall time and per second of the server's CPU time ("a core"), up to the
acknowledgement and up to the end of judging. `decode_remote_write.py` has the paired baseline.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.speed._load import Server, send_all, server, templates


def run(series: int, per_request: int, ticks: int, connections: int) -> None:
    rng = np.random.default_rng(1)
    groups = templates(series, per_request)
    start = (time.time_ns() // 10**9 - ticks * 15) * 10**9
    made = [
        [group.body(start + tick * 15 * 10**9, rng.normal(100, 5, group.count)) for group in groups]
        for tick in range(ticks + 1)
    ]
    with server() as to:
        report(to, made[:1], connections, "first sight of every series")
        report(to, made[1:], connections, "known series")
        print(f"server memory: {to.memory_mib():.0f} MiB with {series} series")


def report(to: Server, ticks: list[list[bytes]], connections: int, name: str) -> None:
    rows, cpu, wall = -to.samples(), -to.cpu_seconds(), -time.perf_counter()
    send_all(to, [body for tick in ticks for body in tick], connections)
    wall += time.perf_counter()
    acknowledged = cpu + to.cpu_seconds()
    rows += to.samples()
    print(
        f"{name}: {rows:,} samples acknowledged in {wall:.2f} s, {acknowledged:.2f} s CPU: "
        f"{rows / wall:,.0f}/s, {rows / acknowledged:,.0f}/s a core"
    )
    to.wait_judged()
    cpu += to.cpu_seconds()
    print(f"    ... and judged by every detector: {cpu:.2f} s CPU, {rows / cpu:,.0f}/s a core")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200_000)
    parser.add_argument("--per-request", type=int, default=2000)
    parser.add_argument("--ticks", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    run(given.series, given.per_request, given.ticks, given.connections)
