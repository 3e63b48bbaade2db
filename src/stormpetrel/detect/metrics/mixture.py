"""Eleven unlike views of one sample, mixed: the rank head and the alarm head of the robust bank.

Each view says how far off the sample is in units of that view's own usual error, so a view that is
usually wrong says little. What exceeds `USUAL` errors counts, on a log scale: many views mildly
surprised weigh more than one that is beside itself. Their mean, lightly smoothed, is

- the **rank**, after it has been held at its peak while an incident lasts: how remarkable is this moment
  beside all others of the series;
- the **alarm score**, divided by a bar that every excursion of the series raises and that sinks back over
  some thousands of samples: what happened ten times before is not news. One bar for all series.

Works on gauges, rates and counts from a second to an hour. The rulers are slow on purpose, so a series
that has just started, or has just changed its nature for good, is judged too strictly for a while.
Cost: about 0.2 µs a sample; `FIELDS * 8` bytes a series.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.forecast_changes import expected_change
from stormpetrel.detect.metrics.layout import (
    DOWN,
    HAS_PREV,
    LEVEL,
    LONG,
    LONG_SCALE,
    MAGNITUDE,
    MOVE,
    PINNED,
    PREV,
    QUANTUM,
    RUNS,
    SPARSE,
    UP,
    N,
)
from stormpetrel.detect.metrics.linger import lingering
from stormpetrel.detect.metrics.mixture_layout import (
    ALERT,
    AWAY,
    BACK,
    BACK_FOR,
    BACK_SHARE,
    CALM,
    CALM_LONGEST,
    CALM_SCALE,
    DAY_ERROR,
    DAY_N,
    DAY_REST,
    DAY_SCALE,
    DOUBT,
    DRIFT_RULER,
    ENERGY,
    ENERGY_SPAN,
    FIELDS,
    FLOOR_OF_MAGNITUDE,
    FLOOR_OF_SPREAD,
    FORECAST,
    FORECAST_SCALE,
    HABIT,
    HABIT_SPAN,
    HABIT_WEIGHT,
    HELD,
    HOLD_DECAY,
    HOLD_LEAVE,
    HOLD_RISE,
    LEVEL_ERROR,
    LEVEL_SCALE,
    LINGER,
    LINGER_SCALE,
    LOG_BAR,
    MOST_OVER,
    MOVE_SCALE,
    MOVED,
    NEAR,
    NORMAL,
    NORMAL_SCALE,
    OUTSIDE,
    RANK_DOUBT,
    RANK_ENERGY,
    REST,
    REST_SCALE,
    SEASON,
    SHARE,
    SHARE_LEAST,
    SHARE_N,
    SHARE_PRIOR,
    SHARED_BY,
    SHIFT,
    SHIFT_RATE,
    SHIFTED,
    SMOOTH,
    SMOOTHING,
    SPREAD,
    SPREAD_RATE,
    STEP,
    STILL,
    STILL_FLOOR,
    STILL_GAIN,
    STILL_LEAST,
    STILL_MOST,
    STRANGEST,
    TAIL_DOUBT,
    TAIL_FROM,
    TAIL_LEAST,
    TAIL_MEAN,
    TAIL_N,
    TAIL_PRIOR,
    TAIL_RATE,
    TAIL_YOUNG,
    TREND,
    TREND_SCALE,
    TREND_YOUNG,
    USUAL,
    VIEWS,
    WIDE,
    YOUNG,
)

F64 = NDArray[np.float64]
_HABIT_KEPT = math.exp(-1.0 / HABIT_SPAN)


@njit(cache=True, nogil=True, error_model="numpy")
def floor_of(s: F64, m: F64) -> float:
    """The least scale of this series: a share of its spread, half its smallest step, never zero."""
    spread = max(FLOOR_OF_SPREAD * m[NORMAL_SCALE], FLOOR_OF_MAGNITUDE * s[MAGNITUDE])
    return float(max(spread, 0.5 * m[STEP], 1e-300))


@njit(cache=True, nogil=True, error_model="numpy")
def look(s: F64, m: F64, x: float, base: float, views: F64) -> None:
    """Fill `views`; moves the running shift and spread, which look at residuals over several samples.

    Args:
        s, m: the state rows of the series.
        x: the sample.
        base: what the daily profile expects, NaN where unknown.
        views: float64[VIEWS], distances in usual errors.
    """
    floor = floor_of(s, m)
    near = x - s[LEVEL]
    views[AWAY] = abs(x - m[NORMAL]) / (m[NORMAL_SCALE] + floor)
    views[NEAR] = abs(near) / (m[LEVEL_SCALE] + floor)
    residual, scale = near, m[LEVEL_SCALE] + floor
    views[SEASON] = views[REST] = views[NEAR]
    if math.isfinite(base) and m[DAY_N] >= YOUNG:
        rest = x - base - m[DAY_REST]
        trust = m[DAY_N] / (m[DAY_N] + DOUBT)
        views[SEASON] = trust * abs(x - base) / (m[DAY_SCALE] + floor)
        views[REST] = trust * abs(rest) / (m[REST_SCALE] + floor)
        if m[DAY_ERROR] < m[LEVEL_ERROR]:
            residual, scale = rest, m[REST_SCALE] + floor
    change = x - s[PREV] if s[HAS_PREV] > 0.0 else 0.0
    missed = abs(change - expected_change(m)) if s[HAS_PREV] > 0.0 else 0.0
    views[MOVED] = abs(change) / (m[MOVE_SCALE] + floor)
    views[FORECAST] = missed / (m[FORECAST_SCALE] + floor)
    most = 8.0 * scale
    m[SHIFT] += SHIFT_RATE * (min(max(residual, -most), most) - m[SHIFT])
    views[SHIFTED] = 2.0 * abs(m[SHIFT]) / scale
    m[SPREAD] += SPREAD_RATE * (min(missed, 8.0 * (m[FORECAST_SCALE] + floor)) - m[SPREAD])
    views[WIDE] = m[SPREAD] / (m[FORECAST_SCALE] + floor)
    views[TREND] = 0.0
    if s[N] > TREND_YOUNG:
        views[TREND] = abs(s[LONG] - m[NORMAL]) / (m[TREND_SCALE] + floor)
    views[LINGER] = lingering(s, m, x, base, floor)
    beyond = m[CALM] - 2.0 * m[CALM_LONGEST] - STILL_LEAST
    # What lies at the most it ever was is saturated, not dead.
    saturated = abs(s[PREV]) >= s[MAGNITUDE] - PINNED * max(s[UP], s[DOWN])
    varies = m[CALM_SCALE] > STILL_FLOOR * s[MAGNITUDE] and s[RUNS] >= SPARSE * s[N] and not saturated
    views[STILL] = beyond / (m[CALM_LONGEST] + STILL_LEAST) if varies else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def excess(m: F64, views: F64, n: float, weights: F64) -> tuple[float, float]:
    """Mean log excess of the views over what is usual, for the rank and for the alarm; notes the strangest.

    For the rank a view counts up to `MOST_OVER` and by its weight: how long is what matters there. For
    the alarm all count alike and without end: how much tells news from habit. `weights`: float64[2, VIEWS],
    of the rank and of the alarm.
    """
    if n < YOUNG:
        return 0.0, 0.0
    trust, ranked = n / (n + DOUBT), n / (n + RANK_DOUBT)
    weighed = total = strangest = 0.0
    for v in range(VIEWS - 1):
        if views[v] <= USUAL:  # most of them: neither exceeds it then, young or not
            continue
        over = trust * views[v] / USUAL - 1.0
        if over > 0.0:
            total += weights[1, v] * math.log1p(min(over, 1e6))
            if over > strangest and weights[1, v] > 0.0:
                strangest = over
                m[STRANGEST] = v
        over = ranked * views[v] / USUAL - 1.0
        if over > 0.0:
            weighed += weights[0, v] * min(math.log1p(min(over, 1e6)), MOST_OVER)
    if views[STILL] > 0.0 and n > 4.0 * YOUNG:
        still = min(STILL_GAIN * views[STILL], STILL_MOST)
        total += weights[1, STILL] * still
        weighed += weights[0, STILL] * still
        if still > math.log1p(strangest):
            m[STRANGEST] = STILL
    return weighed / SHARED_BY, total / SHARED_BY


@njit(cache=True, nogil=True, error_model="numpy")
def rank_of(m: F64, mean_excess: float) -> float:
    """The rank: smoothed excess and the recent energy of it, held at its peak, then let go.

    A moment within an incident is worth the peak of the incident so far; what is left of an incident
    sinks fast, once its excess has left the peak behind.
    """
    m[SMOOTH] += SMOOTHING * (mean_excess - m[SMOOTH])
    square = mean_excess * mean_excess
    m[ENERGY] += (square * square - m[ENERGY]) / ENERGY_SPAN
    risen = m[SMOOTH] + RANK_ENERGY * math.sqrt(math.sqrt(m[ENERGY]))
    if risen > m[HELD] * HOLD_RISE:
        m[HELD] = risen
    elif risen < m[HELD] * HOLD_LEAVE:
        m[HELD] = max(m[HELD] * HOLD_DECAY, risen)
    return float(m[HELD])


@njit(cache=True, nogil=True, error_model="numpy")
def alarm_log_p(m: F64, n: float, mean_excess: float) -> float:
    """log p of the smoothed excess: the fitted tail, discounted by the record; learns both afterwards.

    The tail beyond `TAIL_FROM` is exponential; how often it is reached, and how far, are running means
    over healthy samples, held to the least of a calm series. Excursions do not teach it.
    """
    m[HABIT] *= _HABIT_KEPT
    if n < YOUNG:
        return 0.0
    m[ALERT] += SMOOTHING * (mean_excess - m[ALERT])
    over = m[ALERT] - TAIL_FROM
    prior = TAIL_LEAST + TAIL_YOUNG * TAIL_DOUBT / (n + TAIL_DOUBT)
    length = max(prior, (m[TAIL_N] * m[TAIL_MEAN] + TAIL_PRIOR * prior) / (m[TAIL_N] + TAIL_PRIOR))
    share = max(SHARE_LEAST, (m[SHARE_N] * m[SHARE] + SHARE_PRIOR * SHARE_LEAST) / (m[SHARE_N] + SHARE_PRIOR))
    surprise = over / length - math.log(share) if over > 0.0 else 0.0
    if surprise < LOG_BAR:
        learn_tail(m, over, 4.0 * length)
    discounted = surprise / bar_of(m)
    if m[OUTSIDE] == 0.0:
        if discounted > LOG_BAR:
            m[OUTSIDE], m[BACK] = 1.0, 0.0
            m[HABIT] += 1.0
    elif discounted < BACK_SHARE * LOG_BAR:
        m[BACK] += 1.0
        if m[BACK] >= BACK_FOR:
            m[OUTSIDE] = 0.0
    else:
        m[BACK] = 0.0
    return -discounted


@njit(cache=True, nogil=True, error_model="numpy")
def learn_tail(m: F64, over: float, most: float) -> None:
    """Count one healthy sample in the share beyond `TAIL_FROM`, and its length, at most `most`, if there."""
    m[SHARE] += max(TAIL_RATE, 1.0 / (m[SHARE_N] + 1.0)) * ((1.0 if over > 0.0 else 0.0) - m[SHARE])
    m[SHARE_N] = min(m[SHARE_N] + 1.0, 1.0 / TAIL_RATE)
    if over > 0.0:
        m[TAIL_MEAN] += max(10.0 * TAIL_RATE, 1.0 / (m[TAIL_N] + 1.0)) * (min(over, most) - m[TAIL_MEAN])
        m[TAIL_N] = min(m[TAIL_N] + 1.0, 0.1 / TAIL_RATE)


@njit(cache=True, nogil=True, error_model="numpy")
def bar_of(m: F64) -> float:
    """How many times the first bar this series has to exceed, by its record of excursions."""
    return float(1.0 + HABIT_WEIGHT * m[HABIT])


def inherit(state: F64, mixtures: F64) -> F64:
    """Fill fresh mixture rows from robust states that were learnt without one; returns them.

    Level and rough scales carry over, so the rulers need not start from nothing; records and tails do.
    """
    mixtures[:, NORMAL] = state[:, LONG]
    mixtures[:, NORMAL_SCALE] = state[:, LONG_SCALE]
    mixtures[:, LEVEL_SCALE] = np.maximum(state[:, UP], state[:, DOWN])
    mixtures[:, MOVE_SCALE] = mixtures[:, FORECAST_SCALE] = mixtures[:, CALM_SCALE] = state[:, MOVE]
    mixtures[:, STEP] = state[:, QUANTUM]
    mixtures[:, TREND_SCALE] = FLOOR_OF_SPREAD * state[:, LONG_SCALE]
    mixtures[:, DRIFT_RULER] = state[:, LONG_SCALE]
    mixtures[:, LINGER_SCALE] = mixtures[:, NORMAL_SCALE]
    return mixtures


def widened(mixtures: F64) -> F64:
    """Mixture rows of bank version 3, which had no view of what lingers; its ruler starts long."""
    rows = np.zeros((len(mixtures), FIELDS))
    rows[:, : mixtures.shape[1]] = mixtures
    rows[:, LINGER_SCALE] = rows[:, NORMAL_SCALE]
    return rows
