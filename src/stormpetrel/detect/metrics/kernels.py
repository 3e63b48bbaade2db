"""The compiled pass of the robust bank: one row of state a series, one step a sample.

A step predicts, scores against the prediction with each head, turns scores into p-values by the tail
calibration, and only then learns. All rates count samples, not seconds, so one configuration serves
intervals from a second to an hour; the season alone goes by the clock.

Learning is bounded everywhere: a residual moves the level by at most `CLIP` scales, the scale grows by
at most a few percent a sample, and scores of an incident are not counted as healthy until the episode has
lasted `RELEARN` samples or the series has had more than `FREE_EPISODES` of them lately.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics import tail
from stormpetrel.detect.metrics.layout import (
    BLIND_SCORE,
    CLIP,
    DOWN,
    DRIFT,
    DRIFT_RATE,
    DRIFT_SCALE,
    EPISODE_MEMORY,
    EPISODES,
    ERROR,
    EXPECTED,
    FLAT,
    FLAT_RUN,
    FLOOR_OF_LEVEL,
    FLOOR_OF_MAGNITUDE,
    FREE_EPISODES,
    HAS_PREV,
    HEADS,
    JUMP,
    LEVEL,
    LONGEST,
    MAGNITUDE,
    MOVE,
    P_EXTREME,
    PREV,
    QUANTUM,
    RELEARN,
    RESIDUAL,
    RUN,
    RUNS,
    S_DOWN,
    S_ERROR,
    S_LEVEL,
    S_N,
    S_UP,
    SCORED_HEADS,
    SEASON_GAIN,
    SEASON_TRIAL,
    SHIFT,
    SLOTS,
    STREAK,
    UP,
    V_DOWN,
    V_FLOOR,
    V_SEASONAL,
    V_UP,
    VIEW,
    N,
)
from stormpetrel.detect.metrics.learning import learn, learn_season, remember, restart

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@njit(cache=True, nogil=True)
def update(
    rows: tuple[NDArray[np.uint32], NDArray[np.int64], F64, NDArray[np.bool_]],
    bank: tuple[F64, F32, F64, F32, U8, NDArray[np.int64]],
    warmup: float,
    season_nanos: int,
    out: tuple[F64, F64, F64, F64, F64, U8],
) -> None:
    """Judge and learn all rows in order. `rows`: series, time, signal, resumed; `bank`: state, counts,
    fits, slot means, slot passes, newest time; `out`: p-value, observed, expected, low, high, head."""
    series, times, signal, resumed = rows
    state, counts, fits, profile, passes, newest = bank
    scores = np.zeros(SCORED_HEADS)
    view = np.zeros(VIEW)
    slot_nanos = season_nanos / SLOTS
    for row in range(len(series)):
        i = series[row]
        x = signal[row]
        if not math.isfinite(x) or times[row] <= newest[i]:
            continue
        newest[i] = times[row]
        s = state[i]
        if resumed[row]:
            restart(s)
        phase = (times[row] % season_nanos) / slot_nanos
        base = season_base(profile[i], passes[i], phase)
        predict(s, base, view)
        score(s, x, view, scores)
        p, head = judge(s, counts[i], fits[i], scores, warmup)
        out[1][row] = x
        report(row, s, view, (p, head, fits[i, RESIDUAL, tail.BAND], fits[i, JUMP, tail.BAND]), out)
        learn(s, x, base, view)
        learn_season(s, x, profile[i], passes[i], int(phase))
        remember(s, x)


@njit(cache=True, nogil=True)
def season_base(profile: F32, passes: U8, phase: float) -> float:
    """The profile at a phase (in slots), linear between slot centres; NaN where not seen once."""
    here = int(phase) % SLOTS
    if passes[here] == 0:
        return math.nan
    offset = phase - here - 0.5
    beside = (here + (1 if offset > 0.0 else SLOTS - 1)) % SLOTS
    if passes[beside] == 0:
        return float(profile[here])
    weight = abs(offset)
    return float((1.0 - weight) * profile[here] + weight * profile[beside])


@njit(cache=True, nogil=True)
def predict(s: F64, base: float, view: F64) -> None:
    """Choose the model (level alone, or level on the seasonal profile) and its scales."""
    floor = max(FLOOR_OF_LEVEL * abs(s[LEVEL]), FLOOR_OF_MAGNITUDE * s[MAGNITUDE])
    floor = max(floor, 0.5 * s[QUANTUM])
    seasonal = s[S_N] >= SEASON_TRIAL and s[S_ERROR] < SEASON_GAIN * s[ERROR] and math.isfinite(base)
    view[V_SEASONAL] = 1.0 if seasonal else 0.0
    view[EXPECTED] = base + s[S_LEVEL] if seasonal else s[LEVEL]
    view[V_UP] = max(s[S_UP] if seasonal else s[UP], floor)
    view[V_DOWN] = max(s[S_DOWN] if seasonal else s[DOWN], floor)
    view[V_FLOOR] = floor


@njit(cache=True, nogil=True)
def over(distance: float, scale: float) -> float:
    """distance / scale, bounded, and BLIND_SCORE where there is no scale at all."""
    if distance == 0.0:
        return 0.0
    if scale <= 0.0:
        return BLIND_SCORE
    return min(distance / scale, 1e9)


@njit(cache=True, nogil=True)
def score(s: F64, x: float, view: F64, scores: F64) -> None:
    """The three learnt scores of one sample; a score of -1 means: nothing to compare with."""
    residual = x - view[EXPECTED]
    scale = view[V_UP] if residual >= 0.0 else view[V_DOWN]
    scores[RESIDUAL] = over(abs(residual), scale)
    scores[JUMP] = over(abs(x - s[PREV]), max(s[MOVE], view[V_FLOOR])) if s[HAS_PREV] > 0.0 else -1.0
    limit = 2.5 * CLIP * scale
    drift = s[DRIFT] + DRIFT_RATE * (min(max(residual, -limit), limit) - s[DRIFT])
    s[DRIFT] = drift
    scores[SHIFT] = over(abs(drift), max(s[DRIFT_SCALE], 0.2 * view[V_FLOOR]))


@njit(cache=True, nogil=True)
def judge(s: F64, counts: F32, fits: F64, scores: F64, warmup: float) -> tuple[float, int]:
    """Smallest p-value of the heads times their number (Bonferroni), and whose it is; NaN warming up."""
    p, head = 1.0, RESIDUAL
    warm = s[N] >= warmup
    if warm:
        for h in range(SCORED_HEADS):
            if scores[h] >= 0.0 and fits[h, tail.BULK] > 0.0:
                mine = tail.p_value(counts[h], fits[h], scores[h])
                if mine < p:
                    p, head = mine, h
        flat = flat_p_value(s)
        if flat < p:
            p, head = flat, FLAT
        p = min(1.0, HEADS * p)
    s[EPISODES] *= 1.0 - 1.0 / EPISODE_MEMORY
    extreme = warm and p <= P_EXTREME
    s[STREAK] = s[STREAK] + 1.0 if extreme else 0.0
    habit = s[EPISODES] - FREE_EPISODES
    if habit > 0.0:
        p = max(p, min(habit / EPISODE_MEMORY, 1.0))
    if s[STREAK] == 1.0:
        s[EPISODES] += 1.0
    if not extreme or habit > 0.0 or s[STREAK] > RELEARN:
        for h in range(SCORED_HEADS):
            if scores[h] >= 0.0 and s[N] >= 16.0:
                tail.learn(counts[h], fits[h], scores[h])
    return (p if warm else math.nan), head


@njit(cache=True, nogil=True)
def flat_p_value(s: F64) -> float:
    """Geometric tail of a run of equal values beyond the longest run seen; 1 when it is not a record.

    The chance of one more repeat is what makes the longest of `RUNS` runs as long as it was
    (`chance**longest = 1 / runs`), and at least a fair coin's: repeats come in bursts, so a series that
    never repeated is not damned by its third repeat.
    """
    beyond = s[RUN] - s[LONGEST] - 2.0
    if beyond <= 0.0 or s[RUN] > FLAT_RUN:
        return 1.0
    runs = max(s[RUNS], 1.0)
    log_chance = max(-math.log(runs) / max(s[LONGEST], 1.0), math.log(0.5))
    return float(math.exp(max(beyond * log_chance, -300.0)) / runs)


@njit(cache=True, nogil=True)
def report(
    row: int,
    s: F64,
    view: F64,
    verdict: tuple[float, int, float, float],
    out: tuple[F64, F64, F64, F64, F64, U8],
) -> None:
    """Write one answer. `verdict`: p-value, head, band edges (in scales) of the residual and the jump."""
    p_values, _observed, expected, low, high, heads = out
    p, head, edge, jump_edge = verdict
    p_values[row] = p
    heads[row] = head
    if head == JUMP:
        half = jump_edge * max(s[MOVE], view[V_FLOOR])
        expected[row], low[row], high[row] = s[PREV], s[PREV] - half, s[PREV] + half
    else:
        expected[row] = view[EXPECTED]
        low[row] = view[EXPECTED] - edge * view[V_DOWN]
        high[row] = view[EXPECTED] + edge * view[V_UP]
    if math.isnan(p):
        expected[row] = low[row] = high[row] = math.nan
