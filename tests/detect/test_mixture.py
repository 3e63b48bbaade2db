"""The mixture of views: what its rank and alarm heads see, learn, borrow and carry over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from stormpetrel.detect.metrics import forecast_changes, layout
from stormpetrel.detect.metrics import mixture_layout as ml
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.model.finding import FindingState, Scores
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.testing.check_detector import admitted, sample_rows, take

MINUTE = 60_000_000_000


def judge(values: NDArray[np.float64], bank: RobustBank | None = None, start: int = 1) -> Scores:
    times = np.arange(start, start + len(values), dtype=np.int64) * MINUTE
    return (bank or RobustBank()).update(admitted(np.zeros(len(values), np.int64), times, values))


def noise(ticks: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(100.0, 1.0, ticks)


def findings(values: NDArray[np.float64]) -> list[tuple[int, str]]:
    """Start (in samples) and head of each finding of one series, default settings."""
    bank = RobustBank()
    policy = AlarmPolicy(bank, lambda series: SeriesInfo(series, "m", (), "host:a", "s"))
    times = np.arange(1, len(values) + 1, dtype=np.int64) * MINUTE
    rows = admitted(np.zeros(len(values), np.int64), times, values)
    changes = policy.update(rows, bank.update(rows), int(times[-1]))
    opened = [f for f in changes if f.state is FindingState.OPEN]
    return [(f.start_unix_nano // MINUTE - 1, f.head) for f in opened]


def test_an_incident_ranks_above_all_else_and_keeps_its_rank_while_it_lasts() -> None:
    values = noise(6000)
    values[4000:4030] += 12.0
    rank = judge(values).rank
    quiet = np.delete(rank, np.arange(4000, 4100))[500:]
    assert rank[4001:4030].min() > np.nanmax(quiet)
    assert rank[4150] < 0.25 * rank[4010], "and lets go afterwards"


def test_nothing_is_ranked_before_the_first_scales_are_known() -> None:
    rank = judge(noise(200)).rank
    assert np.isnan(rank[: int(ml.YOUNG)]).all()
    assert np.isfinite(rank[int(ml.YOUNG) :]).all()


@pytest.mark.parametrize("kind", ["gaussian", "lognormal", "student_t3", "poisson"])
def test_alarm_p_values_of_healthy_noise_do_not_say_too_much(kind: str) -> None:
    rng = np.random.default_rng(7)
    draws: dict[str, Callable[[], NDArray[np.float64]]] = {
        "gaussian": lambda: rng.normal(100.0, 1.0, 8000),
        "lognormal": lambda: rng.lognormal(0.0, 1.0, 8000),
        "student_t3": lambda: rng.standard_t(3, 8000),
        "poisson": lambda: rng.poisson(20.0, 8000).astype(np.float64),
    }
    draw = draws[kind]
    late = np.concatenate([judge(draw()).alarm[2000:] for _ in range(12)])
    assert (late <= 1e-2).mean() <= 1e-2
    assert (late <= 1e-3).mean() <= 1e-3
    assert (late <= 1e-5).mean() <= 1e-5


def test_what_has_happened_ten_times_is_no_news_but_worse_is() -> None:
    values = noise(12_000)
    for at in range(1000, 11_000, 800):
        values[at : at + 5] += 7.0
    values[11_500:11_505] += 200.0
    alarm = judge(values).alarm
    first, last = alarm[1000:1005].min(), alarm[10_600:10_605].min()
    assert first < 1e-5
    assert last > 5e-4
    assert alarm[11_500:11_505].min() < 1e-5


def test_a_line_drawn_by_a_dead_source_is_told_as_still() -> None:
    values = noise(5000)
    values[3000:3600] = np.linspace(values[2999], values[3600], 600)
    scores = judge(values)
    heads = {RobustBank.heads[int(h)] for h in scores.head[3050:3200]}
    assert "still" in heads
    assert scores.rank[3100] > np.nanmax(scores.rank[500:2900])


def test_a_constant_series_is_not_still() -> None:
    assert findings(np.full(3000, 7.0)) == []


def test_a_doubling_over_ten_days_is_told_as_drift_before_half_of_it() -> None:
    day = 1440
    values = np.random.default_rng(1).normal(100.0, 5.0, 12 * day)
    values += np.clip(np.arange(12 * day) - 2 * day, 0, None) * (100.0 / (10 * day))
    told = findings(values)
    assert any(2 * day < at < 7 * day and head == "drift" for at, head in told)


def test_an_integer_series_may_differ_by_one_for_long() -> None:
    values = np.full(4000, 62.0)
    values[::97] = 63.0
    values[2500:] = 61.0
    assert [at for at, _ in findings(values) if at >= 2500] == []


def test_one_that_becomes_none_is_told() -> None:
    values = np.ones(4000)
    values[::211] = 2.0
    values[3000:3200] = 0.0
    assert any(3000 <= at < 3030 for at, _ in findings(values))


def test_a_busy_start_does_not_blind_for_long() -> None:
    values = noise(2000)
    values[:24] += 300.0 * np.random.default_rng(2).random(24)
    values[900:910] += 15.0
    assert any(900 <= at < 910 for at, _ in findings(values))


def test_the_weights_of_past_changes_are_found() -> None:
    rng = np.random.default_rng(4)
    m = np.zeros(ml.FIELDS)
    changes = [0.0, 0.0]
    for n in range(4000):
        changes.append(0.6 * changes[-1] - 0.3 * changes[-2] + rng.normal())
        forecast_changes.learn_change(m, changes[-1], float(n))
    weights = m[ml.WEIGHTS : ml.WEIGHTS + ml.ORDER]
    assert weights[:2] == pytest.approx([0.6, -0.3], abs=0.08)
    assert np.abs(weights[2:]).max() < 0.1


def test_scales_are_borrowed_from_the_family_and_nothing_else() -> None:
    bank = RobustBank()
    judge(noise(600), bank)
    assert bank.lend(0, 1)
    assert not bank.lend(1, 2), "who is not warm has nothing to lend"
    assert not bank.lend(0, 0), "who has been seen needs nothing"
    times = np.arange(601, 1001, dtype=np.int64) * MINUTE
    wild = noise(400, seed=3) * 1.0
    wild[:20] += 80.0 * np.random.default_rng(3).random(20)
    borrowed = bank.update(admitted(np.ones(400, np.int64), times, wild))
    alone = judge(wild, start=601)
    assert np.array_equal(np.isnan(borrowed.p_value), np.isnan(alone.p_value)), "it warms up all the same"
    assert bank.mixtures[1, ml.LEVEL_SCALE] < 5.0
    assert bank.samples_learnt(1) == 400
    assert bank.samples_learnt(999) == 0


def test_a_snapshot_of_version_2_is_taken_over() -> None:
    rows = sample_rows()
    bank = RobustBank()
    bank.update(take(rows, slice(0, len(rows.batch) // 2)))
    old = {name: array for name, array in bank.snapshot().items() if name != "mixtures"}
    old["version"] = np.array([2], np.int64)
    new = RobustBank()
    new.restore(old)
    after = take(rows, slice(len(rows.batch) // 2, len(rows.batch)))
    assert np.array_equal(new.update(after).p_value, bank.update(after).p_value, equal_nan=True)
    assert (new.mixtures[:5, ml.NORMAL_SCALE] == old["state"][:5, layout.LONG_SCALE]).sum() == 0
    del old["fits"]
    with pytest.raises(ValueError, match="fits"):
        RobustBank().restore(old)


def test_a_snapshot_of_version_3_is_taken_over() -> None:
    rows = sample_rows()
    bank = RobustBank()
    bank.update(take(rows, slice(0, len(rows.batch) // 2)))
    old = dict(bank.snapshot())
    old["mixtures"] = old["mixtures"][:, : ml.LINGERED]
    old["version"] = np.array([3], np.int64)
    new = RobustBank()
    new.restore(old)
    assert np.array_equal(new.mixtures[:, ml.LINGER_SCALE], new.mixtures[:, ml.NORMAL_SCALE])
    after = take(rows, slice(len(rows.batch) // 2, len(rows.batch)))
    assert np.array_equal(new.update(after).alarm, bank.update(after).alarm, equal_nan=True)
    del old["mixtures"]
    with pytest.raises(ValueError, match="version 3"):
        RobustBank().restore(old)


def test_a_snapshot_of_version_4_is_taken_over() -> None:
    rows = sample_rows()
    bank = RobustBank()
    bank.update(take(rows, slice(0, len(rows.batch) // 2)))
    old = dict(bank.snapshot())
    old["state"] = old["state"].copy()
    old["state"][:, layout.LEAST] = np.minimum(old["state"][:, layout.LEAST], 0.0)
    old["version"] = np.array([4], np.int64)
    new = RobustBank()
    new.restore(old)
    never_negative = bank.state[:, layout.LEAST] >= 0.0
    assert (bank.state[never_negative, layout.LEAST] > 0.0).any()
    known = np.where(never_negative, bank.state[:, layout.PREV], bank.state[:, layout.LEAST])
    assert np.array_equal(new.state[:, layout.LEAST], known)
    after = take(rows, slice(len(rows.batch) // 2, len(rows.batch)))
    assert np.array_equal(new.update(after).low, bank.update(after).low, equal_nan=True)


def test_what_is_a_little_off_for_an_hour_ranks_high_and_wakes_nobody() -> None:
    values = noise(6000)
    values[4000:4090] += 1.2
    scores, blind = judge(values), judge(values, RobustBank(without=["linger"]))
    quiet = np.delete(scores.rank, np.arange(4000, 4300))[1000:]
    assert np.median(scores.rank[4050:4090]) > np.quantile(quiet, 0.99)
    assert np.median(blind.rank[4050:4090]) < 0.5 * np.median(scores.rank[4050:4090])
    assert np.array_equal(scores.alarm, blind.alarm, equal_nan=True)


def test_a_wild_sample_does_not_linger() -> None:
    values = noise(4001)
    values[4000] += 500.0
    bank = RobustBank()
    judge(values, bank)
    assert abs(bank.mixtures[0, ml.LINGERED]) < 0.5, "a fiftieth of four usual distances, not of 500"


def test_what_is_told_as_never_seen_lies_outside_the_band_it_is_told_with() -> None:
    """Disks that were busy, then idle, then read a little: the band of a busy disk would hold that."""
    all_told = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        calm = rng.gamma(rng.uniform(0.2, 3.0), rng.uniform(0.1, 2.0), 300 + seed)
        read = np.concatenate([rng.gamma(0.3, 40.0, 150), calm, rng.uniform(20.0, 60.0, 4), calm[:20]])
        scores = judge(read)
        told = np.flatnonzero(scores.alarm <= 1e-4)
        inside = (scores.low[told] <= scores.observed[told]) & (scores.observed[told] <= scores.high[told])
        heads = {RobustBank.heads[head] for head in scores.head[told[inside]]}
        assert heads <= {"level_shift", "spread", "still", "lasting"}, "these look at several samples"
        assert (scores.low[told] <= scores.expected[told]).all()
        assert (scores.expected[told] <= scores.high[told]).all()
        all_told += len(told)
    assert all_told > 60
