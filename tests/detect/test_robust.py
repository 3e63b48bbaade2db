"""What the robust bank sees, learns and forgets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stormpetrel.detect.metrics import layout
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.model.finding import Scores
from stormpetrel.testing.check_detector import admitted

MINUTE = 60_000_000_000


def judge(values: NDArray[np.float64], step: int = MINUTE, bank: RobustBank | None = None) -> Scores:
    ticks = len(values)
    times = np.arange(1, ticks + 1, dtype=np.int64) * step
    return (bank or RobustBank()).update(admitted(np.zeros(ticks, np.int64), times, values))


def noise(ticks: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(100.0, 1.0, ticks)


def head_of(scores: Scores, row: int) -> str:
    return RobustBank.heads[int(scores.head[row])]


def test_flatline_is_seen_and_named() -> None:
    values = noise(2000)
    values[1000:1100] = values[999]
    scores = judge(values)
    assert scores.p_value[1060] < 1e-6
    assert head_of(scores, 1060) == "flatline"


def test_a_series_that_often_repeats_has_no_flatline() -> None:
    values = (np.random.default_rng(2).random(6000) < 0.03).astype(float)
    scores = judge(values)
    flat = scores.head == RobustBank.heads.index("flatline")
    assert (scores.p_value[flat] <= 1e-4).sum() <= 2


def test_a_jump_in_a_smooth_series_is_seen_though_the_level_is_usual() -> None:
    time = np.arange(4000)
    values = 100.0 + 50.0 * np.sin(time / 200.0) + np.random.default_rng(3).normal(0, 0.05, 4000)
    values[3000] += 8.0
    scores = judge(values)
    assert scores.p_value[3000] < 1e-6
    assert head_of(scores, 3000) == "jump"
    assert scores.low[3000] < scores.expected[3000] < scores.high[3000] < scores.observed[3000]


def test_a_small_lasting_shift_is_seen_though_no_sample_is_strange() -> None:
    values = noise(6000)
    values[5000:5100] += 2.5
    scores = judge(values)
    assert scores.p_value[5000:5040].min() < 1e-4
    assert "level_shift" in {head_of(scores, row) for row in range(5002, 5020)}
    assert "lasting" not in {head_of(scores, row) for row in range(5002, 5040)}, "it is inside the band"


def test_what_rests_at_zero_is_not_stuck() -> None:
    values = np.abs(noise(4000)) + 1.0
    values[3000:3600] = 0.0
    scores = judge(values)
    assert "flatline" not in {head_of(scores, row) for row in range(3000, 3600)}
    values[3000:3600] = 1.5
    scores = judge(values)
    assert "flatline" in {head_of(scores, row) for row in range(3000, 3600)}


def test_a_counter_at_rest_is_strange_by_lasting_not_by_size() -> None:
    values = np.zeros(4000)
    values[1000::400] = 1.0
    burst, lasting = values.copy(), np.zeros(4000)
    burst[3100] = 1e6
    lasting[3500:3540] = 50.0
    assert judge(burst).p_value[3100] > 1e-6, "one burst after rest: its size has no unit"
    assert judge(lasting).p_value[3530] < 1e-6, "fifty for half an hour, where nothing ever lasted"


@pytest.mark.parametrize("shift", [10.0, 1e3, 1e6])
def test_a_lasting_change_becomes_the_new_normal(shift: float) -> None:
    values = noise(6000)
    values[3000:] += shift
    p = judge(values).p_value
    assert p[3000] < 1e-6
    assert np.flatnonzero(p[3000:] <= 1e-6).max() < 720, "an hour of samples at five seconds"


def test_an_incident_does_not_teach() -> None:
    values = noise(4000)
    values[2000:2030] += 60.0
    values[2400:2410] += 60.0
    scores = judge(values)
    assert scores.p_value[2400] < 1e-6, "the second incident counts like the first"
    assert abs(scores.expected[2100] - 100.0) < 3.0


def test_a_daily_season_is_learnt_and_used() -> None:
    day = 288
    time = np.arange(7 * day)
    wave = 100.0 + 20.0 * np.sin(2 * np.pi * time / day)
    values = wave + np.random.default_rng(5).normal(0, 1.0, len(time))
    trough = 5 * day + 3 * day // 4
    values[trough] = 110.0
    scores = judge(values, step=5 * MINUTE)
    assert np.abs(scores.expected[4 * day :] - wave[4 * day :]).mean() < 1.5
    assert scores.p_value[trough] < 1e-5, "110 is usual in the day, not at the time of 80"
    assert (scores.p_value[4 * day : trough] <= 1e-4).mean() < 2e-3


def test_after_a_silence_neighbours_are_not_compared() -> None:
    time = np.arange(3000)
    values = np.cumsum(np.random.default_rng(6).normal(0, 0.1, 3000)) + 100.0
    values[2000:] += 3.0
    times = (time + 1) * MINUTE
    ids = np.zeros(3000, np.int64)
    plain = RobustBank().update(admitted(ids, times, values))
    gap = RobustBank().update(admitted(ids, times, values, time == 2000))
    assert plain.p_value[2000] < 1e-4
    assert head_of(plain, 2000) == "jump"
    assert head_of(gap, 2000) != "jump"
    assert gap.p_value[2000] > plain.p_value[2000]


def test_bands_hold_most_samples() -> None:
    scores = judge(noise(6000))
    inside = (scores.observed >= scores.low) & (scores.observed <= scores.high)
    assert inside[1000:].mean() > 0.98


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 20"):
        RobustBank(warmup_samples=3)
    with pytest.raises(ValueError, match=r"no view is named \['far'\]; views: away"):
        RobustBank(without=("far",))
    with pytest.raises(ValueError, match="positive"):
        RobustBank(season_seconds=0.0)


def test_warm_up_is_counted() -> None:
    bank = RobustBank()
    judge(noise(50), bank=bank)
    assert bank.warming_up() == 1
    judge(noise(500), bank=bank)
    assert bank.warming_up() == 0


def test_two_hundred_thousand_series_fit_six_hundred_megabytes() -> None:
    assert RobustBank.bytes_per_series <= 2304
    assert RobustBank.bytes_per_series * 262_144 < 600e6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=1, max_size=400))
def test_no_number_breaks_it(values: list[float]) -> None:
    bank = RobustBank(warmup_samples=20)
    p = judge(np.array(values), bank=bank).p_value
    judged = p[~np.isnan(p)]
    assert ((judged > 0) & (judged <= 1)).all()
    finite = np.abs([v for v in values if np.isfinite(v)])
    if not len(finite) or finite.max() < 1e150:
        assert np.isfinite(bank.state[0, : layout.FIELDS]).all()


def test_a_processor_at_its_limit_is_saturated_not_stuck() -> None:
    """Busy now and then, up to the limit, which it then keeps for minutes: no dead sensor."""
    rng = np.random.default_rng(3)
    busy = np.minimum(np.round(500 * rng.beta(0.6, 0.5, 4000)) / 500, 0.996)
    busy[3000:3200] = 0.996
    scores = judge(busy)
    heads = [RobustBank.heads[head] for head in scores.head[3000:3200]]
    told = scores.alarm[3000:3200] <= 1e-3
    assert not {head for head, one in zip(heads, told, strict=True) if one} & {"flatline", "still"}
    assert np.nanmin(scores.p_value[3000:3200][[head == "flatline" for head in heads]], initial=1.0) > 1e-6


@pytest.mark.parametrize(("rest", "stuck"), [(62.0, False), (70.0, True)])
def test_what_rests_at_the_least_it_ever_was_has_nothing_to_do(rest: float, stuck: bool) -> None:
    """Processes of a busy host: no fewer than those that always run, which is all that an idle hour shows."""
    rng = np.random.default_rng(5)
    processes = 62.0 + np.round(rng.gamma(2.0, 4.0, 4000))
    processes[3000:3500] = rest
    scores = judge(processes)
    heads = {head_of(scores, row) for row in range(3000, 3500) if scores.p_value[row] <= 1e-6}
    assert ("flatline" in heads) is stuck
    told = {head_of(scores, row) for row in range(3000, 3500) if scores.alarm[row] <= 1e-4}
    assert bool(told & {"flatline", "still"}) is stuck


def test_a_line_below_the_usual_most_is_stuck() -> None:
    rng = np.random.default_rng(3)
    value = 50 + 10 * rng.normal(size=4000)
    value[3000:3200] = 47.3
    scores = judge(value)
    assert np.nanmin(scores.p_value[3000:3200]) < 1e-6
