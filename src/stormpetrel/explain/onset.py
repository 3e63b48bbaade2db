"""When it began: told from the signals, not from the clock of whoever reported it.

A report comes late, or somebody says "about ten". Near the reported time every split into a calm part and
a troubled one is tried, and the one that explains most of the disturbance of the most disturbed series
is taken: one change point by least squares (Bai 1997), with a little trust in the report.
Works where several series move within some minutes. Fails where nothing moves much: then the report
stands. Cost: O(points + candidates x window).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.explain.effects import last_known, scales_of
from stormpetrel.explain.situation import F64, Situation
from stormpetrel.model.time import from_seconds

MOST_SERIES = 20  # the most disturbed ones, which say when
LEAST_PAST = 8  # moments without which there is no past to compare with
TRUST = 0.7  # of the disturbance that may be lost by staying near the report
_CAP = 30.0


@dataclass(frozen=True, slots=True)
class Split:
    """The calm and the troubled part. Both have at least one moment.

    Attributes:
        since_unix_nano: the first troubled moment.
        before, during: bool[T].
    """

    since_unix_nano: int
    before: NDArray[np.bool_]
    during: NDArray[np.bool_]


def split_of(situation: Situation) -> Split:
    """Where the calm ends; ValueError when there are fewer than two moments."""
    times = situation.time_unix_nano
    if len(times) < 2:
        raise ValueError("a diagnosis needs at least two moments: one before the trouble and one of it")
    anchor = situation.anchor_unix_nano
    lead = from_seconds(max(situation.slack_seconds, situation.lead_seconds))
    lead = min(lead, max(anchor - int(times[0]), 0) * 2 // 3)  # of a short past some is left to compare with
    lag = from_seconds(situation.slack_seconds)
    near = np.flatnonzero((times >= anchor - lead) & (times <= anchor + lag))
    near = near[near > 0]
    calm = _past(situation, times < anchor - lead)
    reported = int(np.clip(np.searchsorted(times, anchor), 1, len(times) - 1))
    at = reported
    if len(near) > 1 and calm.sum() >= LEAST_PAST and situation.values.shape[1]:
        disturbed = _disturbance(situation.values, calm, times >= anchor - lead)
        disturbed[~situation.usable & (times < anchor)] = disturbed[calm].mean()  # that was another trouble
        at = _best(disturbed, near, reported)
    return Split(int(times[at]), _past(situation, times < times[at]), times >= times[at])


def _past(situation: Situation, before: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The usable part of a past, or all of it where too little is usable."""
    usable = before & situation.usable
    if usable.sum() >= LEAST_PAST:
        return usable
    if before.any():
        return before
    first: NDArray[np.bool_] = np.arange(len(before)) == 0
    return first


def _disturbance(values: F64, calm: NDArray[np.bool_], later: NDArray[np.bool_]) -> F64:
    """How disturbed the most disturbed series are at each moment, float64[T]."""
    filled = last_known(values)
    middle, scale = scales_of(filled[calm])
    far = np.log1p(np.minimum(np.abs(filled - middle) / scale, _CAP))
    gain = far[later].mean(axis=0) - np.percentile(far[calm], 90, axis=0)
    chosen = np.argsort(-gain, kind="stable")[:MOST_SERIES]
    mean: F64 = far[:, chosen].mean(axis=1)
    return mean


def _best(disturbed: F64, near: NDArray[np.intp], reported: int) -> int:
    """The candidate that leaves least unexplained in the neighbourhood; near the report when in doubt."""
    first = max(0, int(near[0]) - len(near))
    window = disturbed[first:]
    explained = np.full(len(near), -np.inf)
    for k, at in enumerate(near - first):
        left, right = window[:at], window[at:]
        if len(left) and len(right):
            rise = float(right.mean() - left.mean())
            explained[k] = rise * abs(rise) * len(left) * len(right) / len(window)
    doubt = np.abs(near - reported) / max(len(near), 1)
    most = max(float(explained.max()), 1e-12)  # where nothing moves the report stands
    return int(near[int(np.argmax(explained - TRUST * most * doubt))])
