"""Is the newest excursion of a series one of a row that recurs? The test, compiled."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

_MINUTE = 60 * 10**9
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

# Shortest first: what recurs every hour also recurs every two, and the shorter says more.
PERIODS: I64 = np.array(
    [n * _MINUTE for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    + [n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12)]
    + [_DAY, 7 * _DAY],
    np.int64,
)
DAY = _DAY
# Periods looked at: of days a week, of weeks four, of shorter ones eight.
DEPTH_DAYS, DEPTH_WEEKS, DEPTH_SHORT = 7, 4, 8
# Periods needed before anything is said.
LEAST, LEAST_WEEKS = 4, 3
# Share of the periods in which it must have been seen, and the chance that it may have been anyhow.
SHARE = 0.7
CHANCE = 1e-6


@njit(cache=True, nogil=True)
def tolerance(period: int, step: int) -> int:
    """How far starts may scatter: a twelfth of short periods, 5 minutes to an hour's, 20 to longer ones;
    never less than two samples. 0 where the samples are too rare for the period."""
    wide = period // 12
    if period >= 4 * _HOUR:
        wide = 20 * _MINUTE
    elif period >= _HOUR:
        wide = 5 * _MINUTE
    wide = max(wide, 2 * step)
    return wide if wide <= period // 5 else 0


@njit(cache=True, nogil=True)
def depth(period: int) -> int:
    """How many periods back are looked at."""
    if period >= 7 * _DAY:
        return DEPTH_WEEKS
    return DEPTH_DAYS if period >= _DAY else DEPTH_SHORT


@njit(cache=True, nogil=True)
def regular(
    starts: tuple[I64, I64], runs: tuple[F64, F64], first: int, step: int, periods: I64
) -> tuple[int, int, int, float]:
    """The shortest period in which the newest excursion recurs: its index (-1: none), periods in which it
    was seen, in which it could have been, and the chance of so many if excursions fell anyhow.

    Args:
        starts: times of the excursions, oldest first, in UTC and on the clocks of the zone; the last one is
            the newest.
        runs: their lengths in seconds and heights.
        first: since when the series, or this list, is known (UTC). step: its usual interval.

    The chance is a binomial tail: excursions at other times in the same span give the rate at which one
    would fall into the tolerance of a period by itself. A series that is just noisy has many of those.
    """
    n = len(starts[0])
    seen = np.zeros(DEPTH_SHORT, np.bool_)
    for index in range(len(periods)):
        period = periods[index]
        width = tolerance(period, step)
        times = starts[1] if period >= _DAY else starts[0]
        possible = min(depth(period), (starts[0][n - 1] - first + width) // period + 1)
        least = LEAST_WEEKS if period >= 7 * _DAY else LEAST
        if width == 0 or possible < least or runs[0][n - 1] * 1e9 > period // 2:
            continue
        seen[:] = False
        others = 0
        for k in range(n):
            back = times[n - 1] - times[k]
            number = (back + period // 2) // period
            if number >= possible:
                continue
            if abs(back - number * period) <= width and alike(runs, k, n - 1):
                seen[number] = True
            else:
                others += 1
        hits = int(np.sum(seen))
        if hits < least or hits < SHARE * possible:
            continue
        by_itself = 1.0 - math.exp(-(others + 0.5) * 2.0 * width / (possible * period))
        chance = min(1.0, len(periods) * tail(hits - 1, possible - 1, by_itself))
        if chance <= CHANCE:
            return index, hits, int(possible), chance
    return -1, 0, 0, 1.0


@njit(cache=True, nogil=True)
def alike(runs: tuple[F64, F64], a: int, b: int) -> bool:
    """Whether two excursions could be one job: the same side, heights and lengths of one size."""
    lengths, heights = runs
    if heights[a] * heights[b] <= 0:
        return False
    ratio = heights[a] / heights[b]
    longer, shorter = max(lengths[a], lengths[b]), min(lengths[a], lengths[b])
    return bool(0.25 <= ratio <= 4.0 and longer <= 8.0 * max(shorter, 1.0))


@njit(cache=True, nogil=True)
def tail(hits: int, tries: int, chance: float) -> float:
    """The chance of at least so many hits."""
    total = 0.0
    for k in range(hits, tries + 1):
        ways = 1.0
        for j in range(k):
            ways *= (tries - j) / (j + 1)
        total += ways * chance**k * (1.0 - chance) ** (tries - k)
    return min(total, 1.0)
