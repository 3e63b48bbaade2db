"""The quantile of a classic histogram, as Prometheus' `histogram_quantile` computes it. Compiled.

Source: Prometheus, `promql/quantile.go` (BucketQuantile) and its documentation. Observations are taken to lie
evenly within their bucket; the lowest bucket begins at 0 when its bound is above 0; what falls into the
bucket without a bound is told as the highest bound there is. Counts that are not monotonic are lifted to the
one before.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def histogram_quantile(q: float, bounds: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """The q-quantile; NaN without a bucket to infinity, with fewer than two buckets or no observations.

    Args:
        q: 0 to 1.
        bounds: float64[n], ascending, the last one infinite.
        counts: float64[n], observations (or their rate) up to each bound.
    """
    size = len(bounds)
    if size < 2 or not np.isinf(bounds[size - 1]):
        return np.nan
    total = counts.max()
    if not total > 0.0:
        return np.nan
    rank = q * total
    below, reached = 0.0, 0.0
    place = size - 1
    for k in range(size):
        lifted = max(counts[k], reached)
        if lifted >= rank:
            place, below, reached = k, reached, lifted
            break
        reached = lifted
    if place == size - 1:
        return float(bounds[size - 2])
    if place == 0 and bounds[0] <= 0.0:
        return float(bounds[0])
    low = bounds[place - 1] if place > 0 else 0.0
    inside = reached - below
    share = (rank - below) / inside if inside > 0.0 else 0.0
    return float(low + (bounds[place] - low) * share)
