"""Scores of labelled series: average precision of a ranking, and what alarms found and cost.

An alarm counts from its onset; onsets closer than 30 minutes or ten points are one. An onset within
[start of an event, its end + max(3 points, 300 s)] is true, every other is false: one that comes before
its event is false too. The first 15 % of a series is warm-up and counts for ranking only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GAP_SECONDS, GAP_POINTS = 1800.0, 10
LATE_SECONDS, LATE_POINTS = 300.0, 3
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class SeriesScore:
    """One series: VUS-PR and average precision (NaN without a label), counts of alarms and events, and what
    its alarms gain in labelled windows (NaN without any windows in the data set), of which it has some."""

    auc_pr: float
    alarms: int
    true_alarms: int
    events: int
    found: int
    days: float
    vus_pr: float = float("nan")
    gained: float = float("nan")
    windows: int = 0
    outside_mean: bool = False


def average_precision(label: NDArray[np.bool_], rank: NDArray[np.float64]) -> float:
    """Area under the precision-recall curve by steps; points of equal rank enter together."""
    positives = int(label.sum())
    if positives == 0:
        return float("nan")
    order = np.argsort(-rank, kind="stable")
    hits, ranked = np.cumsum(label[order]), rank[order]
    last = np.append(np.diff(ranked) != 0, True)
    precision = hits[last] / (np.flatnonzero(last) + 1)
    recall = hits[last] / positives
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def onsets(alarm: NDArray[np.bool_], seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """First points of the alarms, runs of alarm closer than the gap taken as one."""
    raised = np.flatnonzero(alarm)
    if not len(raised):
        return raised
    apart = (np.diff(raised) > GAP_POINTS) & (np.diff(seconds[raised]) > GAP_SECONDS)
    return raised[np.concatenate(([True], apart))]


def labelled_runs(label: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last point of each run of labelled points."""
    edges = np.diff(np.concatenate(([0], label.astype(np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def score(
    label: NDArray[np.bool_],
    rank: NDArray[np.float64],
    alarm: NDArray[np.bool_],
    seconds: NDArray[np.float64],
    first: int,
) -> SeriesScore:
    """Score one series; `first` is the first point at which alarms and events count."""
    n = len(label)
    raised = onsets(alarm, seconds)
    raised = raised[raised >= first]
    true = np.zeros(len(raised), bool)
    found = counted = 0
    for begin, end in labelled_runs(label):
        if end < first:
            continue
        counted += 1
        late = max(
            int(np.searchsorted(seconds, seconds[end] + LATE_SECONDS, side="right")) - 1,
            min(n - 1, end + LATE_POINTS),
        )
        inside = (raised >= begin) & (raised <= late)
        found += bool(inside.any())
        true |= inside
    days = (seconds[-1] - seconds[min(first, n - 1)]) / _DAY if n else 0.0
    return SeriesScore(
        average_precision(label, rank), len(raised), int(true.sum()), counted, found, max(days, 1e-9)
    )


def pooled(scores: list[SeriesScore]) -> dict[str, float]:
    """Alarm precision, recall, F1 and false alarms per series and day over all series; mean AUC-PR."""
    alarms, true = sum(s.alarms for s in scores), sum(s.true_alarms for s in scores)
    counted, found = sum(s.events for s in scores), sum(s.found for s in scores)
    precision, recall = true / max(alarms, 1), found / max(counted, 1)
    ranked = [s for s in scores if s.auc_pr == s.auc_pr]
    return {
        "vus_pr": float(np.mean([s.vus_pr for s in ranked])) if ranked else float("nan"),
        "auc_pr": float(np.mean([s.auc_pr for s in ranked])) if ranked else float("nan"),
        "precision": precision,
        "recall": recall,
        "alarm_f1": 2 * precision * recall / max(precision + recall, 1e-12),
        "false_per_series_day": (alarms - true) / max(sum(s.days for s in scores), 1e-9),
    }
