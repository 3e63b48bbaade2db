"""p-values mean what they say: on healthy noise of many kinds, the rate of p <= q is about q."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.testing.check_detector import admitted

SERIES, TICKS, WARM = 60, 12_000, 2_000
Noise = Callable[[np.random.Generator], NDArray[np.float64]]


def autoregressive(rng: np.random.Generator, memory: float) -> NDArray[np.float64]:
    steps = rng.normal(size=(TICKS, SERIES))
    for tick in range(1, TICKS):
        steps[tick] += memory * steps[tick - 1]
    return steps


NOISES: dict[str, Noise] = {
    "gaussian": lambda rng: rng.normal(100.0, 1.0, (TICKS, SERIES)),
    "student_t3": lambda rng: rng.standard_t(3, (TICKS, SERIES)),
    "ar1": lambda rng: 50.0 + autoregressive(rng, 0.9),
    "poisson": lambda rng: rng.poisson(20.0, (TICKS, SERIES)).astype(np.float64),
    "lognormal": lambda rng: rng.lognormal(0.0, 1.0, (TICKS, SERIES)),
    "seasonal": lambda rng: (
        10.0
        + 5.0 * np.sin(2 * np.pi * np.arange(TICKS) / 1440)[:, None]
        + rng.normal(0.0, 1.0, (TICKS, SERIES))
    ),
}


def p_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values [ticks, series] of a fresh bank, one sample a minute."""
    ticks, series = values.shape
    times = np.repeat(np.arange(1, ticks + 1) * 60_000_000_000, series)
    rows = admitted(np.tile(np.arange(series), ticks), times, values.ravel())
    return RobustBank().update(rows).p_value.reshape(ticks, series)


@pytest.mark.parametrize("kind", sorted(NOISES))
def test_rates_match_p_values(kind: str) -> None:
    p = p_values(NOISES[kind](np.random.default_rng(3)))[WARM:]
    for nominal in (1e-3, 1e-4):
        rate = float((p <= nominal).mean())
        # Bonferroni over four heads, of which the flatline is silent here, costs up to a factor of two;
        # 1e-4 of these 600,000 samples are 60, in clusters where noise is autocorrelated.
        assert nominal / 4.5 <= rate <= 3.0 * nominal or (kind == "ar1" and rate <= nominal), (nominal, rate)
    assert (p <= 1e-6).mean() < 3e-5


@pytest.mark.parametrize("kind", sorted(NOISES))
def test_short_histories_are_modest(kind: str) -> None:
    p = p_values(NOISES[kind](np.random.default_rng(4))[:600])[120:]
    assert (p <= 1e-3).mean() <= 3e-3
    assert np.nanmin(p) > 1e-12


@pytest.mark.parametrize("kind", ["gaussian", "ar1", "seasonal"])
@pytest.mark.parametrize("lasting", [False, True], ids=["spike", "shift"])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_eight_sigma_is_far_out(kind: str, lasting: bool, sign: float) -> None:
    values = NOISES[kind](np.random.default_rng(5))[:4000]
    sigma = (values - np.median(values, axis=0)).std() if kind != "seasonal" else 1.0
    usual = np.median(values[2900:3000], axis=0)
    values[3000 : 3030 if lasting else 3001] += sign * 8.0 * sigma + 0.0 * usual
    p = p_values(values)
    smallest = p[3000:3010].min(axis=0)
    assert np.median(smallest) < 1e-6
    assert (smallest < 1e-5).mean() > 0.9


def test_a_tiny_first_move_is_no_alarm_but_a_large_one_is() -> None:
    values = np.full((1500, 4), [0.01, 0.01, 100.0, 0.0])
    values[1000:, 0] = 0.9
    values[1000:, 1] = 0.01002
    values[1000, 2] = 100.5
    values[1000, 3] = 3.0
    p = p_values(values)
    assert p[1000, 0] < 1e-10, "a ratio from 0.01 to 0.9"
    assert p[1000:1100, 1].min() > 1e-4, "a fifth of a percent"
    assert p[1000, 2] > 1e-5, "half a percent"
    assert p[1000, 3] > 1e-5, "a first count of a series that was always zero"
