"""A series for showing: down-sampling, rates of counters, the band."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.app.intake import T0

from stormpetrel.app.config import Config
from stormpetrel.app.points import admit_alone, band_of, downsample
from stormpetrel.model.signal import MetricBatch, MetricKind, SeriesInfo
from stormpetrel.model.time import Window, from_seconds

SECOND = from_seconds(1)
VALUES = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf])


def info(kind: MetricKind) -> SeriesInfo:
    return SeriesInfo(7, "m", (), "host:a", "test", kind)


def regular(values: list[float], step: float = 5.0) -> MetricBatch:
    times = T0 + np.arange(len(values), dtype=np.int64) * from_seconds(step)
    return MetricBatch(np.full(len(values), 7, np.uint32), times, np.array(values))


@given(
    rows=st.lists(st.tuples(st.integers(-10, 110), VALUES), max_size=200),
    max_points=st.integers(1, 40),
)
def test_downsampling_is_what_a_loop_would_do(rows: list[tuple[int, float]], max_points: int) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    window = Window(T0, T0 + 100 * SECOND)
    times = T0 + np.array([second for second, _ in rows], np.int64) * SECOND
    points = downsample(times, np.array([value for _, value in rows], float), window, max_points)
    kept = [(second, value) for second, value in rows if 0 <= second < 100 and math.isfinite(value)]
    assert points.samples == len(kept)
    if len(kept) <= max_points:
        assert points.step_seconds == 0.0
        assert points.mean.tolist() == points.low.tolist() == points.high.tolist() == [v for _, v in kept]
        return
    step = -(-100 * SECOND // max_points)
    cells: dict[int, list[float]] = {}
    for second, value in kept:
        cells.setdefault(second * SECOND // step, []).append(value)
    assert len(points.mean) == len(cells) <= max_points
    assert points.time_unix_nano.tolist() == [T0 + cell * step for cell in cells]
    np.testing.assert_allclose(points.mean, [sum(v) / len(v) for v in cells.values()], rtol=1e-9, atol=1e-6)
    assert points.low.tolist() == [min(v) for v in cells.values()]
    assert points.high.tolist() == [max(v) for v in cells.values()]


def test_a_counter_is_shown_as_its_rate_and_its_reset_as_nothing() -> None:
    values = [0.0, 10.0, 30.0, 60.0, 5.0, 10.0]
    admitted = admit_alone(Config(), info(MetricKind.COUNTER), regular(values))
    np.testing.assert_allclose(admitted.signal, [np.nan, 2.0, 4.0, 6.0, np.nan, 1.0])
    points = downsample(admitted.batch.time_unix_nano, admitted.signal, Window(T0, T0 + 60 * SECOND), 100)
    assert points.mean.tolist() == [2.0, 4.0, 6.0, 1.0]


def test_old_samples_are_shown_however_old() -> None:
    year = MetricBatch(
        np.zeros(2, np.uint32), np.array([T0, T0 + 365 * 86_400 * SECOND]), np.array([1.0, 2.0])
    )
    assert admit_alone(Config(), info(MetricKind.GAUGE), year).signal.tolist() == [1.0, 2.0]


def test_no_samples_are_no_points() -> None:
    admitted = admit_alone(Config(), info(MetricKind.GAUGE), MetricBatch.empty())
    assert len(downsample(admitted.batch.time_unix_nano, admitted.signal, Window(T0, T0 + 1), 10).mean) == 0
    assert len(band_of(Config(), info(MetricKind.GAUGE), admitted, Window(T0, T0 + 1), 10).expected) == 0


def test_the_band_is_unknown_while_warming_up_and_holds_the_usual_afterwards() -> None:
    config = Config()
    values = np.random.default_rng(5).normal(50.0, 2.0, 600).tolist()
    admitted = admit_alone(config, info(MetricKind.GAUGE), regular(values))
    window = Window(T0, T0 + 600 * 5 * SECOND)
    band = band_of(config, info(MetricKind.GAUGE), admitted, window, 10_000)
    warmup = config.detect.warmup_samples
    assert np.isnan(band.p_value[: warmup - 1]).all()
    later = slice(2 * warmup, None)
    assert not np.isnan(band.expected[later]).any()
    assert (band.low[later] < 50.0).all()
    assert (band.high[later] > 50.0).all()
    inside = (band.low[later] <= values[later]) & (values[later] <= band.high[later])
    assert inside.mean() > 0.95
    fewer = band_of(config, info(MetricKind.GAUGE), admitted, window, 100)
    assert len(fewer.expected) <= 100
    assert fewer.time_unix_nano[-1] == band.time_unix_nano[-1]
