"""How many log lines a CPU second the pattern engine takes, beside Drain3 in the same run where that is
installed.

The stream is mixed from all systems below the folder that `STORMPETREL_DATA` names (`logs/dev/*/*_2k.log`),
line by line, every number in a line written anew, so that hardly two lines are equal; without the folder it
is made up. CPU seconds of this process; each figure is the median of `--rounds`. Compilation is done
before.

    python benchmarks/speed/patterns.py [--lines 1000000] [--rounds 3] [--drain-lines 50000] [--json]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.model.pattern import LogLines
from stormpetrel.patterns.miner import TemplateMiner

BATCH = 8192
START = 1_700_000_000_000_000_000
_NUMBER = re.compile(r"(?<![\d.:-])\d{3,}(?![\d.:-])")


def systems() -> dict[str, list[str]]:
    """Lines by system."""
    folder = Path(os.environ.get("STORMPETREL_DATA", "/nonexistent"))
    found = {
        path.parent.name: path.read_text("utf-8", "replace").splitlines()
        for path in sorted(folder.glob("logs/dev/*/*_2k.log"))
    }
    return found or {
        f"made-up-{k}": [
            f"2024-01-01 00:00:{n % 60:02d} INFO part{k}: job {n} of user u{n % 9} took {n} ms"
            for n in range(2000)
        ]
        for k in range(10)
    }


def stream(lines: dict[str, list[str]], count: int) -> tuple[list[str], NDArray[np.int32], tuple[str, ...]]:
    """Lines, their source, and the names of the sources; the same for the same arguments."""
    rng = np.random.default_rng(7)
    names = tuple(lines)
    source = rng.integers(0, len(names), count).astype(np.int32)
    numbers = iter(rng.integers(10, 10**9, 64 * count // 16).astype(str).tolist() * 64)
    texts = []
    for index in source.tolist():
        own = lines[names[index]]
        line = own[int(rng.integers(len(own)))]
        texts.append(_NUMBER.sub(lambda match: next(numbers)[: len(match.group())], line))
    return texts, source, names


def batches(texts: list[str], source: NDArray[np.int32], names: tuple[str, ...]) -> list[LogLines]:
    out = []
    for first in range(0, len(texts), BATCH):
        part = slice(first, first + BATCH)
        n = len(texts[part])
        times = START + (first + np.arange(n, dtype=np.int64)) * 100_000
        out.append(
            LogLines(
                pa.array(texts[part], pa.string()), source[part], names, times,
                np.zeros(n, np.uint8), np.zeros(n, np.int32),
            )
        )  # fmt: skip
    return out


def rate(lines: int, run: Callable[[], object], rounds: int) -> float:
    """Lines per CPU second, the median of some rounds."""
    took = []
    for _ in range(rounds):
        begin = time.process_time()
        run()
        took.append(time.process_time() - begin)
    return lines / statistics.median(took)


def batched(parts: list[LogLines], cached: bool = True) -> TemplateMiner:
    miner = TemplateMiner(cached)
    for part in parts:
        miner.update(part)
    return miner


def one_by_one(texts: list[str], sources: list[str]) -> None:
    mine = TemplateMiner().mine
    now = START
    for text, source in zip(texts, sources, strict=True):
        now += 100_000
        mine(text, source, now)


def drain(texts: list[str], rounds: int) -> float | None:
    """Drain3 with its defaults; None where it is not installed."""
    try:
        template_miner = importlib.import_module("drain3")
        config = importlib.import_module("drain3.template_miner_config")
    except ImportError:
        return None

    def run() -> None:
        miner = template_miner.TemplateMiner(config=config.TemplateMinerConfig())
        for text in texts:
            miner.add_log_message(text)

    return rate(len(texts), run, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drain-lines", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    lines = systems()
    texts, source, names = stream(lines, args.lines)
    parts = batches(texts, source, names)
    batched(parts[:4])
    one_by_one(texts[:1000], [names[k] for k in source[:1000].tolist()])
    sources = [names[k] for k in source.tolist()]
    figures: dict[str, float | str | None] = {
        "batched": rate(len(texts), lambda: batched(parts), args.rounds),
        "one by one": rate(len(texts), lambda: one_by_one(texts, sources), args.rounds),
    }
    few = parts[: max(1, 100_000 // BATCH)]
    figures["no cache"] = rate(sum(map(len, few)), lambda: batched(few, cached=False), args.rounds)
    for name, own in lines.items():
        alone, index, only = stream({name: own}, 100_000)
        single = batches(alone, index, only)
        figures[f"batched, {name}"] = rate(100_000, partial(batched, single), args.rounds)
        figures[f"one by one, {name}"] = rate(
            50_000, partial(one_by_one, alone[:50_000], [name] * 50_000), args.rounds
        )
    figures["drain3"] = drain(texts[: args.drain_lines], 1)
    sizes = batched(parts).sizes()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if args.json:
        print(
            json.dumps(
                {"lines_per_cpu_second": figures, "patterns": sizes.patterns, "peak_mib": peak}, indent=1
            )
        )
        return
    for name, figure in figures.items():
        print(f"{name:28s}", "not installed" if figure is None else f"{figure:12,.0f} lines a CPU second")
    print(
        f"{len(texts):,} lines, {sizes.patterns} patterns, {sizes.skeletons} skeletons; peak {peak:.0f} MiB"
    )


if __name__ == "__main__":
    main()
