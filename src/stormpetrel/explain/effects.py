"""How much each series left its place: effects with a floor of scale, a cap, and the series' own past.

A plain number of standard deviations fails where a series hardly ever moves: its scale is next to nothing and
the smallest step is infinite. So the scale of a series is never below a share of its level, and an effect
is capped. And a series that makes such excursions every hour says nothing by making one now: what counts is
how far the effect exceeds the series' own usual excursions.

Works on any mix of gauges, rates and latencies with a dozen points of past and a few of trouble. Fails on
series that are new (nothing to compare with: they count next to nothing here) and on slow drifts.
Cost: O(points), a few vectorised passes and a sort of the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

SHARE_OF_LEVEL = 0.05  # a scale is never below this share of the usual level ...
SHARE_OF_REACH = 1e-3  # ... or of the greatest value ever
MOST = 100.0  # scales that an effect counts at most
OWN_PAST = 97.0  # percentile of a series' own past excursions
UNSEEN = 0.02  # what an effect counts for where the past was unseen, or nothing but zero
FAR = 4.0  # scales from which on a point is off its place
_SEEN_LEAST = 0.1


@dataclass(frozen=True, slots=True)
class Effects:
    """Of each series, arrays of [S].

    Attributes:
        size: how far it exceeds its own usual excursions, at least 0, on a log scale.
        up: whether its greatest departure is upward.
        first: share of the trouble that had passed when it first was off its place, 1 where it never was.
        usual, worst: its usual level, and its value at the greatest departure.
    """

    size: F64
    up: NDArray[np.bool_]
    first: F64
    usual: F64
    worst: F64


def last_known(values: F64) -> F64:
    """Unknown points become the last known value of their series, then the next one, then 0."""
    known = np.isfinite(values)
    if known.all():
        return values
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    first = np.where(known.any(axis=0), known.argmax(axis=0), 0)
    at = np.where(last >= 0, last, first[None, :])
    return np.nan_to_num(np.take_along_axis(values, at, axis=0), nan=0.0, posinf=0.0, neginf=0.0)


def scales_of(past: F64) -> tuple[F64, F64]:
    """Median and robust scale of each column of `past`, float64[n, S]; never below the floors."""
    low, lower, middle, upper, high = np.percentile(past, [2, 25, 50, 75, 98], axis=0)
    scale = np.maximum.reduce(
        [
            (upper - lower) / 1.35,
            (high - low) / 4.1,
            SHARE_OF_LEVEL * np.abs(middle),
            SHARE_OF_REACH * (np.abs(past).max(axis=0) + 1e-6),
        ]
    )
    return middle, scale


def effects_of(values: F64, before: NDArray[np.bool_], during: NDArray[np.bool_]) -> Effects:
    """The effect of a trouble on each series.

    Args:
        values: float64[T, S], NaN where unknown.
        before, during: bool[T]; both have at least one point.
    """
    filled = last_known(values)
    past, present = filled[before], filled[during]
    middle, scale = scales_of(past)
    known = np.isfinite(values)
    # Of the past in which anything was known at all: a young installation has not got the hour asked for.
    told = known[before][known[before].any(axis=1)]
    seen = (told.sum(axis=0) > _SEEN_LEAST * len(told)) & known[during].any(axis=0)
    alive = np.ptp(past, axis=0) + np.abs(middle) > 0.0
    off = np.clip((present - middle) / scale, -MOST, MOST) * np.where(seen & alive, 1.0, UNSEEN)
    size = np.abs(off)
    at = size.argmax(axis=0)
    effect = 0.5 * size.max(axis=0) + 0.5 * np.median(size, axis=0)
    habit = np.abs(past - middle) / scale
    usual = np.percentile(habit, OWN_PAST, axis=0)
    # What hardly ever leaves its place, such as a count of errors, has seldom done so, and not never.
    usual = np.where(usual > 0.0, usual, habit.max(axis=0))
    departed = size > FAR
    columns = np.arange(values.shape[1])
    return Effects(
        size=np.maximum(0.0, np.log1p(effect) - np.log1p(usual)),
        up=off[at, columns] > 0.0,
        first=np.where(departed.any(axis=0), departed.argmax(axis=0), len(present)) / max(len(present), 1),
        usual=middle,
        worst=present[at, columns],
    )
