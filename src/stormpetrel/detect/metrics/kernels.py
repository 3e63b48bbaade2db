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

from stormpetrel.detect.metrics import mixture_layout, tail
from stormpetrel.detect.metrics.band import report
from stormpetrel.detect.metrics.drift import drift_log_p
from stormpetrel.detect.metrics.layout import (
    AFAR,
    BLIND_SCORE,
    CLIP,
    DOWN,
    DRIFT,
    DRIFT_RATE,
    DRIFT_SCALE,
    EPISODE_MEMORY,
    EPISODES,
    ERROR,
    EXCURSION,
    EXCURSIONS,
    EXPECTED,
    FLAT,
    FLAT_RUN,
    FLOOR_OF_LEVEL,
    FLOOR_OF_MAGNITUDE,
    FORECAST,
    FREE_EPISODES,
    HAS_PREV,
    HEADS,
    JUMP,
    LASTING,
    LEAST,
    LEVEL,
    LONG,
    LONG_SCALE,
    LONGEST,
    MAGNITUDE,
    MOVE,
    P_EXTREME,
    P_UNUSUAL,
    PINNED,
    PREV,
    QUANTUM,
    RELEARN,
    RESIDUAL,
    REST,
    RUN,
    RUNS,
    S_DOWN,
    S_ERROR,
    S_LEVEL,
    S_N,
    S_UP,
    SCORED_HEADS,
    SEASON,
    SEASON_GAIN,
    SEASON_REVEALS,
    SEASON_TRIAL,
    SEASONAL,
    SETTLED,
    SHIFT,
    SLOTS,
    SMALL_STEP,
    SPARSE,
    SPREAD,
    STEPS_NEEDED,
    STILL,
    STREAK,
    TREND,
    UNUSUAL,
    UP,
    V_DOWN,
    V_FLOOR,
    V_MOST,
    V_STEP,
    V_UP,
    VIEW,
    N,
)
from stormpetrel.detect.metrics.learning import learn, learn_season, remember, restart
from stormpetrel.detect.metrics.mixture import alarm_log_p, bar_of, excess, look, rank_of
from stormpetrel.detect.metrics.mixture_learning import learn_mixture, restart_mixture

OTHER_HEADS_LOG = math.log(mixture_layout.OTHER_HEADS)

# The head that speaks for the strangest view of the mixture, in the order of the views.
HEAD_OF_VIEW = (AFAR, RESIDUAL, SEASON, FORECAST, JUMP, SHIFT, SPREAD, SEASON, TREND, SHIFT, STILL)

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@njit(cache=True, nogil=True, error_model="numpy")
def update(
    rows: tuple[NDArray[np.uint32], NDArray[np.int64], F64, NDArray[np.bool_]],
    bank: tuple[F64, F32, F64, F32, U8, NDArray[np.int64], F64, F64],
    warmup: float,
    season_nanos: int,
    out: tuple[F64, F64, F64, F64, F64, U8, F64, F64],
) -> None:
    """Judge and learn all rows in order. `rows`: series, time, signal, resumed; `bank`: state, counts,
    fits, slot means, slot passes, newest time, mixtures, weights; `out`: p-value, observed, expected,
    low, high, head, rank, alarm."""
    series, times, signal, resumed = rows
    state, counts, fits, profile, passes, newest, mixtures, weights = bank
    views = np.zeros(mixture_layout.VIEWS)
    scores = np.zeros(SCORED_HEADS)
    view = np.zeros(VIEW)
    slot_nanos = season_nanos / SLOTS
    for row in range(len(series)):
        i = series[row]
        x = signal[row]
        if not math.isfinite(x) or times[row] <= newest[i]:
            continue
        newest[i] = times[row]
        s, m = state[i], mixtures[i]
        if resumed[row]:
            restart(s)
            restart_mixture(m)
        phase = (times[row] % season_nanos) / slot_nanos
        base = season_base(profile[i], passes[i], phase)
        choose(s, counts[i], fits[i])
        predict(s, base, view)
        score(s, x, view, scores)
        p, head = judge(s, counts[i], fits[i], scores, warmup)
        look(s, m, x, base, views)
        out[6][row], off = weigh(s, m, excess(m, views, s[N], weights), view[V_MOST])
        out[7][row], head = mix(m, (s[N], off, drift_log_p(s, m, x)), p, head)
        out[1][row] = x
        own = fits[i, head if head == AFAR else JUMP, tail.BAND]
        report(row, (s, m, view), (p, head, fits[i, RESIDUAL, tail.BAND], own, base), out)
        learn_mixture(s, m, x, base)
        learn(s, x, base, view)
        learn_season(s, x, profile[i], passes[i], int(phase))
        remember(s, x)


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(s: F64, m: F64, off: tuple[float, float], most: float) -> tuple[float, float]:
    """The rank, NaN while no scale is known, and the excess for the alarm, little where size means little."""
    rank = rank_of(m, off[0])
    alarming = min(off[1], mixture_layout.REST_MOST) if most == BLIND_SCORE else off[1]
    return (rank if s[N] >= mixture_layout.YOUNG else math.nan), alarming


