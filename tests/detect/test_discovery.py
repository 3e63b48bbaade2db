"""False discoveries are as few as promised: on noise, on mixtures, with series that move together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from stormpetrel.detect.discovery import BASE, BOOST, GAIN, DiscoverySettings, Purse, earn, level, walk

MINUTE = 60 * 1_000_000_000
DAYS, SERIES = 40, 30
T0 = 1_700_000_000_000_000_000 // MINUTE * MINUTE


def moments(days: int = DAYS, series: int = SERIES) -> NDArray[np.int64]:
    return np.repeat(T0 + np.arange(days * 1440, dtype=np.int64) * MINUTE, series)


def discoveries(
    p: NDArray[np.float64], given_: DiscoverySettings, entities: int = 3, series: int = SERIES
) -> NDArray[np.bool_]:
    times = moments(len(p) // series // 1440, series)
    ids = np.tile(np.arange(series, dtype=np.uint32), len(times) // series)
    purse = Purse(given_, lambda one: f"host:{one % entities}").arrays(ids, series)
    return walk(purse, ids, times, p, np.full(len(p), float(MINUTE)))


def factor(rng: np.random.Generator, n: int, series: int, together: float) -> NDArray[np.float64]:
    """p-values of series that share `together` of their variance at every moment."""
    common = np.repeat(rng.standard_normal(n // series), series)
    own = rng.standard_normal(n)
    return np.asarray(ndtr(np.sqrt(together) * common + np.sqrt(1 - together) * own))


@pytest.mark.parametrize("together", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_noise_alone_makes_as_many_as_promised(together: float, share: float) -> None:
    rng = np.random.default_rng(3)
    promised = DiscoverySettings(20.0, share, 3600.0)
    counts = [
        discoveries(factor(rng, DAYS * 1440 * SERIES, SERIES, together), promised).sum() / DAYS
        for _ in range(4)
    ]
    # Clusters of false ones widen the spread: with one factor a moment makes up to all of them at once.
    spread = 5.0 * np.sqrt(20.0 * (1 + together * SERIES) / (4 * DAYS)) / (1 - share)
    assert np.mean(counts) <= 20.0 / (1 - share) + spread
    assert np.mean(counts) >= 20.0 - spread  # what may be spent is spent: the rule is not merely timid


@pytest.mark.parametrize("together", [0.0, 0.6])
@pytest.mark.parametrize("real_share", [1e-4, 1e-3, 1e-2])
def test_with_real_ones_the_false_stay_below_base_and_share(together: float, real_share: float) -> None:
    rng = np.random.default_rng(5)
    promised = DiscoverySettings(5.0, 0.1, 3600.0)
    n = DAYS * 1440 * SERIES
    false = found = 0
    for _ in range(3):
        p = factor(rng, n, SERIES, together)
        # Real ones come in bursts, as incidents do.
        real = np.repeat(rng.random(n // (10 * SERIES)) < real_share, 10 * SERIES)
        p[real] = 10 ** -rng.uniform(2.0, 9.0, int(real.sum()))
        told = discoveries(p, promised)
        false += int((told & ~real).sum())
        found += int(told.sum())
    allowed = 3 * 5.0 * DAYS + 0.1 * found
    assert false <= allowed + 5.0 * np.sqrt(allowed * (1 + together * SERIES))
    assert found > 3 * 5.0 * DAYS or real_share < 1e-3


@pytest.mark.parametrize("together", [0.0, 0.6])
def test_the_false_share_is_small_where_there_is_enough_to_find(together: float) -> None:
    rng = np.random.default_rng(8)
    n = DAYS * 1440 * SERIES
    p = factor(rng, n, SERIES, together)
    real = rng.random(n) < 3e-3
    p[real] = 1e-9
    told = discoveries(p, DiscoverySettings(5.0, 0.1, 3600.0))
    assert (told & ~real).sum() / told.sum() <= 0.1 + 5.0 * DAYS / told.sum() + 0.03
    assert told[real].mean() > 0.99


def test_a_discovery_buys_its_share_for_its_own_entity_and_no_more() -> None:
    ids = np.arange(6, dtype=np.uint32)
    purse = Purse(DiscoverySettings(0.3, 0.05, 3600.0), lambda one: f"host:{one // 3}").arrays(ids, 6)
    base = purse[0][BASE] / 6
    for series in range(6):
        assert level(purse, series, T0) == base
    earn(purse, 0)
    bought = np.zeros(6)
    for minute in range(3 * 1440):
        levels = np.array([level(purse, series, T0 + minute * MINUTE) for series in range(6)])
        assert (levels >= base).all()
        bought += (levels - base) * MINUTE
    assert bought[:3].sum() == pytest.approx(0.05, rel=0.02)
    assert bought[3:].sum() == 0


def test_the_discoveries_of_a_moment_do_not_loosen_that_moment() -> None:
    given_ = DiscoverySettings(0.3, 0.5, 600.0)
    n = 1000
    ids, times = np.arange(n, dtype=np.uint32), np.full(n, T0, np.int64)
    asked = given_.false_per_day / 1440 / n
    p = np.where(np.arange(n) % 2 == 0, asked * 0.99, asked * 1.01)
    for order in (np.arange(n), np.arange(n)[::-1]):
        purse = Purse(given_, lambda _: "host:a").arrays(ids, n)
        told = walk(purse, ids[order], times, p[order], np.full(n, float(MINUTE)))
        assert np.array_equal(told, order % 2 == 0)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(-(10**12), 10**13), st.integers(0, 5)), max_size=60),
    share=st.floats(0.0, 0.9),
)
def test_whatever_time_does_spending_is_bounded(steps: list[tuple[int, int]], share: float) -> None:
    purse = Purse(DiscoverySettings(1.0, share, 600.0), str).arrays(np.zeros(1, np.uint32), 1)
    base, gain = purse[0][BASE], purse[0][GAIN]
    now, earned = T0, 0
    for step, found in steps:
        now += step
        assert base <= level(purse, 0, now) <= base + earned * gain * (1 + 1e-9)
        for _ in range(found):
            earn(purse, 0)
        earned += found
    assert np.isfinite(purse[1][0, BOOST])


def test_groups_and_series_may_be_many() -> None:
    purse = Purse(DiscoverySettings(), lambda one: f"host:{one // 2}")
    for last in (10, 1000, 5000):
        ids = np.arange(last, dtype=np.uint32)
        _, wealth, members, group, _ = purse.arrays(ids, last)
        assert np.array_equal(group[:last], ids // 2)
        assert len(wealth) == len(members) >= last // 2
        assert (members[: last // 2] == 2).all()


def test_a_fleet_may_make_a_little_more_than_one_series() -> None:
    purse = Purse(DiscoverySettings(0.3), str)
    assert purse.alone(1) == purse.rules[BASE]
    assert 10_000 * purse.alone(10_000) == pytest.approx(10 * purse.rules[BASE])


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0])
def test_settings_that_would_run_away_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share < 1"):
        DiscoverySettings(share=share)
