"""How the mixture learns its rulers from one sample, after it has judged it. All steps are bounded.

Every scale is a running mean of sizes, each taken as at most `CLIP` times the scale itself; the rates
are slow, so that neither an incident nor an hour of it stretches the ruler that measures it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.drift import learn_trend
from stormpetrel.detect.metrics.forecast_changes import expected_change, learn_change
from stormpetrel.detect.metrics.layout import HAS_PREV, LEVEL, PREV, N
from stormpetrel.detect.metrics.linger import learn_linger
from stormpetrel.detect.metrics.mixture import floor_of
from stormpetrel.detect.metrics.mixture_layout import (
    BORROWED,
    BUSY_START,
    CALM,
    CALM_LONGEST,
    CALM_SCALE,
    CLIP,
    DAY_ERROR,
    DAY_N,
    DAY_REST,
    DAY_SCALE,
    ERROR_RATE,
    FORECAST_SCALE,
    LAGS,
    LAST_MOVE,
    LEVEL_ERROR,
    LEVEL_SCALE,
    MOVE_SCALE,
    NORMAL,
    NORMAL_RATE,
    NORMAL_SCALE,
    ORDER,
    OUTSIDE,
    REST_RATE,
    REST_SCALE,
    SCALE_RATE,
    SHIFT,
    STEP,
    STILL_SHARE,
    YOUNG,
)

F64 = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def young_rate(n: float) -> float:
    """The weight of the sample that follows `n` others in a mean that is still young.

    Weights grow with age at first, so a busy start is forgotten with the square of what follows; after
    `BUSY_START` samples they are those of a plain mean, which is the least noisy.
    """
    return 1.0 / max(0.5 * n + 1.0, n + 1.0 - 0.5 * BUSY_START)


@njit(cache=True, nogil=True, error_model="numpy")
def teach(m: F64, place: int, residual: float, n: float, least: tuple[float, float]) -> float:
    """Move the scale at `place` towards the clipped size of the residual; returns the clipped residual.

    `least`: the slowest rate, and the floor of scales."""
    slowest, floor = least
    size = abs(residual)
    if n >= YOUNG:
        size = min(size, CLIP * (m[place] + floor))
    m[place] += max(slowest, young_rate(n)) * (size - m[place])
    return math.copysign(size, residual)


@njit(cache=True, nogil=True, error_model="numpy")
def learn_mixture(s: F64, m: F64, x: float, base: float) -> None:
    """Teach every ruler one sample; called before the robust state itself learns it."""
    n = s[N]
    if n == 0.0:
        m[NORMAL] = x
    floor = floor_of(s, m)
    slow = (SCALE_RATE, floor)
    borrowed = m[BORROWED]
    away = teach(m, NORMAL_SCALE, x - m[NORMAL], n + borrowed, (NORMAL_RATE, floor))
    m[NORMAL] += max(NORMAL_RATE, 1.0 / (n + 1.0)) * away
    learn_trend(s, m, x, floor)
    learn_linger(m, n, floor)
    near = teach(m, LEVEL_SCALE, x - s[LEVEL] if n > 0.0 else 0.0, n + borrowed, slow)
    if math.isfinite(base):
        learn_day(m, x - base, near, slow)
    if s[HAS_PREV] > 0.0:
        learn_moves(m, x - s[PREV], n + borrowed, slow)


@njit(cache=True, nogil=True, error_model="numpy")
def learn_day(m: F64, off: float, near: float, slow: tuple[float, float]) -> None:
    """The rulers of the daily profile, and whether it explains more than the level does."""
    n = m[DAY_N]
    rest = teach(m, REST_SCALE, off - m[DAY_REST], n, slow)
    teach(m, DAY_SCALE, off, n, slow)
    m[DAY_REST] += max(REST_RATE, 1.0 / (n + 1.0)) * rest
    m[DAY_ERROR] += ERROR_RATE * (abs(rest) - m[DAY_ERROR])
    m[LEVEL_ERROR] += ERROR_RATE * (abs(near) - m[LEVEL_ERROR])
    m[DAY_N] = n + 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def learn_moves(m: F64, change: float, n: float, slow: tuple[float, float]) -> None:
    """The rulers of changes, their forecast, the smallest step, and runs of uncanny calm."""
    teach(m, FORECAST_SCALE, change - expected_change(m), n, slow)
    learn_change(m, teach(m, MOVE_SCALE, change, n, slow), n)
    step = abs(change)
    if step > 0.0 and (m[STEP] == 0.0 or step < m[STEP]):
        m[STEP] = step
    bend = abs(change - m[LAST_MOVE])
    m[LAST_MOVE] = change
    if bend <= STILL_SHARE * m[CALM_SCALE]:
        m[CALM] += 1.0
    else:
        if m[CALM] > 0.0:
            m[CALM_LONGEST] = max(m[CALM_LONGEST] * (1.0 - 1.0 / 64.0), m[CALM])
        m[CALM] = 0.0
    if m[CALM] < 2.0 * YOUNG or n < YOUNG:  # a stuck source does not teach that nothing ever bends
        size = min(bend, CLIP * m[CALM_SCALE]) if n >= YOUNG else bend
        m[CALM_SCALE] += max(SCALE_RATE, 1.0 / (n + 1.0)) * (size - m[CALM_SCALE])


@njit(cache=True, nogil=True, error_model="numpy")
def restart_mixture(m: F64) -> None:
    """After a silence nothing is compared with neighbours in time; rulers stay."""
    m[SHIFT] = m[LAST_MOVE] = 0.0
    for j in range(ORDER):
        m[LAGS + j] = 0.0
    m[CALM_LONGEST] = max(m[CALM_LONGEST], m[CALM]) if m[OUTSIDE] == 0.0 else m[CALM_LONGEST]
    m[CALM] = 0.0
