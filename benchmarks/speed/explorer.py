"""The metric explorer's server time: one series over seven days among ten thousand.

    python benchmarks/speed/explorer.py [--series 10000] [--interval 60]

Fills a store with seven days of all series, then times what the page asks for: 4,000 points of one
series, without and with its expected band (which is recomputed from eight days of raw samples). The
baseline is reading the raw samples of that series and averaging them in Python.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stormpetrel.app.config import Config
from stormpetrel.app.config_sources import HostSourceConfig, LogSourceConfig, SourcesConfig
from stormpetrel.app.runtime import Runtime
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import Window, from_seconds

DAYS = 8
BATCH_TICKS = 100


def fill(runtime: Runtime, series: int, interval: float, end: int) -> int:
    """Series that wave with the day; returns the number of samples."""
    rng = np.random.default_rng(3)
    ids = np.array(
        [
            runtime.registry.intern("load", {"host": f"h{n}"}, "bench", MetricKind.GAUGE)
            for n in range(series)
        ],
        np.uint32,
    )
    runtime.store.insert_series(runtime.registry.fresh())
    ticks = int(DAYS * 86400 / interval)
    for first in range(0, ticks, BATCH_TICKS):
        span = np.arange(first, min(ticks, first + BATCH_TICKS))
        times = end - from_seconds(DAYS * 86400) + span * from_seconds(interval)
        wave = 50 + 20 * np.sin(times / from_seconds(86400) * 2 * np.pi)
        value = (wave[:, None] + rng.normal(0, 2, (len(span), series))).ravel()
        batch = MetricBatch(np.tile(ids, len(span)), np.repeat(times, series).astype(np.int64), value)
        runtime.store.insert_samples(batch, f"fill-{first}")
    return ticks * series


Ask = Callable[[int], object]


def timed(asks: dict[str, Ask], series: int, runs: int = 40) -> None:
    """Median and 95th percentile of each over random series, taken in turn so that all meet the same load."""
    rng = np.random.default_rng(4)
    took: dict[str, list[float]] = {name: [] for name in asks}
    for chosen in rng.integers(0, series, runs):
        for name, ask in asks.items():
            start = time.perf_counter()
            ask(int(chosen))
            took[name].append((time.perf_counter() - start) * 1000)
    *_, baseline = took.values()
    for name, times in took.items():
        ratio = statistics.median(a / b for a, b in zip(times, baseline, strict=True))
        tail = float(np.quantile(times, 0.95))
        print(
            f"{name}: median {statistics.median(times):.0f} ms, 95th percentile {tail:.0f} ms, x{ratio:.2f}"
        )


def naive(runtime: Runtime, chosen: int, window: Window) -> list[float]:
    batch = runtime.store.scan_series([chosen], window)
    cells: dict[int, list[float]] = {}
    step = (window.end_unix_nano - window.start_unix_nano) // 4000
    for moment, value in zip(batch.time_unix_nano.tolist(), batch.value.tolist(), strict=True):
        cells.setdefault(moment // step, []).append(value)
    return [sum(values) / len(values) for values in cells.values()]


def run(series: int, interval: float) -> None:
    end = time.time_ns() // 10**9 * 10**9
    with tempfile.TemporaryDirectory() as directory:
        sources = SourcesConfig(
            host=HostSourceConfig(enabled=False),
            logs=LogSourceConfig(journald=False, files=[]),
            own_metrics=False,
        )
        runtime = Runtime(Config(data_dir=Path(directory), sources=sources))
        start = time.perf_counter()
        rows = fill(runtime, series, interval, end)
        seconds = time.perf_counter() - start
        print(f"{rows:,} samples of {series:,} series stored in {seconds:.0f} s ({rows / seconds:,.0f}/s)")
        window = Window(end - from_seconds(7 * 86400), end)
        asks: dict[str, Ask] = {
            "4,000 points": lambda n: runtime.service.series(n, window, 4000, band=False),
            "4,000 points and band": lambda n: runtime.service.series(n, window, 4000, band=True),
            "100,000 points and band": lambda n: runtime.service.series(n, window, 100_000, band=True),
            "baseline: raw rows averaged in Python": lambda n: naive(runtime, n, window),
        }
        for ask in asks.values():
            ask(0)
        timed(asks, series)
        runtime.control.close()
        runtime.store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=60.0)
    given = parser.parse_args()
    run(given.series, given.interval)
