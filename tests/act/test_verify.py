"""What the numbers say after an act."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stormpetrel.act.verify import Found, Seen, Side, TargetHealth, verify
from stormpetrel.model.action import Condition
from stormpetrel.model.run import Verification

FIXED, NO_EFFECT = Verification.FIXED, Verification.NO_EFFECT
WORSE, INCONCLUSIVE = Verification.WORSE, Verification.INCONCLUSIVE
DOWN = Condition("latency", "down", 0.5)
SERVES = TargetHealth("service:a", True, True)


def around(level: float, seed: int, samples: int = 30, noise: float = 2.0) -> NDArray[np.float64]:
    return level + noise * np.random.default_rng(seed).standard_normal(samples)


def seen(
    after: NDArray[np.float64],
    *,
    before: NDArray[np.float64] | None = None,
    calm: NDArray[np.float64] | None = None,
    others: tuple[Side, ...] = (),
    condition: Condition = DOWN,
) -> Seen:
    start = around(100, 1) if before is None else before
    quiet = around(20, 2) if calm is None else calm
    return Seen(condition, "latency of a", quiet, Side(start, after), others)


def says(
    *things: Seen, health: tuple[TargetHealth, ...] = (SERVES,), fires: bool | None = False
) -> Verification:
    found = verify(things, health, fires)
    assert all(reason.endswith(".") for reason in found.reasons)
    return found.result


def test_back_to_calm_is_fixed() -> None:
    assert says(seen(around(22, 3))) is FIXED


def test_unchanged_is_no_effect() -> None:
    assert says(seen(around(99, 3))) is NO_EFFECT


def test_further_away_is_worse() -> None:
    assert says(seen(around(150, 3))) is WORSE


def test_better_but_not_by_what_is_needed_is_inconclusive() -> None:
    assert says(seen(around(68, 3))) is INCONCLUSIVE


def test_up_is_better_where_the_condition_says_so() -> None:
    up = Condition("answers", "up", 0.5)
    low, high = around(20, 1), around(100, 2)
    assert says(seen(around(95, 3), before=low, calm=high, condition=up)) is FIXED
    assert says(seen(around(2, 3), before=low, calm=high, condition=up)) is WORSE


def test_what_moved_everybody_is_not_what_the_act_did() -> None:
    others = tuple(Side(around(100, 10 + n), around(22, 20 + n)) for n in range(4))
    assert says(seen(around(22, 3), others=others)) is NO_EFFECT


def test_untouched_members_that_stay_bad_leave_it_fixed() -> None:
    others = tuple(Side(around(100, 10 + n), around(101, 20 + n)) for n in range(4))
    assert says(seen(around(22, 3), others=others)) is FIXED


def test_trouble_that_moved_to_the_others_is_not_fixed() -> None:
    others = tuple(Side(around(30, 10 + n), around(110, 20 + n)) for n in range(4))
    assert says(seen(around(22, 3), others=others)) is INCONCLUSIVE


def test_untouched_members_without_samples_conclude_nothing() -> None:
    gone = np.full(30, np.nan)
    assert says(seen(around(22, 3), others=(Side(gone, gone),))) is INCONCLUSIVE


@pytest.mark.parametrize("missing", ["after", "before", "calm"])
def test_missing_samples_conclude_nothing(missing: str) -> None:
    holes = around(22 if missing != "before" else 100, 3)
    holes[:12] = np.nan
    one = {
        "after": seen(holes),
        "before": seen(around(22, 4), before=holes),
        "calm": seen(around(22, 4), calm=holes),
    }[missing]
    assert says(one) is INCONCLUSIVE


def test_five_samples_are_too_few_and_six_are_not() -> None:
    assert says(seen(around(22, 3, samples=5))) is INCONCLUSIVE
    assert says(seen(around(22, 3, samples=6))) is FIXED


def test_three_samples_of_the_trouble_are_enough_for_who_acts_at_once() -> None:
    assert says(seen(around(22, 3), before=around(100, 1, samples=2))) is INCONCLUSIVE
    assert says(seen(around(22, 3), before=around(100, 1, samples=3))) is FIXED
    assert says(seen(around(99, 3), before=around(100, 1, samples=3))) is NO_EFFECT


def test_nothing_measured_concludes_nothing() -> None:
    nothing = np.empty(0)
    assert says(seen(nothing, before=nothing, calm=nothing)) is INCONCLUSIVE


def test_to_and_fro_concludes_nothing() -> None:
    after = np.where(np.arange(30) % 6 < 4, 20.0, 100.0) + around(0, 3)
    assert says(seen(after)) is INCONCLUSIVE


def test_trouble_that_comes_back_is_not_fixed() -> None:
    after = np.concatenate([around(20, 3, 19), around(100, 4, 11)])
    assert says(seen(after)) is INCONCLUSIVE


def test_an_end_of_the_window_that_is_worse_than_the_trouble_is_not_fixed() -> None:
    after = np.concatenate([around(20, 3, 20), around(300, 4, 10)])
    assert says(seen(after)) is INCONCLUSIVE
    up = Condition("answers", "up", 0.5)
    after = np.concatenate([around(100, 3, 20), around(-80, 4, 10)])
    assert says(seen(after, before=around(20, 1), calm=around(100, 2), condition=up)) is INCONCLUSIVE


def test_a_series_without_trouble_is_not_worse_for_its_last_digits() -> None:
    level = np.full(12, 5.0)
    for change, wanted in ((1e-9, INCONCLUSIVE), (0.9, INCONCLUSIVE), (1.1, WORSE)):
        assert says(seen(level + change, before=level, calm=level)) is wanted
    nothing = np.zeros(12)
    assert says(seen(nothing + 1e-12, before=nothing, calm=nothing)) is INCONCLUSIVE
    assert says(seen(nothing + 0.1, before=nothing, calm=nothing)) is WORSE


def test_noise_as_large_as_the_trouble_concludes_nothing() -> None:
    wild = [around(level, seed, samples=12, noise=60) for level, seed in ((100, 1), (60, 2), (20, 3))]
    assert says(seen(wild[1], before=wild[0], calm=wild[2])) is INCONCLUSIVE


def test_a_gain_out_of_the_noise_is_one_however_few_the_samples_were() -> None:
    """Noise as large as what is asked for says nothing of a small gain, and all about a large one."""
    before = np.array([0.11, 0.24, 0.34, 0.17, 0.3])
    calm, after = np.full(9, 0.016), np.array([0.06, 0.05, 0.04, 0.04, 0.04, 0.03, 0.03, 0.02, 0.02])
    assert says(seen(after, before=before, calm=calm)) is FIXED
    assert says(seen(after + 0.09, before=before, calm=calm)) is INCONCLUSIVE
    assert says(seen(after + 0.2, before=before, calm=calm)) is INCONCLUSIVE


def test_a_trouble_that_the_series_does_not_show_concludes_nothing() -> None:
    assert says(seen(around(20, 3), before=around(20, 4))) is INCONCLUSIVE


def test_a_target_that_served_and_does_not_is_worse_whatever_the_series_says() -> None:
    assert says(seen(around(22, 3)), health=(TargetHealth("service:a", True, False),)) is WORSE


@pytest.mark.parametrize(
    ("health", "fires", "expected"),
    [
        (TargetHealth("service:a", False, True), False, FIXED),
        (TargetHealth("service:a", False, False), False, NO_EFFECT),
        (TargetHealth("service:a", True, None), False, INCONCLUSIVE),
        (TargetHealth("service:a", None, False), False, INCONCLUSIVE),
        (SERVES, True, INCONCLUSIVE),
        (SERVES, None, INCONCLUSIVE),
    ],
)
def test_health_and_symptom_count(health: TargetHealth, fires: bool | None, expected: Verification) -> None:
    assert says(seen(around(22, 3)), health=(health,), fires=fires) is expected


def test_a_symptom_that_shows_as_before_is_no_effect() -> None:
    assert says(seen(around(99, 3)), fires=True) is NO_EFFECT
    assert says(fires=True) is NO_EFFECT


def test_worse_outweighs_what_is_not_known() -> None:
    assert says(seen(around(150, 3)), fires=None) is WORSE


levels = st.floats(-1e6, 1e6, allow_nan=False)
windows = st.lists(st.one_of(levels, st.just(float("nan")), st.just(float("inf"))), max_size=40).map(np.array)


@settings(max_examples=300, deadline=None)
@given(
    windows,
    windows,
    windows,
    st.lists(st.tuples(windows, windows), max_size=3),
    st.sampled_from(["up", "down"]),
)
def test_any_numbers_have_an_answer(calm, before, after, others, direction) -> None:  # type: ignore[no-untyped-def] # arrays of hypothesis
    sides = tuple(Side(a.astype(float), b.astype(float)) for a, b in others)
    one = Seen(
        Condition("x", direction),
        "x",
        calm.astype(float),
        Side(before.astype(float), after.astype(float)),
        sides,
    )
    assert verify([one], [], False).result in tuple(Verification)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["after", "before"]), st.integers(10, 30))
def test_taking_samples_away_never_makes_it_fixed(seed: int, side: str, gone: int) -> None:
    after, before = around(99, seed), around(100, seed + 1)
    (after if side == "after" else before)[-gone:] = np.nan
    assert says(seen(after, before=before)) in (INCONCLUSIVE, NO_EFFECT)
    assert says(seen(after, before=before)) is not FIXED


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000_000))
def test_pure_noise_is_hardly_ever_called_fixed_or_worse(seed: int) -> None:
    quiet = [seen(around(100, seed + n * 31), before=around(100, seed + n * 31 + 1)) for n in range(40)]
    found = [says(one) for one in quiet]
    assert found.count(FIXED) == 0
    assert found.count(WORSE) == 0


HOLD = Condition("latency", "down", 0.5, hold=True)


def test_what_must_only_hold_is_fixed_while_it_is_as_before() -> None:
    level = around(50, 1)
    assert says(seen(around(50, 3), before=level, calm=level, condition=HOLD)) is FIXED
    assert says(seen(around(60, 3), before=level, calm=level, condition=HOLD)) is FIXED
    assert says(seen(around(20, 3), before=level, calm=level, condition=HOLD)) is FIXED
    nothing = np.zeros(30)
    assert says(seen(nothing, before=nothing, calm=nothing, condition=HOLD)) is FIXED


def test_what_must_only_hold_and_does_not_is_worse() -> None:
    level = around(50, 1)
    assert says(seen(around(90, 3), before=level, calm=level, condition=HOLD)) is WORSE
    nothing = np.zeros(30)
    assert says(seen(nothing + 0.1, before=nothing, calm=nothing, condition=HOLD)) is WORSE


def ratio_of_few(seed: int, samples: int) -> NDArray[np.float64]:
    """Errors among ten requests a sample, one in a hundred, told over the last twenty samples: it drifts."""
    errors = np.random.default_rng(seed).binomial(10, 0.01, samples + 19) / 10.0
    return np.convolve(errors, np.full(20, 1 / 20), "valid")


def halves(seed: int, harm: float = 0.0) -> Seen:
    """A ratio of few errors that must hold: twelve windows of calm, one before the act, one after it."""
    whole = ratio_of_few(seed, 14 * 12)
    after = whole[13 * 12 :] + harm
    return seen(after, before=whole[12 * 12 : 13 * 12], calm=whole[: 12 * 12], condition=HOLD)


def test_what_must_only_hold_may_move_as_it_does_in_calm_times() -> None:
    found = [says(halves(seed)) for seed in range(1000)]
    assert found.count(WORSE) <= 15
    assert found.count(FIXED) >= 980
    deaf = [says(replace(halves(seed), calm=np.zeros(0))) for seed in range(300)]
    assert deaf.count(WORSE) > 30, "without its past it would be undone for nothing"


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 143), st.integers(1, 40), st.floats(0.1, 1.0))
def test_an_outage_in_calm_times_hides_no_harm(seed: int, begin: int, length: int, size: float) -> None:
    one = halves(seed, harm=0.15)
    assert says(one) is WORSE
    one.calm[begin : begin + length] += size
    assert says(one) is WORSE


CALM, QUIET = np.zeros(144), np.zeros(12)
ALL_FAIL_AT_THE_END = np.concatenate([np.zeros(7), np.ones(5)])
HALF_FAIL_IN_TURN = np.tile([0.0, 1.0], 6)


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        (np.linspace(0.0, 1.0, 12), WORSE),
        (ALL_FAIL_AT_THE_END, WORSE),
        (HALF_FAIL_IN_TURN, INCONCLUSIVE),
    ],
    ids=["grows", "all fail at the end", "half fail in turn"],
)
def test_what_became_noisy_after_the_act_is_not_excused_by_that(
    after: NDArray[np.float64], wanted: Verification
) -> None:
    assert says(seen(after, before=QUIET, calm=CALM, condition=HOLD)) is wanted
    up = replace(HOLD, direction="up", ratio=0.1)
    assert says(seen(1 - after, before=QUIET + 1, calm=CALM + 1, condition=up)) is wanted


def test_the_end_of_the_window_may_lose_twice_as_much_as_all_of_it() -> None:
    level = np.full(12, 10.0)
    for end, wanted in ((19.9, FIXED), (20.1, WORSE)):
        after = np.concatenate([np.full(8, 10.0), np.full(4, end)])
        assert says(seen(after, before=level, calm=np.full(144, 10.0), condition=HOLD)) is wanted


def outages(past: int, *begin: int, length: int = 25, size: float = 0.2) -> NDArray[np.float64]:
    values = np.zeros(past)
    for one in begin:
        values[one : one + length] = size
    return values


@pytest.mark.parametrize(
    ("calm", "harm"),
    [
        (outages(144, 20, 80), 0.5),
        (outages(144, *range(12, 144, 24), length=12, size=0.1), 0.25),
        (outages(30, 10, length=10, size=0.4), 0.8),
    ],
    ids=["two outages", "to and fro", "few windows"],
)
def test_a_past_that_moved_excuses_no_more_than_it_ever_was_away(
    calm: NDArray[np.float64], harm: float
) -> None:
    assert says(seen(QUIET + harm, before=QUIET, calm=calm, condition=HOLD)) is WORSE


def moved_others(start: float, end: float) -> tuple[Side, ...]:
    return (Side(QUIET + start, QUIET + end),) * 3


def test_what_must_only_hold_is_in_doubt_where_untouched_members_got_worse_meanwhile() -> None:
    worse = moved_others(0.0, 0.6)
    for own, wanted in ((0.0, INCONCLUSIVE), (0.6, INCONCLUSIVE), (0.9, WORSE)):
        one = seen(QUIET + own, before=QUIET, calm=CALM, condition=HOLD, others=worse)
        assert says(one) is wanted
    gone = (Side(np.full(12, np.nan), np.full(12, np.nan)),)
    assert says(seen(QUIET, before=QUIET, calm=CALM, condition=HOLD, others=gone)) is INCONCLUSIVE
    assert says(seen(QUIET + 0.9, before=QUIET, calm=CALM, condition=HOLD, others=gone)) is WORSE


def test_nothing_is_undone_for_what_untouched_members_gained_by_themselves() -> None:
    better = moved_others(0.6, 0.0)
    for own, wanted in ((0.0, FIXED), (0.005, FIXED), (0.6, WORSE)):
        calm = CALM + np.tile([0.0, 0.01], 72)
        before = QUIET + np.tile([0.0, 0.01], 6)
        assert says(seen(before + own, before=before, calm=calm, condition=HOLD, others=better)) is wanted


def test_a_few_samples_that_are_not_there_yet_leave_what_must_hold_to_the_others() -> None:
    late = QUIET.copy()
    late[-3:] = np.nan
    assert says(seen(late, before=QUIET, calm=CALM, condition=HOLD)) is FIXED
    late[-4:] = np.nan
    assert says(seen(late, before=QUIET, calm=CALM, condition=HOLD)) is INCONCLUSIVE


def test_what_must_only_hold_needs_samples_and_no_calm() -> None:
    level = around(50, 1)
    assert says(seen(around(50, 3), before=level, calm=np.zeros(0), condition=HOLD)) is FIXED
    assert says(seen(np.zeros(0), before=level, calm=level, condition=HOLD)) is INCONCLUSIVE


def test_holding_alone_mends_no_symptom() -> None:
    level = around(50, 1)
    assert says(seen(around(50, 3), before=level, calm=level, condition=HOLD), fires=True) is NO_EFFECT


def test_what_was_found_and_measured_need_not_be_gone_elsewhere() -> None:
    better = seen(around(22, 3))
    assert verify((better,), (SERVES,), True).result is INCONCLUSIVE
    assert verify((better,), (SERVES,), True, told=True).result is FIXED
    assert verify((seen(around(99, 3)),), (SERVES,), True, told=True).result is NO_EFFECT
    assert verify((), (), None, told=True).result is INCONCLUSIVE


@pytest.mark.parametrize(("shows", "wanted"), [(False, FIXED), (True, NO_EFFECT), (None, INCONCLUSIVE)])
def test_findings_that_must_be_over(shows: bool | None, wanted: Verification) -> None:
    found = verify((), (SERVES,), False, (Found("certificate_expiry", shows),))
    assert found.result is wanted
    assert any("certificate_expiry" in reason for reason in found.reasons)
