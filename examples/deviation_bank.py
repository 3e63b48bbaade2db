"""A whole detector bank in one page: how far is a value from the running mean of its series?

The worked example of CONTRIBUTING.md. It keeps the contract and is worse than the built-in bank: its
normal tails are too thin for most signals, and it knows no season.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.model.finding import Scores
from stormpetrel.model.signal import AdmittedMetrics
from stormpetrel.ports.algorithms import Snapshot

COUNT, MEAN, VARIANCE = range(3)


@njit(cache=True, nogil=True)
def _judge(
    ids: NDArray[np.uint32], times: NDArray[np.int64], signal: NDArray[np.float64], warmup: float,
    state: NDArray[np.float64], newest: NDArray[np.int64],
) -> NDArray[np.float64]:  # fmt: skip
    """Judge each row, then learn from it: p-value, expected and half width of the band, float64[3, n]."""
    out = np.full((3, len(ids)), np.nan)
    for row in range(len(ids)):
        mine, value = state[ids[row]], signal[row]
        if not math.isfinite(value) or times[row] <= newest[ids[row]]:
            continue  # nothing to judge: NaN, and nothing is learnt
        newest[ids[row]] = times[row]
        sigma = max(math.sqrt(mine[VARIANCE]), 1e-9 * abs(mine[MEAN]), 1e-12)
        distance = value - mine[MEAN]
        if mine[COUNT] >= warmup:
            out[0, row] = max(math.erfc(abs(distance) / sigma / math.sqrt(2.0)), 1e-300)
            out[1, row], out[2, row] = mine[MEAN], 3.0 * sigma
            distance = min(max(distance, -3.0 * sigma), 3.0 * sigma)  # learn little from what looks strange
        mine[COUNT] += 1.0
        weight = max(1.0 / mine[COUNT], 0.005)
        mine[MEAN] += weight * distance
        mine[VARIANCE] += weight * (distance * distance - mine[VARIANCE])
    return out


class DeviationBank:
    """Distance to a running mean in running standard deviations, as a two-sided normal p-value.

    Works on signals that hover round one level. Fails where the level moves with the time of day, and on
    heavy tails, where its p-values are far too small.

    Args:
        warmup_samples: samples of a series before it is judged.
        season_seconds: taken, as every bank is given it, and not used.

    Cost: O(rows), 32 bytes a series. Source: West, Updating mean and variance estimates, CACM 22 (1979).
    """

    name = "deviation"
    version = 1
    heads = ("deviation",)
    bytes_per_series = 32

    def __init__(self, warmup_samples: int = 120, season_seconds: float = 86400.0) -> None:
        del season_seconds
        self._warmup = float(warmup_samples)
        self._state = np.zeros((0, 3))
        self._newest = np.zeros(0, np.int64)

    def update(self, admitted: AdmittedMetrics) -> Scores:
        """Judge, then learn; O(rows)."""
        batch, signal = admitted.batch, admitted.signal
        self._grow(int(batch.series.max()) + 1 if len(batch) else 0)
        p_value, expected, half = _judge(
            batch.series, batch.time_unix_nano, signal, self._warmup, self._state, self._newest
        )
        head = np.zeros(len(batch), np.uint8)
        rank = np.abs(signal - expected) / half  # in bands: plain, and enough to order moments
        return Scores(p_value, signal, expected, expected - half, expected + half, head, rank, p_value)

    def _grow(self, series: int) -> None:
        """Room for ids below `series`, by doubling."""
        held = len(self._newest)
        if series > held:
            more = max(series, 2 * held) - held
            self._state = np.concatenate([self._state, np.zeros((more, 3))])
            never = np.full(more, np.iinfo(np.int64).min, np.int64)
            self._newest = np.concatenate([self._newest, never])

    def warming_up(self) -> int:
        """How many series it has seen and cannot judge yet."""
        count = self._state[:, COUNT]
        return int(((count > 0) & (count < self._warmup)).sum())

    def snapshot(self) -> Snapshot:
        """The state as copies of plain arrays, with the version."""
        version = np.array([self.version], np.int64)
        return {"version": version, "state": self._state.copy(), "newest": self._newest.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        """Take over a snapshot; ValueError names its version when it is another."""
        found = int(snapshot["version"][0])
        if found != self.version:
            raise ValueError(
                f"a snapshot of version {found} does not fit version {self.version} of {self.name}"
            )
        self._state = np.array(snapshot["state"], np.float64)
        self._newest = np.array(snapshot["newest"], np.int64)
