"""HTTP to acknowledged insert: remote write against a real `petrel up`, in pairs with a naive parser.

    python benchmarks/speed/ingest_http.py [--series 200000] [--samples-per-request 2000 500] [--ticks 10]

Prints samples per second of wall time and per second of the server's CPU time ("a core"), for each size of
request: 2,000 samples, and 500, which is what Prometheus sent by default for long. The CPU time up to the
acknowledged insert is that of all threads but the two that judge what is stored already; the time with
judging is that of the whole process until all is judged. The baseline is the same server with a
straightforward decoder (`_naive.py`: protobuf, then Python rows), given the same requests right after; the
ratio is of samples a core, acknowledged.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.speed._load import Server, send_all, server, templates

PROGRAMS = {"storm petrel": "benchmarks.speed._petrel", "naive parser": "benchmarks.speed._naive"}
# Samples lie this far apart, beginning now: none is old, too far ahead, or missed before it came.
STEP_SECONDS = 5
# With fewer on their way the writer waits for more to come before it inserts, and wall time says only that.
IN_FLIGHT_ROWS = 100_000


def run(series: int, per_request: int, ticks: int, connections: int) -> None:
    """One pair."""
    rng = np.random.default_rng(1)
    groups = templates(series, per_request)
    start = time.time_ns() // 10**9 * 10**9
    made = [
        [group.body(start + tick * STEP_SECONDS * 10**9, rng.normal(100, 5, group.count)) for group in groups]
        for tick in range(ticks + 1)
    ]
    print(f"-- {series:,} series, {per_request} samples a request, {connections} connections")
    rates = []
    for name, program in PROGRAMS.items():
        with server(program=program) as to:
            report(to, made[:1], connections, f"{name}, first sight of every series")
            rates.append(report(to, made[1:], connections, f"{name}, known series"))
            print(f"    server memory: {to.memory_mib():.0f} MiB")
    print(f"paired ratio at {per_request} samples a request: {rates[0] / rates[1]:.2f}")


def report(to: Server, ticks: list[list[bytes]], connections: int, name: str) -> float:
    """Samples acknowledged a second of the server's CPU time."""
    rows, cpu, judging, wall = -to.samples(), -to.cpu_seconds(), -to.judging_seconds(), -time.perf_counter()
    send_all(to, [body for tick in ticks for body in tick], connections)
    wall += time.perf_counter()
    acknowledged = cpu + to.cpu_seconds() - (judging + to.judging_seconds())
    rows += to.samples()
    print(
        f"{name}: {rows:,} samples acknowledged in {wall:.2f} s, {acknowledged:.2f} s CPU: "
        f"{rows / wall:,.0f}/s, {rows / acknowledged:,.0f}/s a core"
    )
    to.wait_judged()
    cpu += to.cpu_seconds()
    print(f"    ... and judged by every detector: {cpu:.2f} s CPU, {rows / cpu:,.0f}/s a core")
    return rows / acknowledged


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200_000)
    parser.add_argument("--samples-per-request", type=int, nargs="+", default=[2000, 500])
    parser.add_argument("--ticks", type=int, default=10)
    parser.add_argument("--connections", type=int, default=0, help="0: enough to fill two inserts")
    given = parser.parse_args()
    for size in given.samples_per_request:
        run(given.series, size, given.ticks, given.connections or max(64, IN_FLIGHT_ROWS // size))
