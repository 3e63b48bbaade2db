"""The compiled part of `context.excursions`: one pass over rows, O(1) memory a series."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Columns of the numbers, float64[NUMBERS] a series.
LEVEL, SCALE, SUM = range(3)
NUMBERS = 3
# Columns of the times and counts, int64[COUNTS] a series; times are Unix nanoseconds, 0 is "not".
LAST, FIRST, STEP, SEEN, SINCE, HELD, RUN_START, RUN, BELOW, CALM, SIDE, INSIDE, RESUMED = range(13)
COUNTS = 13

BEGAN, ENDED, LOST, SILENT = 1, 2, 3, 4

# A level is known after this many samples.
WARMUP = 60
# Median absolute deviations that count as outside; half of it as inside again.
FAR = 10.0
# Samples in a row outside to begin, inside to end, and since it was calm for an edge to be sharp.
HOLD, RELEASE, EDGE = 2, 3, 4
# Of the level: less than this is no excursion, however quiet the series is otherwise.
LEAST_RATIO = 0.01
# Of the deviation, a step: while warming up, and later.
_FIRST_RATE, _RATE = 0.1, 0.02


@njit(cache=True, nogil=True)
def follow(
    rows: tuple[NDArray[np.uint32], I64, F64, NDArray[np.bool_]],
    state: tuple[F64, I64],
    longest: int,
    out: tuple[NDArray[np.uint8], NDArray[np.uint32], I64, I64, F64],
) -> int:
    """Walk all rows in order; how many edges were found. `out`: kind, series, start, end, height.

    `rows`: series, time, signal, resumed. `longest`: nanoseconds after which an excursion is the new level.
    """
    series, times, signal, resumed = rows
    kinds, which, starts, ends, heights = out
    told = 0
    for k in range(len(series)):
        x, now = signal[k], times[k]
        number, count = state[0][series[k]], state[1][series[k]]
        if resumed[k]:
            count[RESUMED] = now
        if not math.isfinite(x) or now <= count[LAST]:
            continue
        if resumed[k] and count[SINCE] != 0:
            kinds[told], which[told] = LOST, series[k]
            starts[told], ends[told], heights[told] = count[SINCE], count[LAST], height(number, count)
            told += 1
            settle(count)
        if resumed[k] and count[LAST] != 0:
            kinds[told], which[told], starts[told], ends[told] = SILENT, series[k], count[LAST], now
            heights[told] = 0.0
            told += 1
        pace(count, now, resumed[k])
        kind = step(number, count, x, now, longest)
        if kind != 0:
            kinds[told], which[told] = kind, series[k]
            starts[told], ends[told], heights[told] = count[SINCE], count[HELD], height(number, count)
            told += 1
            if kind != BEGAN:
                settle(count)
                if kind == LOST:
                    number[LEVEL] = x
    return told


@njit(cache=True, nogil=True)
def height(number: F64, count: I64) -> float:
    """How far the excursion stood from the level, in the mean."""
    return float(number[SUM] / max(count[INSIDE], 1))


@njit(cache=True, nogil=True)
def settle(count: I64) -> None:
    """No excursion is under way."""
    count[SINCE] = count[RUN] = count[BELOW] = count[INSIDE] = 0
    count[CALM] = 0


@njit(cache=True, nogil=True)
def pace(count: I64, now: int, resumed: bool) -> None:
    """The usual interval, as a running mean that one silence does not move."""
    if count[FIRST] == 0:
        count[FIRST] = now
    elif not resumed:
        gap = now - count[LAST]
        if count[STEP] == 0:
            count[STEP] = gap
        else:
            count[STEP] += (min(gap, 4 * count[STEP]) - count[STEP]) // 8
    count[LAST] = now


@njit(cache=True, nogil=True)
def step(number: F64, count: I64, x: float, now: int, longest: int) -> int:
    """One sample: the edge it makes, or 0."""
    count[SEEN] += 1
    if count[SEEN] == 1:
        number[LEVEL], number[SCALE] = x, 0.0
        return 0
    if count[SEEN] == 2:
        number[SCALE] = abs(x - number[LEVEL])
    away = x - number[LEVEL]
    bound = FAR * max(number[SCALE], LEAST_RATIO / FAR * abs(number[LEVEL]), 1e-9)
    side = 1 if away > 0 else -1
    if count[SEEN] <= WARMUP:
        learn(number, away, _FIRST_RATE)
        return 0
    if count[SINCE] != 0:
        return hold(number, count, (away, bound), now, longest)
    outside = abs(away) > bound
    if outside and count[RUN] > 0 and side != count[SIDE]:
        count[RUN] = 0
    if outside:
        if count[RUN] == 0:
            count[RUN_START], count[SIDE] = now, side
            number[SUM] = 0.0
        count[RUN] += 1
        number[SUM] += away
    else:
        count[RUN] = 0
    # A slow way out is the level's own: only a sharp edge begins an excursion.
    count[CALM] = 0 if abs(away) <= bound / 2 else count[CALM] + 1
    if not outside or count[CALM] > EDGE + HOLD:
        learn(number, away, _RATE)
        return 0
    if count[RUN] >= HOLD:
        count[SINCE], count[HELD], count[BELOW], count[INSIDE] = count[RUN_START], now, 0, count[RUN]
        return BEGAN
    return 0


@njit(cache=True, nogil=True)
def hold(number: F64, count: I64, seen: tuple[float, float], now: int, longest: int) -> int:
    """An excursion under way: the level waits, until it ends or has lasted too long to be one."""
    away, bound = seen
    if away * count[SIDE] > bound / 2:
        count[HELD], count[BELOW] = now, 0
        count[INSIDE] += 1
        number[SUM] += away
        return LOST if now - count[SINCE] > longest else 0
    count[BELOW] += 1
    return ENDED if count[BELOW] >= RELEASE else 0


@njit(cache=True, nogil=True)
def learn(number: F64, away: float, rate: float) -> None:
    """The running median and the median absolute deviation, by steps of a fixed size: what stands far away
    moves them no more than what stands near, so that a job that runs a third of the time moves neither."""
    floor = max(LEAST_RATIO / FAR * abs(number[LEVEL]), 1e-9)
    scale = max(number[SCALE], floor)
    number[LEVEL] += rate * scale * (1.0 if away > 0 else -1.0 if away < 0 else 0.0)
    number[SCALE] = max(scale * (1.0 + (rate if abs(away) > scale else -rate)), floor)
