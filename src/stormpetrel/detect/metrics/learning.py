"""How the robust bank learns from one sample, after it has judged it. All steps are bounded.

A residual moves the level by at most `CLIP` scales and the scale grows by at most a few percent a
sample, so a short incident teaches little and a lasting change is learnt in about `RELEARN` samples,
however large it is: scale and level grow geometrically together.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.layout import (
    CLIP,
    DAY_HIGH,
    DAY_LOW,
    DAY_SCALE,
    DOWN,
    DRIFT,
    DRIFT_SCALE,
    DRIFT_SCALE_RATE,
    EPISODE_MEMORY,
    ERROR,
    ERROR_RATE,
    HAS_PREV,
    LEAST,
    LEVEL,
    LEVEL_RATE,
    LONG,
    LONG_RATE,
    LONG_SCALE,
    LONGEST,
    MAGNITUDE,
    MOVE,
    PAST_HIGH,
    PAST_LOW,
    PAST_SCALE,
    PREV,
    QUANTUM,
    RELEARN,
    ROOM,
    RUN,
    RUNS,
    S_ERROR,
    S_LEVEL,
    S_N,
    S_UP,
    SCALE_RATE,
    SCALE_ROOM,
    SETTLED_SEASON,
    SLOT,
    SLOT_N,
    SLOT_RATE,
    SLOT_SUM,
    SLOTS,
    STREAK,
    UNUSUAL,
    UP,
    V_FLOOR,
    N,
)

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@njit(cache=True, nogil=True, error_model="numpy")
def rate(least: float, n: float) -> float:
    """The step of a running mean: 1 / n while young, never below `least`."""
    return max(least, 1.0 / (n + 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def side(s: F64, up: int, residual: float, n: float, floor: float) -> float:
    """Learn the scale of the residual's own side (`up` or `up + 1`); returns the clipped residual."""
    place = up if residual >= 0.0 else up + 1
    size = abs(residual)
    if n >= 24.0:
        size = min(size, CLIP * max(s[place], 0.05 * s[2 * up + 1 - place], floor))
    s[place] += rate(SCALE_RATE, 0.5 * n) * (size - s[place])
    return size if residual >= 0.0 else -size


@njit(cache=True, nogil=True, error_model="numpy")
def learn(s: F64, x: float, base: float, view: F64) -> None:
    """Teach levels, scales and errors the clipped sample."""
    n = s[N]
    if n == 0.0:
        s[LEVEL] = s[DAY_LOW] = s[DAY_HIGH] = x
    floor = view[V_FLOOR]
    residual = x - s[LEVEL]
    s[ERROR] += rate(ERROR_RATE, n) * (min(abs(residual), 8.0 * max(s[UP], s[DOWN]) + floor) - s[ERROR])
    move = side(s, UP, residual, n, floor)
    s[LEVEL] += rate(LEVEL_RATE, n) * (residual if abs(residual) <= floor else move)
    bound(s, floor)
    if math.isfinite(base):
        learn_seasonal_level(s, x - base, residual, floor)
    if s[HAS_PREV] > 0.0:
        step = abs(x - s[PREV])
        if n >= 24.0:
            step = min(step, CLIP * s[MOVE] + floor)
        s[MOVE] += rate(SCALE_RATE, n) * (step - s[MOVE])
    away = x - s[LONG] if n > 0.0 else 0.0
    if n == 0.0:
        s[LONG] = x
    size = min(abs(away), CLIP * s[LONG_SCALE] + floor) if n >= 24.0 else abs(away)
    s[LONG] += rate(LONG_RATE, n) * (size if away >= 0.0 else -size)
    s[LONG_SCALE] += rate(LONG_RATE, n) * (size - s[LONG_SCALE])
    drift = abs(s[DRIFT])
    if n >= 24.0:
        drift = min(drift, CLIP * s[DRIFT_SCALE] + 0.2 * floor)
    s[DRIFT_SCALE] += rate(DRIFT_SCALE_RATE, n) * (drift - s[DRIFT_SCALE])


