"""Tail calibration: how often does a healthy series reach this score? Learnt per series, streaming.

Each (series, head) keeps a histogram of its past scores over logarithmic bins. From three quantiles of
it a tail is fitted in the Box-Cox family

    -log P(score >= z) = c + slope * (z**shape - 1) / shape

which holds the Gaussian (shape 2), the exponential (1) and the power law (0) and in between: one family
for counts, rates and heavy-tailed latencies. Works when past scores resemble future ones, also when they
are autocorrelated (the *marginal* rate is calibrated); fails, towards saying "rare", in the first hours
of something that has simply not happened yet. Three guards keep it honest:

- the shape is shrunk towards a heavy tail while the history is short;
- a probability of `(2 / n)**2` for "the fit is wrong and the tail is a square power law" is added, so n
  samples never claim less than about 1 / n**2 unless the effect is huge;
- never below the share of past samples that were as strange or stranger.

References: Box and Cox 1964; Coles, *An Introduction to Statistical Modeling of Extreme Values*, 2001
(peaks over threshold, of which this is the three-quantile, bounded-memory form).
Cost: about 20 ns a score; one fit of about 1 µs every `REFIT` samples; `BINS` * 4 + 64 bytes of state.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

BINS = 40
LEAST = 96.0  # samples before a tail says anything
REFIT = 64  # samples between fits
FORGET_AT = 32768.0  # samples after which all counts are halved: memory of about two of these

_LOG_LOW = math.log(0.03)  # scores below fall into bin 0
_WIDTH = math.log(1.3)

# Columns of a fit row, float64[FIT_FIELDS].
TOTAL, BULK, ANCHOR, ANCHOR_LOG_P, SHAPE, SLOPE, BAND, ANCHOR_H = 0, 1, 2, 3, 4, 5, 6, 7
FIT_FIELDS = 8

_P_BULK = 0.25  # the bulk ends here; the tail is fitted from here outwards
_P_DEEPEST = 0.0015  # deepest quantile used, given enough samples
_DEEP_COUNT = 12.0  # samples that must lie beyond the deepest quantile
_P_BAND = 1e-3  # the band shown to people covers all but this share
_PRIOR_SHAPE, _PRIOR_SAMPLES = 0.1, 500.0
_MAX_LOCAL_SLOPE = 14.0  # d(-log p) / d(log z) at the anchor; a Gaussian has about 11 at its 99.85 %


@njit(cache=True, nogil=True, error_model="numpy")
def bin_of(score: float) -> int:
    """The histogram bin of a score >= 0."""
    if score <= 0.03:
        return 0
    position = int((math.log(score) - _LOG_LOW) / _WIDTH) + 1
    return min(position, BINS - 1)


@njit(cache=True, nogil=True, error_model="numpy")
def learn(counts: F32, fit: F64, score: float, weight: float) -> None:
    """Count one score; refit every `REFIT` samples (more often while young); forget slowly."""
    before = int(fit[TOTAL])
    counts[bin_of(score)] += weight
    fit[TOTAL] += weight
    if fit[TOTAL] >= FORGET_AT:
        for j in range(BINS):
            counts[j] *= 0.5
        fit[TOTAL] *= 0.5
    total = int(fit[TOTAL])
    if total != before and (total % REFIT == 0 or (total < 256 and total % 16 == 0)):
        refit(counts, fit)


@njit(cache=True, nogil=True, error_model="numpy")
def forget(counts: F32, fit: F64) -> None:
    """Start anew: the score has got another meaning."""
    counts[:] = 0.0
    fit[:] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def quantile(counts: F32, target: float) -> float:
    """The score that `target` (a count) of the past samples reach or exceed, log-interpolated."""
    above = 0.0
    for back in range(BINS):
        j = BINS - 1 - back
        reached = above + counts[j]
        if reached >= target:
            upper = _LOG_LOW + j * _WIDTH
            share = math.log(target / above) / math.log(reached / above) if above > 0.0 else target / reached
            return math.exp(upper - min(max(share, 0.0), 1.0) * _WIDTH)
        above = reached
    return 0.03


@njit(cache=True, nogil=True, error_model="numpy")
def stretch(score: float, shape: float) -> float:
    """The Box-Cox transform of a positive score."""
    log_score = math.log(score)
    if abs(shape) < 1e-3:
        return log_score
    return (math.exp(min(shape * log_score, 300.0)) - 1.0) / shape


@njit(cache=True, nogil=True, error_model="numpy")
def refit(counts: F32, fit: F64) -> None:
    """Fit bulk end, anchor, shape, slope and band edge from the histogram."""
    total = fit[TOTAL]
    p_deep = min(max(_DEEP_COUNT / total, _P_DEEPEST), 0.12)
    p_middle = math.sqrt(_P_BULK * p_deep)
    bulk = quantile(counts, _P_BULK * total)
    middle = quantile(counts, p_middle * total)
    deep = quantile(counts, p_deep * total)
    first, second = math.log(middle / bulk), math.log(deep / middle)
    shape, slope = 0.0, 3.0
    if bulk > 0.04 and second > 0.01:
        trust = total / (total + _PRIOR_SAMPLES)
        shape = 2.0 * (first - second) / (first * first + second * second)
        shape = min(max(trust * shape + (1.0 - trust) * _PRIOR_SHAPE, -0.3), 2.0)
        slope = math.log(p_middle / p_deep) / (stretch(deep, shape) - stretch(middle, shape))
        slope = min(slope, _MAX_LOCAL_SLOPE / math.exp(shape * math.log(deep)))
    else:  # mostly one value: nothing to fit, a cubic power law from a scale that is not noise
        deep = max(deep, 3.0)
        bulk = max(bulk, 0.03)
    fit[BULK], fit[ANCHOR], fit[ANCHOR_LOG_P] = bulk, deep, math.log(p_deep)
    fit[SHAPE], fit[SLOPE], fit[ANCHOR_H] = shape, slope, stretch(deep, shape)
    fit[BAND] = band_edge(fit)


@njit(cache=True, nogil=True, error_model="numpy")
def band_edge(fit: F64) -> float:
    """The score whose fitted p-value is 0.001; bounded to a thousand anchors."""
    height = fit[ANCHOR_H] + (fit[ANCHOR_LOG_P] - math.log(_P_BAND)) / fit[SLOPE]
    shape = fit[SHAPE]
    if abs(shape) < 1e-3:
        edge = math.exp(min(height, 50.0))
    else:
        inside = shape * height + 1.0
        edge = math.exp(math.log(inside) / shape) if inside > 1e-9 else 1e3 * fit[ANCHOR]
    return min(edge, 1e3 * float(fit[ANCHOR]))


@njit(cache=True, nogil=True, error_model="numpy")
def p_value(counts: F32, fit: F64, score: float, recent: float) -> float:
    """How often a healthy sample of this series scores at least this, in (0, 1].

    `recent` samples were counted in the present excursion: they are no evidence that it is usual.
    """
    if score <= fit[BULK]:
        return 1.0 - (1.0 - _P_BULK) * score / float(fit[BULK])
    log_p = fit[ANCHOR_LOG_P] - fit[SLOPE] * (stretch(score, fit[SHAPE]) - fit[ANCHOR_H])
    p = float(math.exp(max(log_p, -300.0)))
    ratio = max(fit[ANCHOR], 3.0) / score
    doubt = 2.0 / fit[TOTAL]
    p += doubt * doubt * min(ratio * ratio, 1.0)
    if score > fit[ANCHOR]:
        position = bin_of(score)
        seen = 0.5 * counts[position]
        for j in range(position + 1, BINS):
            seen += counts[j]
        p = max(p, (seen - recent) / float(fit[TOTAL]))
    return float(min(max(p, 1e-300), 1.0))
