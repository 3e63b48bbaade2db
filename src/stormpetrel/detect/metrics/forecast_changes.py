"""The next change of a series from its last few: a small autoregression, solved now and then.

The covariances of clipped changes at lags 0 to `ORDER` are running means; every `SOLVE_EVERY` samples the
Levinson-Durbin recursion turns them into weights. Works on anything with inertia or a short rhythm;
useless (weights near zero) on white noise, and then harmless. Clipping keeps an incident from teaching
its own shape; a ridge of one percent keeps the weights of a constant series at zero.

Reference: Durbin, "The fitting of time-series models", 1960. Cost: `2 * ORDER` multiplications a sample,
`ORDER**2` every `SOLVE_EVERY` samples; `3 * ORDER + 1` floats of state.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.mixture_layout import (
    COVARIANCE,
    COVARIANCE_RATE,
    LAGS,
    NORMAL_SCALE,
    ORDER,
    SOLVE_EVERY,
    WEIGHTS,
    YOUNG,
)

F64 = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def expected_change(m: F64) -> float:
    """The change that the last `ORDER` changes let expect; 0 while nothing is known."""
    total = 0.0
    for j in range(ORDER):
        total += m[WEIGHTS + j] * m[LAGS + j]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def learn_change(m: F64, change: float, n: float) -> None:
    """Take in one clipped change, and solve for the weights when it is time."""
    rate = max(COVARIANCE_RATE, 1.0 / (n + 1.0))
    m[COVARIANCE] += rate * (change * change - m[COVARIANCE])
    for j in range(ORDER):
        m[COVARIANCE + 1 + j] += rate * (change * m[LAGS + j] - m[COVARIANCE + 1 + j])
    for j in range(ORDER - 1, 0, -1):
        m[LAGS + j] = m[LAGS + j - 1]
    m[LAGS] = change
    if n >= YOUNG and int(n) % (8 if n < 128.0 else SOLVE_EVERY) == 0:
        solve(m)


@njit(cache=True, nogil=True, error_model="numpy")
def solve(m: F64) -> None:
    """Levinson-Durbin: weights of past changes from their covariances, in place."""
    ridge = 1e-3 * m[NORMAL_SCALE] * m[NORMAL_SCALE] + 1e-300
    left = 1.01 * m[COVARIANCE] + ridge
    least = 1e-9 * left
    for j in range(ORDER):
        m[WEIGHTS + j] = 0.0
    for i in range(ORDER):
        if not left > least:
            return
        unexplained = m[COVARIANCE + 1 + i]
        for j in range(i):
            unexplained -= m[WEIGHTS + j] * m[COVARIANCE + i - j]
        reflection = unexplained / left
        for j in range((i + 1) // 2):
            k = i - 1 - j
            one, other = m[WEIGHTS + j], m[WEIGHTS + k]
            m[WEIGHTS + j] = one - reflection * other
            if k != j:
                m[WEIGHTS + k] = other - reflection * one
        m[WEIGHTS + i] = reflection
        left *= 1.0 - reflection * reflection
