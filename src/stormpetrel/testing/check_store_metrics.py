"""The clauses of `ports.store.TelemetryStore` about series, samples and the quarantine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stormpetrel.model.quality import Quality, Quarantined
from stormpetrel.model.signal import MetricBatch, MetricKind, SeriesInfo
from stormpetrel.model.time import Window
from stormpetrel.ports.store import TelemetryStore
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_samples import (
    NOW,
    ODD_TEXT,
    SECOND,
    metric_batch,
    numbered_samples,
    same_samples,
    series_info,
)

EVER = Window(-(2**63), 2**63 - 1)
MakeStore = Callable[[], TelemetryStore]


def series_come_back(make_store: MakeStore) -> None:
    """Every field comes back, ordered by id; a series given again replaces what was known."""
    store = make_store()
    odd = SeriesInfo(
        4_000_000_000, ODD_TEXT, (("a", ODD_TEXT), ("b", "")), "host:a/disk:b", "s", MetricKind.COUNTER, "By"
    )
    known = [series_info(2), series_info(0), odd, series_info(1)]
    store.insert_series(known)
    store.insert_series([])
    equal(list(store.all_series()), sorted(known, key=lambda one: one.series))
    changed = SeriesInfo(1, "up", (("job", "test"),), "job:test", "other", MetricKind.GAUGE, "s")
    again = SeriesInfo(2, "down", (), "job:test", "other")
    store.insert_series([series_info(2), changed, again])
    equal(list(store.all_series()), [series_info(0), changed, again, odd])
    store.close()


def samples_are_exact(make_store: MakeStore) -> None:
    """Times to the nanosecond over the whole range of int64, values to the bit."""
    store = make_store()
    values = [0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, float("inf"), float("-inf"), float("nan")]
    rows = [(7, NOW + place, value) for place, value in enumerate(values)]
    rows = [(7, -(2**63), 1.5), (7, -1, 2.5), *rows, (7, 2**63 - 2, 3.5)]
    batch = metric_batch(rows)
    store.insert_samples(batch, "exact")
    store.insert_samples(MetricBatch.empty(), "empty")
    require(
        same_samples(store.scan_series([7], EVER), batch),
        "samples come back to the bit",
    )
    require(
        same_samples(MetricBatch.concat(list(store.scan_samples(EVER))), batch),
        "a scan of all time returns samples to the bit",
    )
    raw = store.read_points(7, EVER, 100)
    equal(raw.time_unix_nano.tolist(), batch.time_unix_nano.tolist())
    equal(raw.step_seconds, 0.0)
    equal(raw.samples, len(batch))
    store.close()


def bursts_are_raw_samples(make_store: MakeStore) -> None:
    """A burst is every raw sample of a short run in each step, each time at the same changing places."""
    store = make_store()
    start, step = NOW // (600 * SECOND) * (600 * SECOND), 600
    times = [start + second * SECOND for second in range(0, 20 * step, 10)]
    every = metric_batch([(series, time, float(time % 977)) for series in (3, 4) for time in times])
    store.insert_samples(every, "bursts")
    window = Window(start, start + 20 * step * SECOND)
    found = store.scan_bursts([4, 9], window, step, 30)
    equal(set(found.series.tolist()), {4})
    held = {time: float(time % 977) for time in times}
    equal(found.value.tolist(), [held[time] for time in found.time_unix_nano.tolist()])
    places = [(time - start) // SECOND for time in found.time_unix_nano.tolist()]
    equal(sorted({place // step for place in places}), list(range(20)))
    require(len({min(p % step for p in places if p // step == k) for k in range(20)}) > 5, "runs move about")
    equal(len(places), 60)
    require(same_samples(store.scan_bursts([4, 9], window, step, 30), found), "asked again, the same")
    everything = store.scan_bursts([3], window, step, step)
    require(same_samples(everything, store.scan_series([3], window)), "a run as long as the step is all")
    store.close()


def samples_are_counted(make_store: MakeStore) -> None:
    """Spans by series and counts by step of time; the window is half-open."""
    store = make_store()
    rows = [
        (2, NOW + 5 * SECOND, 1.0),
        (2, NOW, 2.0),
        (1, NOW + 9 * SECOND, 3.0),
        (1, NOW + 10 * SECOND, 4.0),
    ]
    store.insert_samples(metric_batch(rows), "counted")
    window = Window(NOW, NOW + 10 * SECOND)
    spans = store.sample_spans(window)
    equal(spans.series.tolist(), [1, 2])
    equal(spans.samples.tolist(), [1, 2])
    equal(spans.first_unix_nano.tolist(), [NOW + 9 * SECOND, NOW])
    equal(spans.last_unix_nano.tolist(), [NOW + 9 * SECOND, NOW + 5 * SECOND])
    equal(store.count_samples(window, 4.0).tolist(), [1, 1, 1])
    equal(store.count_samples(Window(0, 10), 1.0).tolist(), [0])
    store.close()


def samples_are_ordered(make_store: MakeStore) -> None:
    """Scans are ordered by (time, series), whatever the chunks; windows are half-open."""
    store = make_store()
    for number in (3, 1, 2, 5000):
        store.insert_samples(numbered_samples(number, rows=20), f"order-{number}")
    wanted = MetricBatch.concat([numbered_samples(number, rows=20) for number in (1, 2, 3, 5000)])
    for chunk_seconds in (0.5, 1.0, 900.0, 1e6):
        chunks = list(store.scan_samples(EVER, chunk_seconds))
        require(
            same_samples(MetricBatch.concat(chunks), wanted),
            "scans are ordered by (time, series)",
        )
        longest = max(int(chunk.time_unix_nano[-1] - chunk.time_unix_nano[0]) for chunk in chunks)
        require(longest < chunk_seconds * SECOND, "no chunk is longer than asked")
    window = Window(NOW + SECOND, NOW + 3 * SECOND)
    require(
        same_samples(MetricBatch.concat(list(store.scan_samples(window))), wanted.take(np.arange(40))),
        "windows are half-open",
    )
    few = store.scan_series([4, 2, 99], window)
    equal(few.series.tolist(), [2, 4, 2, 4])
    equal(len(store.scan_series([], window)), 0)
    equal(list(store.scan_samples(Window(NOW, NOW + 1))), [])
    store.close()


def last_samples_are_the_newest(make_store: MakeStore) -> None:
    """One row a series that has a sample since then, whatever the order of arrival."""
    store = make_store()
    store.insert_samples(metric_batch([(1, NOW + 2, 1.0), (2, NOW + 5, 2.0), (3, NOW, 3.0)]), "a")
    store.insert_samples(metric_batch([(1, NOW + 1, 9.0), (2, NOW + 6, 4.0)]), "b")
    last = store.last_samples(NOW + 1)
    found = zip(last.series.tolist(), last.time_unix_nano.tolist(), last.value.tolist(), strict=True)
    equal(sorted(found), [(1, NOW + 2, 1.0), (2, NOW + 6, 4.0)])
    equal(len(store.last_samples(NOW + 7).series), 0)
    store.close()


def points_keep_extremes(make_store: MakeStore) -> None:
    """Down-sampling keeps to its bound, counts every sample and never averages a spike away."""
    store = make_store()
    count = 10_000
    times = NOW + np.arange(count, dtype=np.int64) * SECOND
    values = np.sin(np.arange(count) / 300.0)
    values[4321], values[7654] = 99.0, -99.0
    noise = MetricBatch(np.full(count, 2, np.uint32), times, np.full(count, 1e9))
    store.insert_samples(MetricBatch(np.full(count, 1, np.uint32), times, values), "points")
    store.insert_samples(noise, "noise")
    window = Window(NOW, NOW + count * SECOND)
    for most in (2, 7, 100, 999):
        points = store.read_points(1, window, most)
        require(0 < len(points.time_unix_nano) <= most, "at most max_points")
        equal(points.samples, count)
        require(points.step_seconds > 0, "steps have a length")
        equal(points.high.max(), 99.0)
        equal(points.low.min(), -99.0)
        require(
            np.all((points.low <= points.mean) & (points.mean <= points.high)),
            "low <= mean <= high",
        )
        require(np.all(np.diff(points.time_unix_nano) > 0), "steps grow")
    equal(len(store.read_points(1, window, count).time_unix_nano), count)
    equal(store.read_points(3, window, 100).samples, 0)
    half = store.read_points(1, Window(NOW, NOW + 10 * SECOND), 100)
    equal(half.mean.tolist(), half.low.tolist())
    equal(half.low.tolist(), half.high.tolist())
    equal(half.high.tolist(), values[:10].tolist())
    store.close()


def quarantine_comes_back(make_store: MakeStore) -> None:
    """Newest first, with verdicts, NaN and infinities; within the limit; of one series if asked."""
    store = make_store()
    values = [float("nan"), float("inf"), float("-inf"), 1.0]
    batch = metric_batch([(place % 2, NOW + place, value) for place, value in enumerate(values)])
    verdicts = [Quality.NOT_FINITE, Quality.NOT_FINITE, Quality.NOT_FINITE, Quality.TOO_OLD]
    quarantined = Quarantined(batch, np.array(verdicts, np.uint8))
    store.insert_quarantine(quarantined, "q")
    store.insert_quarantine(quarantined, "q")
    window = Window(NOW, NOW + 4)
    back = store.read_quarantine(window)
    require(
        same_samples(back.batch, batch.take(np.array([3, 2, 1, 0]))),
        "quarantined samples come back to the bit, newest first",
    )
    equal(back.verdict.tolist(), [int(verdict) for verdict in reversed(verdicts)])
    equal(store.read_quarantine(window, limit=2).batch.time_unix_nano.tolist(), [NOW + 3, NOW + 2])
    equal(store.read_quarantine(window, series=1).batch.time_unix_nano.tolist(), [NOW + 3, NOW + 1])
    equal(len(store.read_quarantine(Window(NOW + 4, NOW + 9)).batch), 0)
    equal(len(store.scan_series([0, 1], window)), 0)
    store.close()


METRIC_CHECKS = (
    series_come_back,
    samples_are_exact,
    samples_are_ordered,
    bursts_are_raw_samples,
    samples_are_counted,
    last_samples_are_the_newest,
    points_keep_extremes,
    quarantine_comes_back,
)
