"""Five ways in which telemetry goes bad, applied to a series that was good: for evaluation and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Columns = tuple[NDArray[np.int64], NDArray[np.float64]]  # times and values in order of arrival
Spoil = Callable[[NDArray[np.int64], NDArray[np.float64], np.random.Generator], Columns]

SHARE = 0.05  # of the samples, for what happens to single samples
FACTORS = (10.0, 100.0, 1e3, 1e6, 1024.0, 1024.0**2)


def corrupted(time: NDArray[np.int64], value: NDArray[np.float64], rng: np.random.Generator) -> Columns:
    """One sample in twenty is NaN, infinite, or has a flipped exponent bit."""
    hit = rng.random(len(value)) < SHARE
    bad = rng.choice(np.array([np.nan, np.inf, -np.inf, 1e200, -1e250, 1e300]), len(value))
    return time, np.where(hit, bad, value)


def duplicated(time: NDArray[np.int64], value: NDArray[np.float64], rng: np.random.Generator) -> Columns:
    """One sample in twenty comes again, at once or a few samples later."""
    return _delayed(time, value, np.flatnonzero(rng.random(len(value)) < SHARE), rng, keep=True, most=40)


def late(time: NDArray[np.int64], value: NDArray[np.float64], rng: np.random.Generator) -> Columns:
    """One sample in twenty comes later than up to forty samples that follow it."""
    return _delayed(time, value, np.flatnonzero(rng.random(len(value)) < SHARE), rng, keep=False, most=40)


def rescaled(time: NDArray[np.int64], value: NDArray[np.float64], rng: np.random.Generator) -> Columns:
    """From somewhere in the middle on, the unit is another: times or by a power of 10 or 1024."""
    start = int(rng.uniform(0.4, 0.7) * len(value))
    factor = float(rng.choice(FACTORS)) ** float(rng.choice([-1.0, 1.0]))
    return time, np.where(np.arange(len(value)) >= start, value * factor, value)


def stuck(time: NDArray[np.int64], value: NDArray[np.float64], rng: np.random.Generator) -> Columns:
    """From somewhere in the middle on, for a fifth of the length, the sensor repeats itself."""
    start = int(rng.uniform(0.4, 0.7) * len(value))
    frozen = value.copy()
    frozen[start : start + len(value) // 5] = value[start]
    return time, frozen


WAYS: Mapping[str, Spoil] = {
    "corrupted": corrupted,
    "duplicated": duplicated,
    "late": late,
    "rescaled": rescaled,
    "stuck": stuck,
}


def _delayed(
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    chosen: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    keep: bool,
    most: int,
) -> Columns:
    """The chosen samples arrive up to `most` places later, instead of or besides their own place."""
    place = np.arange(len(time), dtype=np.float64)
    later = chosen + rng.integers(1, most + 1, len(chosen)) + 0.5
    if keep:
        order = np.argsort(np.concatenate([place, later]), kind="stable")
        return np.concatenate([time, time[chosen]])[order], np.concatenate([value, value[chosen]])[order]
    place[chosen] = later
    order = np.argsort(place, kind="stable")
    return time[order], value[order]
