"""Counters whose senders say since when they count: a restart is seen even where the value went on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.ingest.counter_starts import CounterStarts
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.signal import MetricBatch, MetricKind


class Counters:
    def __init__(self, count: int = 1, kind: MetricKind = MetricKind.COUNTER) -> None:
        registry = SeriesRegistry()
        for number in range(count):
            registry.intern(f"c{number}", {}, "s", kind)
        self.starts = CounterStarts(registry)

    def send(self, *rows: tuple[int, int, float, int]) -> list[tuple[int, int, float]]:
        """Rows of series, time, value, start; what comes of them."""
        series, times, values, starts = zip(*rows, strict=True)
        batch = MetricBatch(
            np.array(series, np.uint32), np.array(times, np.int64), np.array(values, np.float64)
        )
        out = self.starts.with_zeros(batch, np.array(starts, np.int64))
        return list(zip(out.series.tolist(), out.time_unix_nano.tolist(), out.value.tolist(), strict=True))


def test_a_start_behind_the_newest_sample_brings_a_zero() -> None:
    counters = Counters()
    assert counters.send((0, 100, 50.0, 10)) == [(0, 100, 50.0)]
    assert counters.send((0, 200, 60.0, 10)) == [(0, 200, 60.0)]
    assert counters.send((0, 300, 70.0, 250)) == [(0, 250, 0.0), (0, 300, 70.0)]
    assert counters.send((0, 400, 80.0, 250)) == [(0, 400, 80.0)]


def test_a_start_that_is_worked_out_anew_each_time_is_none() -> None:
    counters = Counters()
    for time, start in ((100, 10), (200, 12), (300, 9), (400, 300), (500, 500)):
        assert counters.send((0, time, 1.0, start)) == [(0, time, 1.0)]


def test_several_restarts_in_one_request_and_rows_without_a_start() -> None:
    counters = Counters(3)
    counters.send((0, 100, 5.0, 1), (1, 100, 5.0, 1), (2, 100, 5.0, 1))
    assert counters.send((2, 200, 1.0, 150), (0, 200, 6.0, 0), (1, 200, 2.0, 120), (2, 300, 3.0, 150)) == [
        (2, 150, 0.0), (2, 200, 1.0), (0, 200, 6.0), (1, 120, 0.0), (1, 200, 2.0), (2, 300, 3.0),
    ]  # fmt: skip


def test_gauges_and_refused_series_are_let_alone() -> None:
    gauges = Counters(kind=MetricKind.GAUGE)
    gauges.send((0, 100, 1.0, 1))
    assert gauges.send((0, 300, 1.0, 200)) == [(0, 300, 1.0)]
    assert gauges.send((REFUSED_SERIES, 300, 1.0, 200)) == [(REFUSED_SERIES, 300, 1.0)]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 50), st.integers(0, 60)), min_size=1, max_size=30)
)
def test_any_starts_only_add_zeros(rows: list[tuple[int, int, int]]) -> None:
    counters = Counters(2)
    for series, time, start in rows:
        out = counters.send((series, time, 7.0, start))
        assert out[-1] == (series, time, 7.0)
        assert all(0 < when < time and value == 0 for _, when, value in out[:-1])
        assert len(out) <= 2
