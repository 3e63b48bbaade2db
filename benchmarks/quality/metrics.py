"""What each view of the mixture is worth, and how plain detectors do on the same labelled series.

    python benchmarks/quality/metrics.py RECORDINGS [--ablation]

Prints, as the mean over data sets of series (not groups): VUS-PR and average precision of a ranking, and
F1 and false alarms per series and day of alarms, scored exactly as `petrel evaluate metrics` does. Plain
detectors get their one alarm threshold in hindsight, the best of twelve with at most 0.05 false alarms a
series and day: ours does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormpetrel.detect.metrics.mixture_layout import VIEW_NAMES
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.evaluate import labelled, metrics, scoring
from stormpetrel.evaluate.volume import dominant_period, volume_under_surface

F64 = NDArray[np.float64]
LEARN_SHARE = 0.15
LAGS = 32


def trained(values: F64) -> int:
    """Points that a plain detector may be fitted on: those that are not scored for alarms."""
    return max(64, int(LEARN_SHARE * len(values)))


def three_sigma(values: F64) -> F64:
    """Distance to the mean of the first part in its standard deviations."""
    first = values[: trained(values)]
    off: F64 = np.abs(values - first.mean()) / (first.std() + 1e-9 + 1e-3 * abs(first.mean()))
    return off


def ewma(values: F64) -> F64:
    """Distance to a running mean in running deviations, weights of 2 %."""
    out, mean, variance = np.zeros(len(values)), values[0], 0.0
    floor = 0.05 * values[: trained(values)].std() + 1e-9
    for k, x in enumerate(values):
        off = x - mean
        out[k] = abs(off) / (np.sqrt(variance) + floor)
        mean += 0.02 * off
        variance = 0.98 * (variance + 0.02 * off * off)
    return out


def windows_by_components(values: F64) -> F64:
    """Windows of 32 points in the principal axes of the first part, in standard deviations (sub-PCA)."""
    n = trained(values)
    scale = values[:n].std() + 1e-9
    windows = np.lib.stride_tricks.sliding_window_view((values - np.median(values[:n])) / scale, LAGS)
    first = windows[: max(n - LAGS, LAGS)]
    weights, axes = np.linalg.eigh(np.cov((first - first.mean(0)).T) + 1e-3 * np.eye(LAGS))
    inside = (windows - first.mean(0)) @ axes
    out = np.zeros(len(values))
    out[LAGS - 1 :] = np.sqrt(np.mean(inside**2 / (weights + 0.01 * weights.mean()), axis=1))
    return out


def voters(values: F64) -> F64:
    """Eighteen two-means models of recent changes, one every 240 points; strange is what all call so."""
    scale = values[: trained(values)].std() + 1e-9
    changes = np.convolve(np.diff(values, prepend=values[0]) / scale, np.ones(3) / 3)[: len(values)]
    points = np.stack([np.roll(changes, lag) for lag in range(6)], axis=1)
    points[:6] = 0.0
    out = np.zeros(len(values))
    models: list[tuple[F64, float, float]] = []
    for start in range(240, len(values), 240):
        near = points[max(0, start - 480) : start]
        centers = near[[0, int(np.argmax(((near - near[0]) ** 2).sum(1)))]]
        for _ in range(10):
            closer = ((near[:, None] - centers) ** 2).sum(2).argmin(1)
            centers = np.stack(
                [near[closer == c].mean(0) if (closer == c).any() else centers[c] for c in (0, 1)]
            )
        reach = np.sqrt(((near[:, None] - centers) ** 2).sum(2)).sum(1)
        models = [*models, (centers, reach.min(), reach.max())][-18:]
        part = points[start : start + 240]
        votes = [
            (np.sqrt(((part[:, None] - c) ** 2).sum(2)).sum(1) - least) / (most - least + 1e-9)
            for c, least, most in models
        ]
        out[start : start + 240] = np.min(votes, axis=0)
    return np.maximum(out, 0.0)


PLAIN: dict[str, Callable[[F64], F64]] = {
    "three sigma": three_sigma,
    "EWMA": ewma,
    "voters (k-means)": voters,
    "sub-PCA": windows_by_components,
}


def figures(scores: dict[str, list[scoring.SeriesScore]]) -> dict[str, float]:
    """Mean over data sets of the pooled figures."""
    pooled = [scoring.pooled(series) for series in scores.values()]
    return {name: float(np.mean([p[name] for p in pooled])) for name in pooled[0]}


def show(name: str, f: dict[str, float]) -> None:
    ranking = f"VUS-PR {f['vus_pr']:.3f}  AUC-PR {f['auc_pr']:.3f}"
    print(f"{name:24s} {ranking}  F1 {f['alarm_f1']:.3f} at {f['false_per_series_day']:.3f} a series and day")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--ablation", action="store_true", help="leave out each view in turn")
    given = parser.parse_args()
    files = [file for file in labelled.find(given.recordings) if labelled.labels(file) is not None]
    series = [(file, labelled.measurements(file)) for file in files]
    series = [(file, measured) for file, measured in series if len(measured.values) == 1]
    labels = [labelled.labels(file) for file, _ in series]
    periods = [dominant_period(measured.values[0]) for _, measured in series]

    def scored(k: int, rank: F64, alarm: NDArray[np.bool_], volume: bool = True) -> scoring.SeriesScore:
        (file, measured), label = series[k], labels[k]
        assert label is not None
        first, _ = labelled.judged_from(file, len(label))
        score = scoring.score(label, rank, alarm, measured.time_unix_nano / 1e9, first)
        return replace(score, vus_pr=volume_under_surface(label, rank, periods[k])) if volume else score

    def collect(answers: list[tuple[F64, NDArray[np.bool_]]], volume: bool = True) -> dict[str, float]:
        by_set: dict[str, list[scoring.SeriesScore]] = {}
        for k, (rank, alarm) in enumerate(answers):
            by_set.setdefault(series[k][0].dataset, []).append(scored(k, rank, alarm, volume))
        return figures(by_set)

    for name, detector in PLAIN.items():
        ranks = [detector(measured.values[0]) for _, measured in series]
        cuts = np.quantile(np.concatenate([rank[::20] for rank in ranks]), 1.0 - np.geomspace(0.03, 1e-5, 12))
        tried = [collect([(rank, rank > cut) for rank in ranks], volume=False) for cut in cuts]
        calm = [k for k, f in enumerate(tried) if f["false_per_series_day"] <= 0.05] or [len(cuts) - 1]
        best = max(calm, key=lambda k: tried[k]["alarm_f1"])
        show(name, collect([(rank, rank > cuts[best]) for rank in ranks]))
    for left_out in ((), *((name,) for name in VIEW_NAMES if given.ablation)):
        answers = []
        for _, measured in series:
            rank, _, alarm = metrics.judge(measured, RobustBank(without=left_out))
            answers.append((np.nan_to_num(rank), alarm))
        show(f"robust without {left_out[0]}" if left_out else "robust", collect(answers))


if __name__ == "__main__":
    main()
