"""Late samples: placed when new, dropped when known, kept apart when they contradict."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.admit.conftest import START, Bench, columns

from stormpetrel.ingest.late import MAX_LATE_ROWS, asked_for, late_rows, place_late
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import MetricBatch

SECOND = 1_000_000_000


def late_batch(*listed: tuple[int, int, float]) -> MetricBatch:
    return columns([r[0] for r in listed], [START + r[1] * SECOND for r in listed], [r[2] for r in listed])


def decided(bench: Any, batch: MetricBatch, stored: MetricBatch) -> Any:
    admission = bench.gate.admit(batch, START + 1000 * SECOND, bench.kinds, bench.blocked)
    return admission, place_late(admission, batch, stored)


def test_new_known_and_contradicting(bench: Any) -> None:
    bench.steady(0, 100)  # newest at 990 s
    stored = late_batch((0, 100, 10.0), (0, 110, 11.0), (4, 105, 1.0))
    batch = late_batch((0, 100, 10.0), (0, 105, 7.0), (0, 110, 99.0), (0, 105, 7.0), (0, 105, 8.0))
    admission, placed = decided(bench, batch, stored)
    assert set(admission.verdict) == {Quality.OUT_OF_ORDER}
    assert [Quality(v) for v in placed.verdict] == [
        Quality.DUPLICATE,
        Quality.LATE,
        Quality.CONFLICT,
        Quality.DUPLICATE,
        Quality.CONFLICT,
    ]
    assert placed.late.value.tolist() == [7.0]
    assert placed.quarantined.batch.value.tolist() == [99.0, 8.0]
    assert placed.counts.sum() == len(batch)
    assert len(placed.admitted.batch) == 0


def test_rows_in_order_stay_as_they_are(bench: Any) -> None:
    bench.steady(0, 20)
    batch = late_batch((0, 200, 1.0), (0, 5, 2.0), (0, 210, float("nan")), (0, 220, 3.0))
    admission, placed = decided(bench, batch, MetricBatch.empty())
    assert [Quality(v) for v in placed.verdict] == [
        Quality.GOOD,
        Quality.LATE,
        Quality.NOT_FINITE,
        Quality.GOOD,
    ]
    assert placed.admitted is admission.admitted
    assert placed.number == admission.number


def test_the_store_is_asked_for_no_more_than_is_needed(bench: Any) -> None:
    bench.steady(0, 20)
    bench.steady(4, 20)
    batch = late_batch((0, 3, 1.0), (4, 120, 2.0), (0, 300, 3.0))
    admission = bench.gate.admit(batch, START + 1000 * SECOND, bench.kinds, bench.blocked)
    series, window = asked_for(late_rows(admission, batch))
    assert series == [0, 4]
    assert (window.start_unix_nano, window.end_unix_nano) == (START + 3 * SECOND, START + 120 * SECOND + 1)


def test_a_batch_that_is_late_as_a_whole_is_not_looked_up(bench: Any) -> None:
    bench.steady(0, 20)
    rows = MAX_LATE_ROWS + 1
    batch = columns([0] * rows, [START + k for k in range(rows)], [1.0] * rows)
    admission = bench.gate.admit(batch, START + 1000 * SECOND, bench.kinds, bench.blocked)
    assert len(late_rows(admission, batch)) == 0


moments = st.tuples(st.integers(0, 2), st.integers(1, 6), st.sampled_from([0.0, -0.0, 1.0, 2.0]))


@given(st.lists(moments, max_size=12), st.lists(moments, max_size=12, unique_by=lambda m: m[:2]))
def test_each_moment_holds_one_value_afterwards(arriving: Any, held: Any) -> None:
    bench = Bench()
    for series in (0, 1, 2):
        bench.steady(series, 50, step=20)
    batch = late_batch(*((s, at, v) for s, at, v in arriving))
    stored = late_batch(*((s, at, v) for s, at, v in held))
    _, placed = decided(bench, batch, stored)
    after = [*held]
    for (series, at, value), verdict in zip(arriving, placed.verdict, strict=True):
        there = [v for s, t, v in after if (s, t) == (series, at)]
        if not there:
            assert verdict == Quality.LATE
            after.append((series, at, value))
        else:
            same = np.array(there[0]).tobytes() == np.array(value).tobytes()
            assert verdict == (Quality.DUPLICATE if same else Quality.CONFLICT)