@njit(cache=True, nogil=True, error_model="numpy")
def bound(s: F64, floor: float) -> None:
    """Keep level and scales near what they were in the season before, unless a change was noticed.

    A slow ramp moves a running level without ever being unusual. Here the level stops at the end of its
    room, the ramp becomes unusual, and is told; after `RELEARN` unusual samples the bound is lifted, for
    what was told may be learnt.
    """
    if s[UNUSUAL] >= RELEARN:
        s[PAST_SCALE] = 0.0
        s[DAY_LOW] = s[DAY_HIGH] = s[LEVEL]
        s[DAY_SCALE] = 0.0
    if s[PAST_SCALE] > 0.0:
        most = SCALE_ROOM * max(s[PAST_SCALE], floor)
        s[UP] = min(s[UP], most)
        s[DOWN] = min(s[DOWN], most)
        room = max(s[PAST_HIGH] - s[PAST_LOW], ROOM * max(s[PAST_SCALE], floor))
        s[LEVEL] = min(max(s[LEVEL], s[PAST_LOW] - room), s[PAST_HIGH] + room)
    s[DAY_LOW] = min(s[DAY_LOW], s[LEVEL])
    s[DAY_HIGH] = max(s[DAY_HIGH], s[LEVEL])
    s[DAY_SCALE] = max(s[DAY_SCALE], s[UP], s[DOWN])


@njit(cache=True, nogil=True, error_model="numpy")
def turn(s: F64) -> None:
    """A season ended: what its level and scale were bounds the next."""
    s[PAST_LOW], s[PAST_HIGH], s[PAST_SCALE] = s[DAY_LOW], s[DAY_HIGH], s[DAY_SCALE]
    s[DAY_LOW] = s[DAY_HIGH] = s[LEVEL]
    s[DAY_SCALE] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def learn_seasonal_level(s: F64, rest: float, plain: float, floor: float) -> None:
    """The level on top of the profile, its scales, and its error beside the plain model's."""
    n = s[S_N]
    if n == 0.0:
        s[S_LEVEL] = rest
    residual = rest - s[S_LEVEL]
    limit = 8.0 * max(s[UP], s[DOWN])
    s[S_ERROR] += rate(ERROR_RATE, n) * (min(abs(residual), limit) - s[S_ERROR])
    if n == 0.0:
        s[S_ERROR] = max(s[ERROR], abs(plain))
    s[S_LEVEL] += rate(LEVEL_RATE, n) * side(s, S_UP, residual, n, floor)
    s[S_N] = n + 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def learn_season(s: F64, x: float, profile: F32, passes: U8, slot: int) -> None:
    """Average the samples of the present slot; when the slot ends, fold its mean into the profile."""
    slot = slot % SLOTS
    if s[SLOT_N] > 0.0 and s[SLOT] != slot:
        done = int(s[SLOT])
        if slot < done and s[N] > SETTLED_SEASON:
            turn(s)
        mean = s[SLOT_SUM] / s[SLOT_N]
        seen = passes[done]
        if seen == 0:
            profile[done] = mean
        else:
            limit = 2.0 * CLIP * max(s[UP], s[DOWN])
            change = min(max(mean - profile[done], -limit), limit)
            profile[done] += max(SLOT_RATE, 1.0 / (seen + 1.0)) * change
        passes[done] = min(seen + 1, 255)
        s[SLOT_N] = 0.0
        s[SLOT_SUM] = 0.0
    s[SLOT] = slot
    s[SLOT_SUM] += x
    s[SLOT_N] += 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def remember(s: F64, x: float) -> None:
    """What the next sample is compared with: previous value, run of repeats, quantum, magnitude."""
    if s[HAS_PREV] > 0.0 and x == s[PREV]:
        s[RUN] += 1.0
    else:
        s[LONGEST] = max(s[LONGEST] * (1.0 - 1.0 / EPISODE_MEMORY), s[RUN])
        s[RUN] = 0.0
        s[RUNS] += 1.0
        step = abs(x - s[PREV])
        if s[HAS_PREV] > 0.0 and (s[QUANTUM] == 0.0 or step < s[QUANTUM]):
            s[QUANTUM] = step
    s[MAGNITUDE] = max(s[MAGNITUDE] * 0.9999, abs(x))
    s[LEAST] = min(s[LEAST], x) if s[N] > 0.0 else x
    s[PREV] = x
    s[HAS_PREV] = 1.0
    s[N] += 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def restart(s: F64) -> None:
    """After a silence: what compares neighbours in time starts anew, the level and its scale stay."""
    s[HAS_PREV] = 0.0
    s[DRIFT] = 0.0
    s[RUN] = 0.0
    s[STREAK] = 0.0
    s[SLOT_N] = 0.0
    s[SLOT_SUM] = 0.0
