"""Windows of samples: their level, their noise, and whether there is enough of them to say anything. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

# Fewer samples say nothing about a level and its noise.
LEAST_SAMPLES = 6
# Of the trouble so many are enough: as many strange samples open a finding, and who acts at once has no more.
LEAST_BEFORE = 3
# Of the samples that should be there; below it the missing ones may be the ones that matter.
LEAST_PRESENT = 0.7
# Changes of side within one window; a step that helped makes one at most.
MOST_FLIPS = 2
# How far a level moves from one window to the next is told from so many pairs of windows, or not at all.
_LEAST_PAIRS = 4
# Of these moves: a single outage in twelve windows makes fewer than a quarter of them.
_QUARTILE = 75.0
# Of normal noise, the upper quartile of what is off either way, in standard deviations.
_QUARTILE_SIGMAS = 1.1503
# Of the samples of a past, between these percentiles lies what it usually was.
_USUAL = (5.0, 95.0)
# Makes the median absolute deviation of normal noise its standard deviation.
_NORMAL = 1.4826
# The standard error of a median is so much larger than that of a mean.
_MEDIAN = 1.2533


@dataclass(frozen=True, slots=True)
class Moved:
    """How a level moved: from, to, by how much, give or take one standard error."""

    start: float
    end: float
    amount: float
    error: float


def enough(values: NDArray[np.float64], least: int = LEAST_SAMPLES) -> str:
    """Why a window says nothing; "" when it does. NaN and infinities are missing samples."""
    present = int(np.isfinite(values).sum())
    if present < least:
        return f"{present} samples are too few, {least} are needed"
    if present < LEAST_PRESENT * len(values):
        return f"{len(values) - present} of {len(values)} samples are missing"
    return ""


def level(values: NDArray[np.float64]) -> float:
    """The median of what is there."""
    return float(np.median(values[np.isfinite(values)]))


def spread(values: NDArray[np.float64]) -> float:
    """The noise as a standard deviation, by the median absolute deviation, or the mean one where it is 0."""
    there = values[np.isfinite(values)]
    away = np.abs(there - np.median(there))
    middle = float(np.median(away))
    return _NORMAL * middle if middle > 0 else float(np.mean(away))


def level_error(values: NDArray[np.float64]) -> float:
    """The standard error of the level, with fewer effective samples where neighbours are alike."""
    there = values[np.isfinite(values)]
    noise = spread(there)
    if noise == 0.0:
        return 0.0
    away = np.clip((there - np.median(there)) / noise, -3.0, 3.0)
    alike = float(np.clip(np.dot(away[1:], away[:-1]) / max(np.dot(away, away), 1e-12), 0.0, 0.9))
    effective = max(len(there) * (1.0 - alike) / (1.0 + alike), 2.0)
    return _MEDIAN * noise / float(np.sqrt(effective))


def change(before: NDArray[np.float64], after: NDArray[np.float64]) -> Moved:
    """How the level moved from one window to another; both must be `enough`."""
    start, end = level(before), level(after)
    return Moved(start, end, end - start, float(np.hypot(level_error(before), level_error(after))))


def drift(past: NDArray[np.float64], width: int) -> float:
    """How far the level of a window is from that of the window before it, as a standard deviation.

    It is what a difference of two levels is by itself: a ratio of few events moves slowly, and hardly at all
    within one window, so the spread of a window says less than that. By the upper quartile of all pairs of
    neighbouring windows, so that one outage in the past is not taken for usual. 0.0 where the past is too
    short to tell. Cost: O(len(past) x width).

    Args:
        past: of calm times; NaN and infinities are missing samples, windows with too few are left out.
        width: of a window, in samples.
    """
    if width < 1 or len(past) < 2 * width + _LEAST_PAIRS - 1:
        return 0.0
    views = sliding_window_view(np.where(np.isfinite(past), past, np.nan), width)
    whole = np.isfinite(views).mean(axis=1) >= LEAST_PRESENT
    levels = np.full(len(views), np.nan)
    levels[whole] = np.nanmedian(views[whole], axis=1)
    moves = np.abs(levels[width:] - levels[:-width])
    moves = moves[np.isfinite(moves)]
    if len(moves) < _LEAST_PAIRS:
        return 0.0
    return float(np.percentile(moves, _QUARTILE)) / _QUARTILE_SIGMAS


def usual_range(past: NDArray[np.float64]) -> float:
    """How far apart the samples of a past are, without its twentieth at either end; 0.0 without samples."""
    there = past[np.isfinite(past)]
    return float(np.ptp(np.percentile(there, _USUAL))) if len(there) else 0.0


def last_third(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The newest third of what is there, three samples at least: where what breaks slowly is broken."""
    there = values[np.isfinite(values)]
    return there[-max(len(there) // 3, 3) :]


def flaps(values: NDArray[np.float64], calm: float, trouble: float) -> bool:
    """Whether a window goes to and fro between the calm level and that of the trouble.

    A sample counts for a side when it is within 3/8 of the way to its level, or beyond; those between count
    for none, so noise around the middle is no flapping.
    """
    there = values[np.isfinite(values)]
    way = (there - calm) / (trouble - calm)
    sides = np.where(way >= 0.625, 1, np.where(way <= 0.375, -1, 0))
    sides = sides[sides != 0]
    flips = int(np.count_nonzero(np.diff(sides)))
    lesser = min(int(np.count_nonzero(sides == 1)), int(np.count_nonzero(sides == -1)))
    return flips > MOST_FLIPS and lesser >= max(2, len(there) // 8)
