"""Earning autonomy and losing it."""

from dataclasses import replace

import pytest
from scipy.stats import norm

from stormpetrel.act.scene import DAY, NOW
from stormpetrel.act.track import demoted, earned, wilson_lower
from stormpetrel.model.facts import Limits, Track

GOOD = Track(judged=20, useful=20, harmful_unix_nano=0, failed_in_a_row=0, replay_days=7.0)


def solved(good: int, count: int) -> float:
    """The lower bound by its definition: the smallest share that the normal test at 95 % does not refuse."""
    z, low, high = float(norm.ppf(0.975)), 0.0, good / count
    for _ in range(200):
        share = (low + high) / 2
        refused = good / count - share > z * (share * (1 - share) / count) ** 0.5
        low, high = (share, high) if refused else (low, share)
    return high


@pytest.mark.parametrize(("good", "count"), [(20, 20), (19, 20), (1, 20), (1, 1), (37, 40), (800, 1000)])
def test_wilson_is_what_it_says(good: int, count: int) -> None:
    assert wilson_lower(good, count) == pytest.approx(solved(good, count), abs=1e-9)


@pytest.mark.parametrize(
    ("good", "count"), [(0, 20), (0, 0), (1, 0), (-1, 5), (6, 5), (0, -1), (0, 1), (-1, -1)]
)
def test_wilson_of_nothing_or_nonsense_is_nothing(good: int, count: int) -> None:
    assert wilson_lower(good, count) == 0.0


@pytest.mark.parametrize(
    ("track", "wins"),
    [
        (GOOD, True),
        (replace(GOOD, judged=19, useful=19), False),
        (replace(GOOD, useful=19), False),
        (replace(GOOD, judged=100, useful=88), True),
        (replace(GOOD, judged=100, useful=86), False),
        (replace(GOOD, failed_in_a_row=1), True),
        (replace(GOOD, failed_in_a_row=2), False),
        (replace(GOOD, harmful_unix_nano=NOW), False),
        (replace(GOOD, harmful_unix_nano=NOW - 90 * DAY), False),
        (replace(GOOD, harmful_unix_nano=NOW - 90 * DAY - 1), True),
    ],
)
def test_earned(track: Track, wins: bool) -> None:
    assert earned(track, Limits(), NOW) is wins


def test_the_bound_itself_is_enough() -> None:
    assert earned(GOOD, Limits(usefulness_bound=wilson_lower(20, 20)), NOW)


def test_demoted_says_why() -> None:
    assert demoted(GOOD, Limits(), NOW) == ""
    assert demoted(GOOD, Limits(harmless_days=1e5), NOW) == ""
    assert "last 2 verifications failed" in demoted(replace(GOOD, failed_in_a_row=2), Limits(), NOW)
    assert "harm" in demoted(replace(GOOD, harmful_unix_nano=1), Limits(harmless_days=1e5), NOW)
    assert demoted(replace(GOOD, harmful_unix_nano=-1), Limits(harmless_days=1e5), NOW) == ""
    assert "harm" in demoted(replace(GOOD, harmful_unix_nano=NOW + 1), Limits(harmless_days=0.0), NOW)
