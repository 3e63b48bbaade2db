"""Every verdict of the quality gate, one by one, and what is handed to detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stormpetrel.ingest.series import REFUSED_SERIES
from stormpetrel.model.quality import KEPT, QUARANTINED, Quality
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch

STALE = np.array([STALE_MARKER_BITS], np.int64).view(np.float64)[0]
NAN, INF = float("nan"), float("inf")


def test_a_first_sample_is_good(bench: Any) -> None:
    assert bench.verdicts([(0, 0, 1.5)]) == [Quality.GOOD]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_a_number_is_kept_apart(bench: Any, value: float) -> None:
    assert bench.verdicts([(0, 0, 1), (0, 10, value), (0, 20, 2)]) == [
        Quality.GOOD,
        Quality.NOT_FINITE,
        Quality.GOOD,
    ]


def test_bounds_of_time_are_inclusive(make_bench: Any) -> None:
    bench = make_bench(future_seconds=300, late_seconds=600)
    rows = [(4, 300, 1), (5, 300.5, 1), (6, -600, 1), (7, -600.5, 1)]
    assert bench.verdicts(rows, now_seconds=0) == [
        Quality.GOOD,
        Quality.FUTURE,
        Quality.GOOD,
        Quality.TOO_OLD,
    ]


def test_a_future_sample_does_not_lock_out_the_present(bench: Any) -> None:
    bench.feed([(0, 1e6, 1)], now_seconds=0)
    assert bench.verdicts([(0, 1, 1)]) == [Quality.GOOD]


def test_a_retry_is_dropped_as_far_back_as_the_ring_reaches(bench: Any) -> None:
    rows = [(0, 10.0 * k, float(k)) for k in range(8)]
    bench.feed(rows)
    assert bench.verdicts(rows) == [Quality.OUT_OF_ORDER] * 3 + [Quality.DUPLICATE] * 5


def test_another_value_for_a_known_moment_is_a_conflict(bench: Any) -> None:
    bench.feed([(0, 0, 1), (0, 10, 2)])
    assert bench.verdicts([(0, 10, 3), (0, 0, 3), (0, 10, 2)]) == [
        Quality.CONFLICT,
        Quality.CONFLICT,
        Quality.DUPLICATE,
    ]


def test_zero_and_minus_zero_are_told_apart(bench: Any) -> None:
    bench.feed([(0, 0, 0.0)])
    assert bench.verdicts([(0, 0, -0.0), (0, 0, 0.0)]) == [Quality.CONFLICT, Quality.DUPLICATE]


def test_behind_the_newest_and_not_known_is_out_of_order_or_too_old(make_bench: Any) -> None:
    bench = make_bench(late_seconds=100)
    bench.feed([(0, 200, 1)])
    assert bench.verdicts([(0, 150, 1), (0, 50, 1)], now_seconds=200) == [
        Quality.OUT_OF_ORDER,
        Quality.TOO_OLD,
    ]


def test_a_blocked_series_gets_its_verdict_and_teaches_nothing(bench: Any) -> None:
    bench.blocked[0] = Quality.UNIT_CHANGED
    bench.blocked[4] = Quality.KIND_CHANGED
    assert bench.verdicts([(0, 0, 1), (4, 0, 1)]) == [Quality.UNIT_CHANGED, Quality.KIND_CHANGED]
    bench.blocked[0] = 0
    assert bench.verdicts([(0, 0, 1)]) == [Quality.GOOD]


def test_a_refused_series_is_counted_and_costs_no_memory(bench: Any) -> None:
    assert bench.verdicts([(REFUSED_SERIES, 0, 1), (0, 0, 1)]) == [Quality.CARDINALITY, Quality.GOOD]
    assert len(bench.gate) == 1


def test_a_counter_that_falls_was_reset_and_has_no_rate(bench: Any) -> None:
    answer = bench.feed([(1, 0, 100), (1, 10, 150), (1, 20, 5), (1, 30, 25)])
    assert list(answer.verdict) == [Quality.GOOD, Quality.GOOD, Quality.COUNTER_RESET, Quality.GOOD]
    np.testing.assert_array_equal(answer.admitted.signal, [NAN, 5.0, NAN, 2.0])
    assert not answer.admitted.resumed.any()


def test_signals_by_kind(bench: Any) -> None:
    answer = bench.feed([(s, at, v) for at, v in ((0, 7), (10, 9)) for s in range(4)])
    np.testing.assert_array_equal(answer.admitted.signal, [7, NAN, NAN, 7, 9, 0.2, 0.9, 9])


def test_silence_longer_than_the_bound_is_a_gap(bench: Any) -> None:
    for series in (0, 1, 2):
        bench.steady(series, 5)  # last sample at 40 s, interval 10 s, bound 50 s
    answer = bench.feed([(s, 90.5, 50) for s in (0, 1, 2)])
    assert list(answer.verdict) == [Quality.GAP] * 3
    assert answer.admitted.resumed.all()
    np.testing.assert_array_equal(answer.admitted.signal, [50, NAN, NAN])


def test_silence_within_the_bound_is_no_gap(bench: Any) -> None:
    bench.steady(1, 5)
    answer = bench.feed([(1, 90, 54)])
    assert list(answer.verdict) == [Quality.GOOD]
    np.testing.assert_allclose(answer.admitted.signal, [1.0])


def test_a_reset_after_a_gap_says_both(bench: Any) -> None:
    bench.steady(1, 5)
    answer = bench.feed([(1, 200, 1)])
    assert list(answer.verdict) == [Quality.COUNTER_RESET]
    assert answer.admitted.resumed.all()


def test_three_gaps_in_a_row_teach_the_new_interval(bench: Any) -> None:
    bench.steady(0, 5)
    rows = [(0, 40 + 600.0 * k, float(k)) for k in range(1, 7)]
    assert bench.verdicts(rows) == [Quality.GAP] * 3 + [Quality.GOOD] * 3
    assert bench.gate.intervals()[0] == pytest.approx(600)


def test_the_interval_follows_a_faster_sender(bench: Any) -> None:
    bench.steady(0, 5, step=60)
    bench.feed([(0, 240 + 5.0 * k, float(k)) for k in range(1, 80)])
    assert bench.gate.intervals()[0] == pytest.approx(5, rel=0.05)


def test_one_outage_hardly_teaches(bench: Any) -> None:
    bench.steady(0, 5)
    bench.feed([(0, 100_000, 1)])
    assert bench.gate.intervals()[0] <= 13 + 1e-5


def test_an_ended_series_resumes_with_its_next_sample(bench: Any) -> None:
    answer = bench.feed([(1, 0, 1), (1, 10, 2), (1, 20, STALE), (1, 30, 4), (1, 40, 5)])
    verdicts = [Quality.GOOD, Quality.GOOD, Quality.STALE_MARKER, Quality.GAP, Quality.GOOD]
    assert list(answer.verdict) == verdicts
    np.testing.assert_array_equal(answer.admitted.resumed, [False, False, True, False])
    np.testing.assert_allclose(answer.admitted.signal, [NAN, 0.1, NAN, 0.1])


@pytest.mark.parametrize("at", [5, 1000])
def test_an_old_or_future_marker_ends_nothing(bench: Any, at: float) -> None:
    bench.feed([(0, 0, 1), (0, 10, 2)])
    bench.feed([(0, at, STALE)], now_seconds=10)
    assert not bench.feed([(0, 20, 3)]).admitted.resumed.any()


def moving_then_still(moves: int, still: int) -> list[tuple[int, float, float]]:
    values = [float(k) for k in range(moves + 1)] + [float(moves)] * still
    return [(0, 10.0 * k, value) for k, value in enumerate(values)]


def test_a_series_that_stops_moving_is_stuck_once_and_again_after_it_moved(make_bench: Any) -> None:
    bench = make_bench(stuck_samples=30)
    rows = moving_then_still(25, 100)
    verdicts = bench.verdicts(rows)
    assert [k for k, v in enumerate(verdicts) if v is Quality.STUCK] == [25 + 30]
    end = rows[-1][1]
    more = [(0, end + 10 * k, float(k)) for k in range(1, 200)]
    more += [(0, more[-1][1] + 10 * k, more[-1][2]) for k in range(1, 50)]
    assert bench.verdicts(more).count(Quality.STUCK) == 1


@pytest.mark.parametrize(("moves", "values"), [(10, None), (25, "mostly still")])
def test_what_hardly_ever_moved_is_not_stuck(make_bench: Any, moves: int, values: Any) -> None:
    bench = make_bench(stuck_samples=30)
    rows = moving_then_still(moves, 100)
    if values:
        rows = [(0, 10.0 * k, float(k // 3)) for k in range(3 * moves)]
        rows += [(0, rows[-1][1] + 10 * k, rows[-1][2]) for k in range(1, 60)]
    assert Quality.STUCK not in bench.verdicts(rows)


def test_answer_splits_rows_by_verdict(bench: Any) -> None:
    rows = [(0, 0, 1), (0, 0, 1), (0, 0, 2), (4, 0, NAN), (5, 0, 3)]
    answer = bench.feed(rows)
    assert answer.counts.sum() == len(rows)
    assert {Quality(int(v)) for v in np.flatnonzero(answer.counts)} == {Quality(v) for v in answer.verdict}
    assert list(answer.admitted.batch.series) == [0, 5]
    assert list(answer.quarantined.verdict) == [Quality.CONFLICT, Quality.NOT_FINITE]
    assert all(Quality(v) in QUARANTINED for v in answer.quarantined.verdict)
    assert all(Quality(v) in KEPT for v in answer.verdict[[0, 4]])


def test_an_empty_batch_is_answered(bench: Any) -> None:
    answer = bench.gate.admit(MetricBatch.empty(), 0, bench.kinds, bench.blocked)
    assert len(answer.admitted.batch) == len(answer.quarantined.batch) == int(answer.counts.sum()) == 0


def test_series_beyond_the_registry_are_a_mistake(bench: Any) -> None:
    with pytest.raises(ValueError, match="series 64 is in the batch"):
        bench.feed([(64, 0, 1)])


def test_read_only_columns_are_read(bench: Any) -> None:
    batch = MetricBatch(np.zeros(1, np.uint32), np.full(1, 10), np.ones(1))
    for column in (batch.series, batch.time_unix_nano, batch.value):
        column.flags.writeable = False
    answer = bench.gate.admit(batch, 10, bench.kinds, bench.blocked)
    assert list(answer.verdict) == [Quality.GOOD]


def test_silence_is_not_judged_before_three_intervals_were_seen(bench: Any) -> None:
    assert bench.verdicts([(0, at, at) for at in (0, 1, 2, 60)]) == [Quality.GOOD] * 4
    assert bench.verdicts([(4, at, at) for at in (0, 1, 2, 3, 60)]) == [Quality.GOOD] * 4 + [Quality.GAP]


def test_the_time_a_series_was_said_to_have_ended_is_no_interval(bench: Any) -> None:
    bench.steady(0, 5)
    bench.feed([(0, 50, STALE), (0, 1000, 1), (0, 1010, 2)])
    assert bench.gate.intervals()[0] == pytest.approx(10)
