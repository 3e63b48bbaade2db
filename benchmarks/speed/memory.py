"""Memory under an hour of accelerated input: every series sends 240 samples, 15 s of event time apart.

    python benchmarks/speed/memory.py [--series 200000] [--ticks 240]

Prints the server's largest resident memory on the way, and what was stored.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.speed._load import send_all, server, templates


def run(series: int, ticks: int) -> None:
    rng = np.random.default_rng(1)
    groups = templates(series, 2000)
    start = (time.time_ns() // 10**9 - ticks * 15) * 10**9
    largest, began = 0.0, time.perf_counter()
    with server() as to:
        for tick in range(ticks):
            moment = start + tick * 15 * 10**9
            send_all(to, [g.body(moment, rng.normal(100, 5, g.count)) for g in groups], 32)
            largest = max(largest, to.memory_mib())
            if tick % 20 == 0:
                print(f"tick {tick}: {to.memory_mib():.0f} MiB", flush=True)
        to.wait_judged()
        seconds = time.perf_counter() - began
        print(
            f"{to.samples():,} samples of {series:,} series stored and judged in {seconds:.0f} s; "
            f"largest memory {max(largest, to.memory_mib()):.0f} MiB"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200_000)
    parser.add_argument("--ticks", type=int, default=240)
    given = parser.parse_args()
    run(given.series, given.ticks)
