"""The telemetry store: rows inserted a second, bytes a sample, and how long the usual reads take.

The baseline is a SQLite table (WITHOUT ROWID, primary key series and time, WAL, synchronous NORMAL) that
gets one batch in every twenty; insert times are paired batch by batch, and the ratio is their median.

    python benchmarks/speed/store_samples.py [--series 10000] [--steps 4000] [--batch 50000]
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from stormpetrel.adapters.store import ClickHouseStore, open_store
from stormpetrel.app.config import StoreConfig
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import Window

START = 1_700_000_000_000_000_000
STEP = 15_000_000_000
BASELINE_EVERY = 20


def batches(series: int, steps: int, rows: int) -> Iterator[MetricBatch]:
    """Samples as they arrive: a round of all series every 15 s (with a sender's jitter of milliseconds),
    half gauges that wander in hundredths, a quarter counters, a quarter constant."""
    rng = np.random.default_rng(7)
    ids = np.arange(series, dtype=np.uint32)
    jitter = rng.integers(0, STEP, series)
    level = rng.uniform(10, 1000, series)
    held: list[MetricBatch] = []
    for step in range(steps):
        moves = np.where(
            ids % 4 < 2, rng.normal(0, 0.5, series), np.where(ids % 4 == 2, rng.poisson(20, series), 0)
        )
        level += moves
        times = START + step * STEP + jitter + rng.integers(0, 20, series) * 1_000_000
        held.append(MetricBatch(ids, times.astype(np.int64), np.round(level, 2)))
        if sum(map(len, held)) >= rows or step == steps - 1:
            whole, held = MetricBatch.concat(held), []
            for first in range(0, len(whole), rows):
                yield whole.take(np.arange(first, min(first + rows, len(whole))))


def milliseconds(call: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and worst of some calls, in milliseconds."""
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        call()
        taken.append((time.perf_counter() - before) * 1e3)
    return statistics.median(taken), max(taken)


def insert(store: ClickHouseStore, baseline: sqlite3.Connection, args: argparse.Namespace) -> None:
    """Insert everything, every twentieth batch into the baseline as well."""
    taken, ratios, rows = [], [], 0
    for place, batch in enumerate(batches(args.series, args.steps, args.batch)):
        before = time.perf_counter()
        store.insert_samples(batch, f"batch-{place}")
        taken.append(time.perf_counter() - before)
        rows += len(batch)
        if place % BASELINE_EVERY == 0:
            columns = (batch.series.tolist(), batch.time_unix_nano.tolist(), batch.value.tolist())
            before = time.perf_counter()
            with baseline:
                baseline.executemany("INSERT INTO samples VALUES (?, ?, ?)", zip(*columns, strict=True))
            ratios.append((time.perf_counter() - before) / taken[-1])
    worst = sorted(taken)[int(len(taken) * 0.99)]
    print(f"rows {rows:,} in {len(taken):,} inserts: {rows / sum(taken):,.0f} rows/s while inserting")
    print(f"one insert: median {statistics.median(taken) * 1e3:.1f} ms, p99 {worst * 1e3:.1f} ms")
    print(f"ratio to SQLite, paired, median of {len(ratios)}: {statistics.median(ratios):.1f} x as fast")


def reads(store: ClickHouseStore, series: int, end: int) -> None:
    """The reads of the page and of a restart."""
    rng = np.random.default_rng(8)
    week = Window(end - 7 * 86_400 * 1_000_000_000, end)
    hour = Window(end - 3600 * 1_000_000_000, end)
    few = rng.integers(0, series, 20).tolist()
    asked: dict[str, tuple[Callable[[], object], int]] = {
        "read_points, 7 days, 1,000 points": (
            lambda: store.read_points(int(rng.integers(series)), week, 1000), 50),
        "read_points, 7 days, raw": (lambda: store.read_points(int(rng.integers(series)), week, 100_000), 50),
        "read_points, 1 hour": (lambda: store.read_points(int(rng.integers(series)), hour, 1000), 50),
        "scan_series, 20 series, 1 hour": (lambda: store.scan_series(few, hour), 20),
        "last_samples, 2 hours": (lambda: store.last_samples(end - 7200 * 1_000_000_000), 3),
        "scan_samples, 1 hour": (lambda: sum(len(chunk) for chunk in store.scan_samples(hour)), 2),
    }  # fmt: skip
    for name, (call, times) in asked.items():
        median, worst = milliseconds(call, times)
        print(f"{name}: median {median:.1f} ms, worst of {times} {worst:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--batch", type=int, default=50_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        baseline = sqlite3.connect(Path(directory) / "baseline.db")
        baseline.execute("PRAGMA journal_mode = WAL")
        baseline.execute("PRAGMA synchronous = NORMAL")
        baseline.execute(
            "CREATE TABLE samples (series INTEGER, time INTEGER, value REAL, PRIMARY KEY (series, time))"
            " WITHOUT ROWID"
        )
        store = open_store(StoreConfig(), Path(directory))
        insert(store, baseline, args)
        held = {size.table: size for size in store.table_sizes()}["samples"]
        print(f"bytes a sample right after: {held.bytes_on_disk / held.rows:.2f}")
        reads(store, args.series, START + args.steps * STEP)
        time.sleep(15)
        held = {size.table: size for size in store.table_sizes()}["samples"]
        print(f"bytes a sample after 15 s of merges: {held.bytes_on_disk / held.rows:.2f}")
        reads(store, args.series, START + args.steps * STEP)
        store.close()


if __name__ == "__main__":
    main()
