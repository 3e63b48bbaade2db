"""VUS-PR: the volume under the range-based precision-recall surface of a ranking.

Labels get soft flanks of growing width, so a ranking is not punished for being a little early or late;
the figure is the mean over all widths of the area under the precision-recall curve. It rewards smearing,
therefore the average precision stands beside it.

Reference: Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for time-series
anomaly detection", VLDB 2022.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.evaluate.scoring import labelled_runs

THRESHOLDS = 250
LONGEST_PERIOD, SHORTEST_PERIOD, USUAL_PERIOD = 300, 3, 125

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def dominant_period(values: F64) -> int:
    """Lag of the highest peak of the autocorrelation between 3 and 300, or 125; first 20,000 points."""
    x = values[:20_000] - values[:20_000].mean()
    if len(x) < 8 or not np.any(x):
        return USUAL_PERIOD
    size = 1 << (2 * len(x) - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    lags = np.fft.irfft(spectrum * np.conj(spectrum), size)[: min(400, len(x) - 1) + 1]
    a = (lags / lags[0])[SHORTEST_PERIOD:]
    peaks = np.flatnonzero((a[1:-1] > a[:-2]) & (a[1:-1] > a[2:])) + 1
    if not len(peaks):
        return USUAL_PERIOD
    best = int(peaks[np.argmax(a[peaks])]) + SHORTEST_PERIOD
    return best if best <= LONGEST_PERIOD else USUAL_PERIOD


def volume_under_surface(label: NDArray[np.bool_], rank: F64, period: int) -> float:
    """VUS-PR with flanks up to `period` points; NaN without a label. O(events * period**2 + n log n)."""
    positives = int(label.sum())
    if positives == 0:
        return float("nan")
    n = len(rank)
    cuts = -np.sort(-rank)[np.linspace(0, n - 1, THRESHOLDS).astype(np.int64)]
    bins = np.minimum(np.searchsorted(-cuts, -rank, side="left"), THRESHOLDS - 1).astype(np.int64)
    flagged = np.cumsum(np.bincount(bins, minlength=THRESHOLDS)).astype(np.float64)
    inside = np.cumsum(np.bincount(bins[label], minlength=THRESHOLDS)).astype(np.float64)
    runs = np.array(labelled_runs(label), np.int64)
    total = 0.0
    best = np.array([bins[a : b + 1].min() for a, b in runs], np.int64)
    soft, outside = np.zeros(n), np.zeros(THRESHOLDS)
    for width in range(period + 1):
        half = width // 2
        widen(bins, runs, half, best)
        flanks(bins, label, runs, width, (soft, outside))
        found = touched(runs, half, best)
        beyond = np.cumsum(outside)
        recall = np.minimum((inside + beyond) / (positives + 0.5 * beyond), 1.0) * found
        total += float(np.sum(np.diff(recall, prepend=0.0) * (inside + beyond) / np.maximum(flagged, 1.0)))
    return total / (period + 1)


@njit(cache=True, nogil=True)
def widen(bins: I64, runs: I64, half: int, best: I64) -> None:
    """Take the two points at distance `half` of each run into its best threshold."""
    for k in range(len(runs)):
        for i in (runs[k, 0] - half, runs[k, 1] + half):
            if 0 <= i < len(bins):
                best[k] = min(best[k], bins[i])


@njit(cache=True, nogil=True)
def flanks(bins: I64, label: NDArray[np.bool_], runs: I64, width: int, work: tuple[F64, F64]) -> None:
    """Soft labelled mass outside the runs, by threshold, into `work[1]`; `work[0]` is scratch, left zero."""
    soft, outside = work
    outside[:] = 0.0
    n, half = len(bins), width // 2
    for k in range(len(runs)):
        for d in range(1, half + 1):
            for i in (runs[k, 0] - d, runs[k, 1] + d):
                if 0 <= i < n:
                    soft[i] += math.sqrt(1.0 - d / width)
    for k in range(len(runs)):
        for d in range(1, half + 1):
            for i in (runs[k, 0] - d, runs[k, 1] + d):
                if 0 <= i < n and soft[i] > 0.0:
                    if not label[i]:
                        outside[bins[i]] += min(soft[i], 1.0)
                    soft[i] = 0.0


@njit(cache=True, nogil=True)
def touched(runs: I64, half: int, best: I64) -> F64:
    """Share of the widened runs (joined where they meet) that each threshold touches: float64[THRESHOLDS]."""
    first = np.zeros(THRESHOLDS)
    count = 1
    now, end = best[0], runs[0, 1] + half
    for k in range(1, len(runs)):
        if runs[k, 0] - half <= end + 1:
            now, end = min(now, best[k]), max(end, runs[k, 1] + half)
        else:
            first[now] += 1.0
            count += 1
            now, end = best[k], runs[k, 1] + half
    first[now] += 1.0
    return np.cumsum(first) / count
