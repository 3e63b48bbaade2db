"""Plain detectors to compare ours with: from values, and how many they may be fitted on, to a ranking."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Plain = Callable[[F64, int], F64]
LAGS = 32
LAGS_TOGETHER = 8
SHARE_OF_MEMBERS = 4


def three_sigma(values: F64, n: int) -> F64:
    """Distance to the mean of the first part in its standard deviations."""
    first = values[:n]
    off: F64 = np.abs(values - first.mean()) / (first.std() + 1e-9 + 1e-3 * abs(first.mean()))
    return off


def ewma(values: F64, n: int) -> F64:
    """Distance to a running mean in running deviations, weights of 2 %."""
    out, mean, variance = np.zeros(len(values)), values[0], 0.0
    floor = 0.05 * values[:n].std() + 1e-9
    for k, x in enumerate(values):
        off = x - mean
        out[k] = abs(off) / (np.sqrt(variance) + floor)
        mean += 0.02 * off
        variance = 0.98 * (variance + 0.02 * off * off)
    return out


def windows_by_components(values: F64, n: int) -> F64:
    """Windows of 32 points in the principal axes of the first part, in standard deviations (sub-PCA)."""
    scale = values[:n].std() + 1e-9
    windows = np.lib.stride_tricks.sliding_window_view((values - np.median(values[:n])) / scale, LAGS)
    first = windows[: max(n - LAGS, LAGS)]
    weights, axes = np.linalg.eigh(np.cov((first - first.mean(0)).T) + 1e-3 * np.eye(LAGS))
    inside = (windows - first.mean(0)) @ axes
    out = np.zeros(len(values))
    out[LAGS - 1 :] = np.sqrt(np.mean(inside**2 / (weights + 0.01 * weights.mean()), axis=1))
    return out


def voters(values: F64, n: int) -> F64:
    """Eighteen two-means models of recent changes, one every 240 points; strange is what all call so."""
    scale = values[:n].std() + 1e-9
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


def of_strangest_quarter(detector: Plain) -> Plain:
    """A detector of one series, for the metrics of one entity: mean of the strangest quarter of them."""

    def together(values: F64, n: int) -> F64:
        each = np.sort(np.stack([detector(column, n) for column in values]), axis=0)
        strangest: F64 = each[-max(1, len(each) // SHARE_OF_MEMBERS) :].mean(0)
        return strangest

    return together


def joint_windows_by_components(values: F64, n: int) -> F64:
    """Windows of eight moments of all metrics in the principal axes of the first part (PCA of windows)."""
    scale = values[:, :n].std(1, keepdims=True)
    scaled = np.clip((values - values[:, :n].mean(1, keepdims=True)) / (scale + 1e-3), -1e3, 1e3)
    windows = np.lib.stride_tricks.sliding_window_view(scaled, LAGS_TOGETHER, axis=1)
    windows = windows.transpose(1, 0, 2).reshape(values.shape[1] - LAGS_TOGETHER + 1, -1)
    first = windows[: n - LAGS_TOGETHER]
    weights, axes = np.linalg.eigh(np.cov((first - first.mean(0)).T) + 1e-3 * np.eye(windows.shape[1]))
    inside = (windows - first.mean(0)) @ axes
    out = np.zeros(values.shape[1])
    out[LAGS_TOGETHER - 1 :] = np.sqrt(np.mean(inside**2 / (weights + 0.01 * weights.mean()), axis=1))
    return out


SINGLE: dict[str, Plain] = {
    "three sigma": three_sigma,
    "EWMA": ewma,
    "voters (k-means)": voters,
    "sub-PCA": windows_by_components,
}
GROUPS: dict[str, Plain] = {
    "voters (k-means)": of_strangest_quarter(voters),
    "sub-PCA": of_strangest_quarter(windows_by_components),
    "PCA of joint windows": joint_windows_by_components,
}
