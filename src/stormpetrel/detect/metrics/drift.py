"""Slow drifts: who moves a series by steps that no single sample betrays is noticed all the same.

Two running means of a series, over some two thousand and some five thousand samples, differ where it has a
trend. The drift head measures their distance by the usual distance of samples from the longer mean; the
trend view of the mixture by the usual distance of the two means. Both rulers move by sign steps only, at
most some 15 percent in 1440 samples: a ramp stretches them no faster than that, however steep it is.
What an excursion has told already is not told again as a drift.

Works on anything whose mean has a usual wander; tells nothing in the first two thousand samples, and
nothing of ramps of less than about one usual distance in 1440 samples: those are followed.
Cost: a few nanoseconds a sample, four floats.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.layout import LONG, N
from stormpetrel.detect.metrics.mixture_layout import (
    DRIFT_AGAIN,
    DRIFT_AT,
    DRIFT_LEFT,
    DRIFT_LOG_P,
    DRIFT_RULER,
    DRIFT_SAYS,
    DRIFT_SPAN,
    DRIFT_TOLD,
    NORMAL,
    NORMAL_SCALE,
    OUTSIDE,
    TREND_SCALE,
    TREND_STEP,
    TREND_YOUNG,
)

F64 = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def drift_log_p(s: F64, m: F64, x: float) -> float:
    """log p of the drift head: 0, or `DRIFT_LOG_P` for a few samples where a drift has news."""
    m[DRIFT_TOLD] *= 1.0 - 1.0 / DRIFT_SPAN
    ruler = m[DRIFT_RULER]
    if s[N] <= 2.0 * TREND_YOUNG or ruler <= 0.0:
        return 0.0
    if m[OUTSIDE] > 0.0:
        m[DRIFT_TOLD] = max(m[DRIFT_TOLD], min(0.25 * abs(x - m[NORMAL]) / ruler, 1e6))
    apart = abs(s[LONG] - m[NORMAL]) / ruler
    if apart > max(DRIFT_AT, DRIFT_AGAIN * m[DRIFT_TOLD]):
        m[DRIFT_TOLD] = apart
        m[DRIFT_LEFT] = DRIFT_SAYS
    if m[DRIFT_LEFT] <= 0.0:
        return 0.0
    m[DRIFT_LEFT] -= 1.0
    return DRIFT_LOG_P


@njit(cache=True, nogil=True, error_model="numpy")
def learn_trend(s: F64, m: F64, x: float, floor: float) -> None:
    """The two rulers: means while young, then medians by sign steps."""
    n = s[N]
    if n == 0.0:
        return
    apart = abs(s[LONG] - m[NORMAL])
    if n < TREND_YOUNG:
        m[TREND_SCALE] += (apart - m[TREND_SCALE]) / (n + 1.0)
        return
    if n == TREND_YOUNG:
        m[TREND_SCALE] = max(m[TREND_SCALE], floor)
        m[DRIFT_RULER] = max(m[NORMAL_SCALE], floor)
    m[TREND_SCALE] *= 1.0 + TREND_STEP if apart > m[TREND_SCALE] else 1.0 - TREND_STEP
    m[DRIFT_RULER] *= 1.0 + TREND_STEP if abs(x - m[NORMAL]) > m[DRIFT_RULER] else 1.0 - TREND_STEP
