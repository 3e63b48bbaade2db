"""What a judged sample is told beside: the value that was expected, and the band that was usual."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.forecast_changes import expected_change
from stormpetrel.detect.metrics.layout import (
    AFAR,
    EXPECTED,
    JUMP,
    LEAST,
    LEVEL,
    LONG,
    LONG_SCALE,
    MOVE,
    P_UNUSUAL,
    PREV,
    V_DOWN,
    V_FLOOR,
    V_UP,
)
from stormpetrel.detect.metrics.mixture import floor_of
from stormpetrel.detect.metrics.mixture_layout import (
    AWAY,
    DAY_REST,
    DAY_SCALE,
    FORECAST,
    FORECAST_SCALE,
    LEVEL_SCALE,
    MOVE_SCALE,
    MOVED,
    NEAR,
    NORMAL,
    NORMAL_SCALE,
    REST,
    REST_SCALE,
    SEASON,
    STRANGEST,
    USUAL,
)

P_ALARMING = 1e-4  # of healthy samples so few are alarming that charts keep their band

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]


@njit(cache=True, nogil=True, error_model="numpy")
def report(
    row: int,
    known: tuple[F64, F64, F64],
    verdict: tuple[float, int, float, float, float],
    out: tuple[F64, F64, F64, F64, F64, U8, F64, F64],
) -> None:
    """Write one answer; its alarm and what was observed stand there already.

    The band is that of the residuals unless another comparison is what makes the sample unusual. Where
    the mixture is alarmed by a sample that lies inside it, the band is that of its strangest view: nobody
    should read "never seen" beside a band that holds the value.

    Args:
        row: where to write.
        known: state, mixture and view of the series.
        verdict: p-value, head, band edges (in scales) of the residuals and of that head, and what the
            daily profile expects (NaN where unknown).
        out: p-value, observed, expected, low, high, head, rank, alarm.
    """
    s, m, view = known
    p_values, observed, expected, low, high, heads, _rank, alarm = out
    p, head, edge, own_edge, base = verdict
    p_values[row] = p
    heads[row] = head
    if p <= P_UNUSUAL and head in (JUMP, AFAR):
        center = s[PREV] if head == JUMP else s[LONG]
        half = own_edge * max(s[MOVE] if head == JUMP else s[LONG_SCALE], view[V_FLOOR])
        expected[row], low[row], high[row] = center, center - half, center + half
    else:
        expected[row] = view[EXPECTED]
        low[row] = view[EXPECTED] - edge * view[V_DOWN]
        high[row] = view[EXPECTED] + edge * view[V_UP]
    if alarm[row] <= P_ALARMING and low[row] <= observed[row] <= high[row]:
        center, half = band_of(s, m, base)
        if abs(observed[row] - center) > half:
            expected[row], low[row], high[row] = center, center - half, center + half
    if s[LEAST] >= 0.0:
        low[row] = max(low[row], 0.0)
    if math.isnan(p):
        expected[row] = low[row] = high[row] = math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def band_of(s: F64, m: F64, base: float) -> tuple[float, float]:
    """Centre and half width of what is no excess to the strangest view; NaN for one of several samples."""
    floor = floor_of(s, m)
    view = int(m[STRANGEST])
    if view == AWAY:
        center, scale = m[NORMAL], m[NORMAL_SCALE]
    elif view == NEAR:
        center, scale = s[LEVEL], m[LEVEL_SCALE]
    elif view == SEASON:
        center, scale = base, m[DAY_SCALE]
    elif view == REST:
        center, scale = base + m[DAY_REST], m[REST_SCALE]
    elif view == MOVED:
        center, scale = s[PREV], m[MOVE_SCALE]
    elif view == FORECAST:
        center, scale = s[PREV] + expected_change(m), m[FORECAST_SCALE]
    else:
        return math.nan, math.nan
    return center, USUAL * (scale + floor)
