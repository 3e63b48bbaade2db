from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.simulate.noise import Noise

INDEX = np.arange(20_000, dtype=np.int64)


def test_uniform_numbers_fill_the_unit_interval_evenly() -> None:
    value = Noise(1).uniform("a", INDEX)
    assert value.min() >= 0
    assert value.max() < 1
    counts = np.histogram(value, bins=20, range=(0, 1))[0]
    # 19 degrees of freedom: chi square above 60 has a chance of 4e-6.
    assert float(((counts - 1000) ** 2 / 1000).sum()) < 60


def test_normal_numbers_have_mean_zero_and_deviation_one_and_no_memory() -> None:
    value = Noise(1).normal("a", INDEX)
    assert abs(value.mean()) < 0.04
    assert abs(value.std() - 1) < 0.03
    assert abs(np.corrcoef(value[:-1], value[1:])[0, 1]) < 0.04


def test_streams_and_seeds_are_unrelated() -> None:
    one = Noise(1).normal("a", INDEX)
    for other in (Noise(1).normal("b", INDEX), Noise(2).normal("a", INDEX)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.04


@given(st.integers(-(2**70), 2**70), st.integers(-(2**62), 2**62))
def test_a_number_depends_only_on_seed_stream_and_index(seed: int, index: int) -> None:
    alone = Noise(seed).uniform("s", np.array([index]))
    among = Noise(seed).uniform("s", np.array([index - 1, index, index + 1]))
    assert alone[0] == among[1]
    assert 0 <= alone[0] < 1


def test_counts_have_mean_and_variance_of_poisson_counts() -> None:
    for mean in (0.05, 1.0, 3.9, 4.1, 30.0, 300.0):
        count = Noise(3).count("c", INDEX, np.full(len(INDEX), mean))
        assert count.min() >= 0
        assert abs(count.mean() / mean - 1) < 0.08
        assert abs(count.var() / mean - 1) < 0.1
    assert Noise(3).count("c", INDEX, np.full(len(INDEX), -1.0)).max() == 0
    assert Noise(3).count("c", INDEX, np.zeros(len(INDEX))).max() == 0


def test_smooth_wandering_has_no_jumps() -> None:
    seconds = np.arange(0, 86_400, 5.0)
    value = Noise(4).smooth("w", seconds, 900.0)
    assert np.abs(np.diff(value)).max() < 0.05
    assert 0.5 < value.std() < 1.2
