"""How surprising it is that two counts of the same thing differ: for ranking, over many things at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def surprise(
    before: NDArray[np.int64], after: NDArray[np.int64], seconds: tuple[float, float]
) -> NDArray[np.float64]:
    """Signed distance of two counts in standard deviations, float64[k]; positive where `after` has more.

    The square root of the deviance of two Poisson rates against a common one, divided by the bursts that
    each thing shows within its own windows (variance over mean of its parts, at least 1): a line that comes
    in bursts of fifty is not surprising fifty times. Exact for steady things; towards caution where a
    window has few parts, for a lone jump within it counts as a burst.

    Args:
        before, after: int64[k, n], counts by equal parts of each window.
        seconds: lengths of the two windows.

    Reference: McCullagh and Nelder, *Generalized Linear Models*, 2nd ed. 1989, 2.3 (deviance) and 6.2
    (quasi-likelihood dispersion).

    >>> surprise(np.array([[5, 5], [0, 0]]), np.array([[5, 5], [9, 9]]), (60.0, 60.0)).round(1).tolist()
    [0.0, 5.0]
    """
    a, b = before.sum(axis=1).astype(np.float64), after.sum(axis=1).astype(np.float64)
    share = seconds[1] / (seconds[0] + seconds[1])
    both = a + b
    deviance = 2.0 * (_times_log(a, both * (1.0 - share)) + _times_log(b, both * share))
    bursts = np.maximum(_dispersion(before), _dispersion(after))
    sign = np.where(b * seconds[0] >= a * seconds[1], 1.0, -1.0)
    result: NDArray[np.float64] = sign * np.sqrt(np.maximum(deviance, 0.0) / bursts)
    return result


def _times_log(count: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """`count * log(count / expected)`, 0 where nothing was counted."""
    ratio = np.divide(count, expected, out=np.ones_like(count), where=(count > 0) & (expected > 0))
    result: NDArray[np.float64] = count * np.log(ratio)
    return result


def _dispersion(parts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Variance over mean of the parts of each row, at least 1."""
    if parts.shape[1] < 2:
        return np.ones(len(parts))
    mean = parts.mean(axis=1)
    variance = parts.var(axis=1, ddof=1)
    found = np.divide(variance, mean, out=np.ones(len(parts)), where=mean > 0)
    result: NDArray[np.float64] = np.maximum(found, 1.0)
    return result
