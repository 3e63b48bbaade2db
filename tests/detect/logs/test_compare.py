"""How surprising two counts are: steady things by their number, bursty ones less, and both directions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.detect.logs.compare import surprise

COUNTS = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


def parts(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int64)


def test_what_appears_and_what_vanishes_is_surprising() -> None:
    none, some = [0, 0, 0, 0], [10, 11, 9, 10]
    far = surprise(parts(none, some, some), parts(some, none, some), (60.0, 60.0))
    assert far[0] > 5
    assert far[1] < -5
    assert far[2] == 0


def test_rates_are_compared_and_not_counts() -> None:
    far = surprise(parts([100, 100]), parts([25, 25]), (240.0, 60.0))
    assert abs(far[0]) < 1e-9


def test_a_line_that_comes_in_bursts_is_less_surprising() -> None:
    steady = surprise(parts([10] * 10), parts([15] * 10), (60.0, 60.0))[0]
    bursty = surprise(parts([0] * 9 + [100]), parts([0] * 9 + [150]), (60.0, 60.0))[0]
    assert steady > 3 * bursty > 0


@given(COUNTS, COUNTS)
def test_finite_and_turned_round_when_the_sides_are(before: list[int], after: list[int]) -> None:
    there = surprise(parts(before), parts(after), (60.0, 60.0))[0]
    back = surprise(parts(after), parts(before), (60.0, 60.0))[0]
    assert np.isfinite(there)
    assert there == -back or (there == back == 0.0)


def test_by_chance_alone_it_is_a_standard_deviation() -> None:
    rng = np.random.default_rng(3)
    far = surprise(rng.poisson(8, (4000, 20)), rng.poisson(8, (4000, 20)), (60.0, 60.0))
    assert 0.75 < far.std() < 1.1
    assert np.mean(np.abs(far) > 4) < 1e-3
