"""How good a series has been lately: a share of bad samples, and which verdicts it ever earned."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.series import REFUSED_SERIES as REFUSED
from stormpetrel.model.quality import Quality

GAIN = 0.02  # weight of one sample: a memory of some fifty

# How much of a sample is lost with each verdict, 0 to 1.
BADNESS: dict[Quality, float] = {
    Quality.GOOD: 0.0,
    Quality.GAP: 0.2,
    Quality.COUNTER_RESET: 0.0,
    Quality.STALE_MARKER: 0.0,
    Quality.INTERVAL_CHANGED: 0.2,
    Quality.TENFOLD: 0.2,
    Quality.LATE: 0.3,
    Quality.DUPLICATE: 0.3,
    Quality.STUCK: 1.0,
}
_BADNESS = np.array([BADNESS.get(verdict, 1.0) for verdict in Quality], np.float32)


class SeriesTrouble:
    """Counts by series id, in two arrays that grow with the registry: 8 bytes a series.

    Not part of the gate's memory: a roll-back leaves it, since a refused insert was seen all the same.
    """

    bytes_per_series = 8

    def __init__(self) -> None:
        self._bad: NDArray[np.float32] = np.zeros(1024, np.float32)
        self._seen: NDArray[np.uint32] = np.zeros(1024, np.uint32)

    def count(self, series: NDArray[np.uint32], verdict: NDArray[np.uint8], size: int) -> None:
        """Take note of a batch's verdicts; `size` is one more than its largest id."""
        while size > len(self._bad):
            self._bad = np.concatenate([self._bad, np.zeros_like(self._bad)])
            self._seen = np.concatenate([self._seen, np.zeros_like(self._seen)])
        _count(series, verdict, _BADNESS, self._bad, self._seen)

    def quality(self, series: int) -> float:
        """1 for a series without fault, 0 for one of which nothing can be used lately."""
        return 1.0 - float(self._bad[series]) if series < len(self._bad) else 1.0

    def seen(self, series: int) -> list[Quality]:
        """Every verdict but GOOD that the series earned since the start."""
        mask = int(self._seen[series]) if series < len(self._seen) else 0
        return [verdict for verdict in Quality if verdict is not Quality.GOOD and mask >> verdict & 1]

    def worst(self, limit: int, below: float = 0.98) -> list[int]:
        """The series of least quality, worst first, none above `below`."""
        bad = self._bad
        found = np.flatnonzero(bad > 1.0 - below)
        order = np.argsort(-bad[found], kind="stable")[:limit]
        worst: list[int] = found[order].tolist()
        return worst

    def reset(self, series: int) -> None:
        """A person has looked at it: it starts anew."""
        if series < len(self._bad):
            self._bad[series] = 0.0
            self._seen[series] = 0


@njit(nogil=True, cache=True)
def _count(
    series: NDArray[np.uint32],
    verdict: NDArray[np.uint8],
    badness: NDArray[np.float32],
    bad: NDArray[np.float32],
    seen: NDArray[np.uint32],
) -> None:
    for i in range(len(series)):
        s = series[i]
        if s == REFUSED:
            continue
        v = verdict[i]
        bad[s] += np.float32(GAIN) * (badness[v] - bad[s])
        seen[s] |= np.uint32(1) << np.uint32(v)