@njit(cache=True, nogil=True, error_model="numpy")
def mix(m: F64, seen: tuple[float, float, float], p: float, head: int) -> tuple[float, int]:
    """The alarm head: the mixture's p-value, or that of a single head if it is far smaller, both
    discounted by the record of excursions; and the head that speaks for it. `seen`: samples so far,
    the mean excess of this one, and log p of a drift."""
    log_p = alarm_log_p(m, seen[0], seen[1])
    if math.isnan(p):
        return p, head
    if seen[2] < log_p:
        return math.exp(seen[2]), TREND
    single = OTHER_HEADS_LOG + math.log(p) / bar_of(m)
    if log_p < single:
        if log_p < math.log(p):
            head = HEAD_OF_VIEW[int(m[mixture_layout.STRANGEST])]
        return math.exp(max(log_p, -600.0)), head
    return math.exp(min(max(single, -600.0), 0.0)), head


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def predict(s: F64, base: float, view: F64) -> None:
    """Choose the model (level alone, or level on the seasonal profile) and its scales."""
    floor = max(FLOOR_OF_LEVEL * abs(s[LEVEL]), FLOOR_OF_MAGNITUDE * s[MAGNITUDE])
    counts_in_wholes = s[QUANTUM] >= 1.0 and s[QUANTUM] <= SMALL_STEP * abs(s[LEVEL])
    if s[RUNS] >= STEPS_NEEDED or (counts_in_wholes and s[QUANTUM] == math.floor(s[QUANTUM])):
        floor = max(floor, 0.5 * s[QUANTUM])
    seasonal = s[SEASONAL] > 0.0 and math.isfinite(base)
    view[EXPECTED] = base + s[S_LEVEL] if seasonal else s[LEVEL]
    view[V_UP] = max(s[S_UP] if seasonal else s[UP], floor)
    view[V_DOWN] = max(s[S_DOWN] if seasonal else s[DOWN], floor)
    view[V_FLOOR] = floor
    view[V_STEP] = s[QUANTUM] if counts_in_wholes and s[QUANTUM] == math.floor(s[QUANTUM]) else 0.0
    at_rest = s[RUNS] < SPARSE * s[N] and abs(s[LEVEL]) <= REST * s[MAGNITUDE]
    view[V_MOST] = BLIND_SCORE if at_rest else 1e9


@njit(cache=True, nogil=True, error_model="numpy")
def choose(s: F64, counts: F32, fits: F64) -> None:
    """Take up the seasonal model when it is clearly better, drop it when it is worse.

    Where it explains nearly all, the tails of the residuals are learnt anew; meanwhile the other heads
    judge. Where it explains some, the old tails are kept: too wide, but of much longer memory.
    """
    if s[S_N] < SEASON_TRIAL:
        return
    if s[SEASONAL] > 0.0:
        s[SEASONAL] = 1.0 if s[S_ERROR] < s[ERROR] else 0.0
    elif s[S_ERROR] < SEASON_GAIN * s[ERROR]:
        s[SEASONAL] = 1.0
        if s[S_ERROR] < SEASON_REVEALS * s[ERROR]:
            s[DRIFT] = 0.0
            s[DRIFT_SCALE] = 0.5 * (s[S_UP] + s[S_DOWN])
            for h in (RESIDUAL, SHIFT):
                tail.forget(counts[h], fits[h])


@njit(cache=True, nogil=True, error_model="numpy")
def over(distance: float, scale: float, most: float) -> float:
    """distance / scale, at most `most`, also where there is no scale at all."""
    if distance == 0.0:
        return 0.0
    return min(distance / scale, most) if scale > 0.0 else most


@njit(cache=True, nogil=True, error_model="numpy")
def score(s: F64, x: float, view: F64, scores: F64) -> None:
    """The learnt scores of one sample; a score of -1 means: nothing to compare with."""
    most = view[V_MOST]
    residual = x - view[EXPECTED]
    scale = view[V_UP] if residual >= 0.0 else view[V_DOWN]
    scores[RESIDUAL] = over(abs(residual), scale, most)
    scores[JUMP] = over(abs(x - s[PREV]), max(s[MOVE], view[V_FLOOR]), most) if s[HAS_PREV] > 0.0 else -1.0
    limit = 2.5 * CLIP * scale
    drift = s[DRIFT] + DRIFT_RATE * (min(max(residual, -limit), limit) - s[DRIFT])
    s[DRIFT] = drift
    scores[AFAR] = over(abs(x - s[LONG]), max(s[LONG_SCALE], view[V_FLOOR]), most)
    scores[SHIFT] = over(abs(drift), max(s[DRIFT_SCALE], 0.2 * view[V_FLOOR], 0.5 * view[V_STEP]), most)


