"""What lingers: a mean of some fifty samples that has left its place, though no single sample is strange.

The other views compare one sample, or some ten, or means of thousands. Between them lies what makes an
operator look twice: a series that stays a little too high for an hour. The mean of the last fifty
distances from the daily profile (from the slow mean, where the profile explains no more than the level
does) is measured by its own usual size.

Works on gauges, rates and counts; says nothing in the first hundred samples. Fails where a series wanders
at that pace all the time: its ruler is long then. Distances teach as at most `LINGER_MOST` usual distances
from normal, so one wild sample does not linger.
Cost: a few nanoseconds a sample, two floats.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.layout import N
from stormpetrel.detect.metrics.mixture_layout import (
    CLIP,
    DAY_ERROR,
    DAY_N,
    LEVEL_ERROR,
    LINGER_FLOOR,
    LINGER_MOST,
    LINGER_RATE,
    LINGER_SCALE,
    LINGER_SCALE_RATE,
    LINGERED,
    NORMAL,
    NORMAL_SCALE,
    YOUNG,
)

F64 = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def ruler_of(m: F64, floor: float) -> float:
    """The usual size of the mean, and a little of the usual distance from normal: never zero."""
    return float(m[LINGER_SCALE] + LINGER_FLOOR * (m[NORMAL_SCALE] + floor))


@njit(cache=True, nogil=True, error_model="numpy")
def lingering(s: F64, m: F64, x: float, base: float, floor: float) -> float:
    """Move the mean by one sample; its distance from nothing in its usual sizes, 0 while young.

    Args:
        s, m: the state rows of the series.
        x: the sample.
        base: what the daily profile expects, NaN where unknown.
        floor: the least scale of the series.
    """
    n = s[N]
    if n == 0.0:
        return 0.0
    seasonal = math.isfinite(base) and m[DAY_N] >= YOUNG and m[DAY_ERROR] < m[LEVEL_ERROR]
    off = x - base if seasonal else x - m[NORMAL]
    most = LINGER_MOST * (m[NORMAL_SCALE] + floor)
    m[LINGERED] += LINGER_RATE * (min(max(off, -most), most) - m[LINGERED])
    if n <= 2.0 / LINGER_RATE:
        return 0.0
    return float(abs(m[LINGERED]) / ruler_of(m, floor))


@njit(cache=True, nogil=True, error_model="numpy")
def learn_linger(m: F64, n: float, floor: float) -> None:
    """Move the ruler towards the present size of the mean, taken as at most `CLIP` times the ruler."""
    size = abs(m[LINGERED])
    if n >= YOUNG:
        size = min(size, CLIP * ruler_of(m, floor))
    m[LINGER_SCALE] += max(LINGER_SCALE_RATE, 2.0 / (n + 2.0)) * (size - m[LINGER_SCALE])
