"""What is known of a variable: an honest p-value, and records chosen however they are cut."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.detect.logs.value_model import FollowedPattern, ValueModel


@pytest.mark.parametrize("alpha", [0.03, 0.1])
def test_the_p_value_is_honest_where_windows_are_exchangeable(alpha: float) -> None:
    """Of healthy variables of every kind, at most so many would be told in a window chosen beforehand."""
    rng = np.random.default_rng(11)
    told, runs = 0, 3000
    for _ in range(runs):
        share = rng.dirichlet(np.full(40, 10.0 ** rng.uniform(-2.5, 0.5)))
        model = ValueModel(0)
        drawn = rng.choice(40, (int(rng.integers(60, 150)), int(rng.integers(1, 4))), p=share)
        for window, held in enumerate(drawn.tolist()):
            new = [value for value in map(str, held) if not model.knows(value, window)]
            if window == len(drawn) - 1:
                told += bool(new) and model.p_value() <= alpha
            for value in dict.fromkeys(new):
                model.add(value)
    assert told / runs <= alpha + 3.0 * np.sqrt(alpha / runs)


def test_a_burst_is_one_chance() -> None:
    model = ValueModel(0)
    for k in range(1000):
        if not model.knows("a", k // 500):
            model.add("a")
    assert model.p_value() > 0.5
    assert not model.knows("b", 2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 150)), min_size=1, max_size=5),
    st.lists(st.integers(1, 400), max_size=6),
)
def test_the_same_records_are_looked_at_however_they_are_cut(
    runs: list[tuple[int, int]], cuts: list[int]
) -> None:
    """Records in runs of one window, some of them late."""
    times = np.repeat([window for window, _ in runs], [many for _, many in runs])
    whole, pieces = FollowedPattern("s", 0), FollowedPattern("s", 0)
    expected = whole.chosen(times).tolist()
    edges = [0, *sorted({cut for cut in cuts if cut < len(times)}), len(times)]
    found = [pieces.chosen(times[a:b]).tolist() for a, b in pairwise(edges)]
    assert list(chain.from_iterable(found)) == expected
    assert all(expected[:64])
