"""Cold start and snapshots: how long until a process that knows nothing, or wakes up, can judge.

    python benchmarks/speed/cold_start.py [--series 10000] [--days 14] [--snapshot-series 100000]

Fills a store of its own with generated series (a daily wave, noise, counters, a busy quarter of an hour
each night), one sample a minute. Then it measures: the cold start (a few samples of each quarter of an
hour, then the newest hours whole), writing and reading a snapshot, the start from it. With `--compare` it
also feeds every sample to a bank, and compares what both expect of the next hours.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app import model_state
from stormpetrel.app.config import Config
from stormpetrel.app.model_folder import ModelFolder
from stormpetrel.app.model_keeper import ModelKeeper
from stormpetrel.app.model_rows import SeriesKeys
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.warm_up import warm_up
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.store import TelemetryStore

STEP = from_seconds(60)
DAY = 86_400
END = 1_700_006_400 * 10**9


def registry_of(count: int) -> SeriesRegistry:
    registry = SeriesRegistry(max_series_per_source=1_000_000)
    for n in range(count):
        kind = MetricKind.COUNTER if n % 4 == 3 else MetricKind.GAUGE
        registry.intern(f"bench_{n % 40}", {"host": f"h{n // 40}", "n": str(n)}, "bench", kind)
    return registry


def values(ids: NDArray[np.uint32], times: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """float64[series, times]: what each series is at each time."""
    rng = np.random.default_rng(seed)
    second = (times // 10**9 % DAY).astype(np.float64)
    phase = (ids % 24)[:, None] * (2 * np.pi / 24)
    wave = np.sin(2 * np.pi * second / DAY + phase)
    level = 50.0 + (ids % 7)[:, None] * 10.0
    x = level * (1.0 + 0.3 * wave) + rng.normal(0.0, 1.0 + (ids % 3)[:, None], (len(ids), len(times)))
    busy = (second >= 7200) & (second < 8100)
    x[(ids % 8 == 0)[:, None] & busy[None, :]] += 60.0
    counters = ids % 4 == 3
    # The total grows by the rate; a day's start is its offset, so days fit together well enough.
    rates = np.maximum(x[counters], 0.0) * 60
    x[counters] = 1e7 * (times[0] // (DAY * 10**9) % 10_000) + np.cumsum(rates, axis=1)
    return x


def fill(store: TelemetryStore, count: int, days: int) -> None:
    per_insert = 1000
    for day in range(days):
        times = END - (days - day) * DAY * 10**9 + np.arange(1440) * STEP
        for first in range(0, count, per_insert):
            ids = np.arange(first, min(first + per_insert, count), dtype=np.uint32)
            x = values(ids, times, day * 1000 + first)
            batch = MetricBatch(np.repeat(ids, len(times)), np.tile(times, len(ids)), x.ravel())
            store.insert_samples(batch, f"fill-{day}-{first}")


def compare(store: TelemetryStore, pipeline: Pipeline, registry: SeriesRegistry, days: int) -> None:
    """Beside a bank that was fed every sample: the next two hours."""
    some = np.arange(0, min(len(registry), 400), dtype=np.uint32)
    whole = Pipeline(Config(), registry, stored=True)
    for day in range(days):
        start = END - (days - day) * DAY * 10**9
        for hour in range(0, 24, 2):
            window = Window(start + hour * 3600 * 10**9, start + (hour + 2) * 3600 * 10**9)
            batch = store.scan_series(some.tolist(), window)
            admitted = whole.admit(batch, int(batch.time_unix_nano.max())).admitted
            whole.banks[0].update(admitted)
    times = END + np.arange(120) * STEP
    x = values(some, times, 99)
    gauges = some[some % 4 != 3]
    rows = x[gauges].T.ravel()
    batch = MetricBatch(np.tile(gauges, 120), np.repeat(times, len(gauges)), rows)
    given = AdmittedMetrics(batch, rows, np.zeros(len(batch), bool))
    cold, full = pipeline.banks[0].update(given), whole.banks[0].update(given)
    width = full.high - full.low
    off = np.abs(cold.expected - full.expected) / width
    ratio = (cold.high - cold.low) / width
    print(f"compared with a bank fed every sample, {len(gauges)} gauges over the next 2 hours:")
    middle, far = np.nanquantile(off, [0.5, 0.95])
    low, width, high = np.nanquantile(ratio, [0.05, 0.5, 0.95])
    print(f"  expected differs by {middle:.3f} of the band (median), {far:.3f} (95 %)")
    print(f"  band width / full: median {width:.2f}, 5..95 % {low:.2f}..{high:.2f}")
    for p in (1e-2, 1e-3, 1e-4):
        print(
            f"  share of healthy samples at p <= {p:g}: cold {np.mean(cold.p_value <= p):.5f}, "
            f"full {np.mean(full.p_value <= p):.5f}"
        )


def snapshots(count: int, folder: Path) -> None:
    registry = registry_of(count)
    pipeline = Pipeline(Config(), registry, stored=True)
    ids = np.arange(count, dtype=np.uint32)
    rng = np.random.default_rng(5)
    for tick in range(3):
        batch = MetricBatch(ids, np.full(count, END + tick * STEP), rng.normal(50, 1, count))
        pipeline.judge_metrics(pipeline.admit(batch, END + tick * STEP).admitted)
    keys = SeriesKeys()
    begin = time.perf_counter()
    model_state.capture(pipeline, Config(), END, keys)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    state = model_state.capture(pipeline, Config(), END, keys)
    copied = time.perf_counter()
    path = ModelFolder(folder).write(state)
    written = time.perf_counter()
    read, _ = ModelFolder(folder).newest()
    loaded = time.perf_counter()
    assert read is not None
    fresh = Pipeline(Config(), registry, stored=True)
    fates = model_state.restore(fresh, Config(), read, SeriesKeys()).fates
    restored = time.perf_counter()
    assert all(fate.taken for fate in fates), fates
    size = path.stat().st_size
    print(f"snapshot of {count} series, {size / 1e6:.0f} MB ({size / count:.0f} bytes a series):")
    print(
        f"  copy {copied - begin:.2f} s (the first one, which names the series, {first:.2f} s), "
        f"write and flush {written - copied:.2f} s"
    )
    print(f"  read and check {loaded - written:.2f} s, put back {restored - loaded:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--snapshot-series", type=int, default=100_000)
    parser.add_argument("--compare", action="store_true")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="petrel-cold-"))
    try:
        snapshots(given.snapshot_series, home / "snapshots")
        config = Config(data_dir=home / "data")
        store = open_store(config.store, home / "data")
        control = open_control_store(f"sqlite:///{home / 'control.sqlite'}")
        begin = time.perf_counter()
        fill(store, given.series, given.days)
        millions = given.series * given.days * 1440 / 1e6
        print(f"filled {millions:.0f} M samples in {time.perf_counter() - begin:.0f} s")
        registry = registry_of(given.series)
        pipeline = Pipeline(config, registry)
        models = ModelKeeper(config, home / "models")
        window = Window(END - from_seconds(48 * 3600), END)
        begin, cpu = time.perf_counter(), time.process_time()
        warm_up(config, pipeline, models, store, control, window)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        print(
            f"cold start of {given.series} series from {given.days} days: {seconds:.1f} s ({cpu:.1f} s CPU)"
        )
        models.close(pipeline, END)
        again = Pipeline(config, registry)
        begin = time.perf_counter()
        warm_up(config, again, ModelKeeper(config, home / "models"), store, control, window)
        print(f"start from the snapshot: {time.perf_counter() - begin:.1f} s")
        if given.compare:
            compare(store, pipeline, registry, given.days)
        control.close()
        store.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