@njit(cache=True, nogil=True, error_model="numpy")
def at_most(s: F64) -> bool:
    """Whether the series stands at the largest value it had lately."""
    return bool(abs(s[PREV]) >= s[MAGNITUDE] - PINNED * max(s[UP], s[DOWN]))


@njit(cache=True, nogil=True, error_model="numpy")
def at_least(s: F64) -> bool:
    """Whether the series stands at the smallest value it ever had."""
    return bool(s[PREV] <= s[LEAST] + PINNED * max(s[UP], s[DOWN]))


@njit(cache=True, nogil=True, error_model="numpy")
def judge(s: F64, counts: F32, fits: F64, scores: F64, warmup: float) -> tuple[float, int]:
    """Smallest p-value of the heads times their number (Bonferroni), and whose it is; NaN warming up."""
    p, head, strangest = 1.0, RESIDUAL, 1.0
    warm = s[N] >= warmup
    if warm:
        for h in range(SCORED_HEADS):
            if scores[h] >= 0.0 and fits[h, tail.TOTAL] >= tail.LEAST:
                mine = tail.p_value(counts[h], fits[h], scores[h], s[UNUSUAL])
                if mine < p:
                    p, head = mine, h
        strangest = HEADS * p
        rests = s[RUNS] < SPARSE * s[N]
        # Inside the band it is not worth a word that it lasts, nor that it rests at the least it ever was: it
        # has nothing to do, as a rate or a count that rests at zero. What repeats the most it ever was is
        # saturated, not stuck: how high that is, the other heads tell.
        far = max(scores[RESIDUAL] - fits[RESIDUAL, tail.BAND], scores[AFAR] - fits[AFAR, tail.BAND])
        calm = rests or s[PREV] == 0.0 or (far <= 0.0 and at_least(s))
        idle = calm or at_most(s) or s[RUN] > FLAT_RUN
        flat = 1.0 if idle else run_p_value(s[RUN], s[LONGEST], s[RUNS], 0.5)
        if flat < p:
            p, head = flat, FLAT
        least = 0.5 if rests else 0.8  # what rests is not autocorrelated noise
        lasting = run_p_value(s[UNUSUAL], s[EXCURSION], s[EXCURSIONS], least) if far > 0.0 else 1.0
        if lasting < p:
            p, head = lasting, LASTING
        p = min(1.0, HEADS * p)
    s[EPISODES] *= 1.0 - 1.0 / EPISODE_MEMORY
    extreme = warm and p <= P_EXTREME
    s[STREAK] = s[STREAK] + 1.0 if extreme else 0.0
    habit = s[EPISODES] - FREE_EPISODES
    if habit > 0.0:
        p = max(p, min(habit / EPISODE_MEMORY, 1.0))
    if s[STREAK] == 1.0:
        s[EPISODES] += 1.0
    count_excursion(s, warm and strangest <= P_UNUSUAL)
    if (not extreme or habit > 0.0 or s[STREAK] > RELEARN) and s[N] >= SETTLED:
        weight = 1.0
        for h in range(SCORED_HEADS):
            if scores[h] >= 0.0:
                tail.learn(counts[h], fits[h], scores[h], weight)
    return (p if warm else math.nan), head


@njit(cache=True, nogil=True, error_model="numpy")
def run_p_value(run: float, longest: float, runs: float, least: float) -> float:
    """Geometric tail of a run beyond the longest one seen; 1 when it is not a record.

    The chance of one more is what makes the longest of `runs` runs as long as it was
    (`chance**longest = 1 / (runs + 1)`), and at least `least`: likes come in bursts, so a series that never
    repeated is not damned by its third repeat.
    """
    beyond = run - longest - 2.0
    if beyond <= 0.0:
        return 1.0
    count = max(runs, 1.0)
    log_chance = max(-math.log(count + 1.0) / max(longest, 1.0), math.log(least))
    return float(math.exp(max(beyond * log_chance, -300.0)) / count)


@njit(cache=True, nogil=True, error_model="numpy")
def count_excursion(s: F64, unusual: bool) -> None:
    """Keep the present run of unusual samples, the longest (slowly forgotten), and their number."""
    if unusual:
        s[UNUSUAL] += 1.0
    elif s[UNUSUAL] > 0.0:
        s[EXCURSION] = max(s[EXCURSION], min(s[UNUSUAL], RELEARN))
        s[EXCURSIONS] += 1.0
        s[UNUSUAL] = 0.0
    s[EXCURSION] *= 1.0 - 1.0 / EPISODE_MEMORY
