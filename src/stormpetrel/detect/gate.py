"""The compiled part of the alarm policy: hysteresis per series over p-values, no Python per sample."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect import discovery

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Settings = tuple[float, float, float, float, int, int, int]

# Columns of the state, int64[FIELDS] a series: times are Unix nanoseconds, 0 is "not".
RUN, RUN_START, SINCE, HELD, RECOVERED, SEEN, INTERVAL, QUIET, SEVERE_RUN, RAISED = range(10)
FIELDS = 10

NOTHING, OPENS, WORSENS, CLOSES = 0, 1, 2, 3


@njit(cache=True, nogil=True, error_model="numpy")
def sift(
    columns: tuple[NDArray[np.uint32], I64, F64],
    state: I64,
    settings: Settings,
    purse: discovery.PurseArrays,
    out: tuple[NDArray[np.uint8], I64, I64],
) -> None:
    """Walk all rows in order. `out`: verdict on the finding of the row's series, its start, its last time.

    Args:
        columns: series, time, p-value; a NaN p-value is no evidence in either direction.
        state: int64[series, FIELDS].
        settings: p_open, p_close, at_once_share, p_severe, hold samples, close and refractory nanoseconds.
        purse: what each series may spend on false discoveries (`detect.discovery`); times its interval,
            it bounds p_open.
    """
    series, times, p_values = columns
    verdicts, since, held = out
    for k in range(len(series)):
        row = state[series[k]]
        p = p_values[k]
        pace(row, times[k])
        if math.isnan(p):
            continue
        limit = min(settings[0], discovery.level(purse, series[k], times[k]) * row[INTERVAL])
        verdict = follow(row, p, times[k], settings) if row[SINCE] != 0 else NOTHING
        count(row, p, times[k], limit, settings[3])
        if verdict == NOTHING and row[SINCE] == 0:
            verdict = start(row, p, times[k], limit, settings)
        if verdict != NOTHING:
            verdicts[k], since[k], held[k] = verdict, row[SINCE], row[HELD]
        if verdict == OPENS:
            discovery.earn(purse, series[k])
        if verdict == CLOSES:
            row[SINCE] = row[RUN] = row[SEVERE_RUN] = row[RAISED] = 0
            row[QUIET] = row[HELD] + settings[6]


@njit(cache=True, nogil=True, error_model="numpy")
def pace(row: I64, now: int) -> None:
    """Keep the usual interval: a mean over some eight samples to which one silence adds little."""
    step = now - row[SEEN]
    if step <= 0:
        return
    if row[SEEN] != 0:
        if row[INTERVAL] == 0:
            row[INTERVAL] = step
        else:
            row[INTERVAL] += (min(step, 4 * row[INTERVAL]) - row[INTERVAL]) // 8
    row[SEEN] = now


@njit(cache=True, nogil=True, error_model="numpy")
def count(row: I64, p: float, now: int, limit: float, p_severe: float) -> None:
    """Lengths of the runs of strange and of severe samples."""
    if p > limit:
        row[RUN] = 0
    else:
        if row[RUN] == 0:
            row[RUN_START] = now
        row[RUN] += 1
    row[SEVERE_RUN] = row[SEVERE_RUN] + 1 if p <= p_severe else 0


@njit(cache=True, nogil=True, error_model="numpy")
def start(row: I64, p: float, now: int, limit: float, settings: Settings) -> int:
    """Open when the run is long enough, or at once when one sample says as much as a run."""
    _, _, at_once_share, _, hold, _, _ = settings
    if now < row[QUIET] or not (row[RUN] >= hold or p <= at_once_share * limit):
        return NOTHING
    row[SINCE] = row[RUN_START]
    row[HELD] = now
    row[RECOVERED] = 0
    return OPENS


@njit(cache=True, nogil=True, error_model="numpy")
def follow(row: I64, p: float, now: int, settings: Settings) -> int:
    """An open finding: does it hold, worsen (once), or has it *been seen* recovered for long enough?"""
    _, p_close, _, _, hold, close_nanos, _ = settings
    if p <= p_close:
        row[HELD] = now
        row[RECOVERED] = 0
        if row[SEVERE_RUN] >= 3 * hold and row[RAISED] == 0:
            row[RAISED] = 1
            return WORSENS
        return NOTHING
    if row[RECOVERED] == 0:
        row[RECOVERED] = now
    return CLOSES if now - row[RECOVERED] >= close_nanos else NOTHING
