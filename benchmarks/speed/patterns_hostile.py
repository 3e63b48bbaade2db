"""Memory and use of the pattern engine under hostile variety: random words in every place, among regular
lines.

A tenth of the lines comes from three regular statements; the rest is made of random words: in one place, in
several, or everywhere, at random lengths. Prints what is held and how much the process grew, every million
lines, and at the end whether the regular lines still have their patterns.

    python benchmarks/speed/patterns_hostile.py [--lines 10000000]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pyarrow as pa

from stormpetrel.model.pattern import LogLines
from stormpetrel.patterns.miner import TemplateMiner

BATCH = 10_000
START = 1_700_000_000_000_000_000
REGULAR = ("disk {} is full", "backup of volume {} finished in {} ms", "user {} signed in")


def words(rng: np.random.Generator, count: int) -> list[str]:
    letters = rng.integers(97, 123, (count, 10), dtype=np.uint8)
    return [row.tobytes().decode() for row in letters]


def hostile(rng: np.random.Generator) -> list[str]:
    """One batch of lines."""
    fresh = iter(words(rng, BATCH * 8))
    kinds = rng.integers(0, 10, BATCH).tolist()
    numbers = rng.integers(0, 10**6, BATCH).tolist()
    lengths = rng.integers(1, 12, BATCH).tolist()
    out = []
    for kind, number, length in zip(kinds, numbers, lengths, strict=True):
        if kind == 0:
            out.append(REGULAR[number % 3].format(number, number * 7))
        elif kind < 4:
            out.append(f"session {next(fresh)} opened by {next(fresh)} from host {next(fresh)}")
        elif kind < 7:
            out.append(f"key {next(fresh)} not found in table orders")
        else:
            out.append(" ".join(next(fresh) for _ in range(min(length, 8))))
    return out


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000_000)
    lines = parser.parse_args().lines
    rng = np.random.default_rng(5)
    miner = TemplateMiner()
    miner.mine("warm up", "warm", START)
    nothing, severity = np.zeros(BATCH, np.int32), np.zeros(BATCH, np.uint8)
    before, spent = peak_mib(), 0.0
    for done in range(0, lines, BATCH):
        text = pa.array(hostile(rng), pa.string())
        times = START + (done + np.arange(BATCH, dtype=np.int64)) * 1_000_000
        begin = time.process_time()
        miner.update(LogLines(text, nothing, ("hostile",), times, severity, nothing))
        spent += time.process_time() - begin
        if (done + BATCH) % 1_000_000 == 0:
            print(f"{done + BATCH:,} lines, {(done + BATCH) / spent:,.0f} a CPU second,", end=" ")
            print(f"{peak_mib() - before:.0f} MiB more than at the start; {miner.sizes()}", flush=True)
    most = sorted(miner.patterns("hostile"), key=lambda pattern: -pattern.lines)[:12]
    for pattern in most:
        print(f"{pattern.lines:12,} {pattern.text}")


if __name__ == "__main__":
    main()
