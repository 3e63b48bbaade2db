"""Excursions: a series leaves its level by a sharp edge, stays away for a while, and comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.context import excursion_kernel as kernel
from stormpetrel.model.signal import AdmittedMetrics
from stormpetrel.model.time import from_seconds

BEGAN, ENDED, LOST, SILENT = kernel.BEGAN, kernel.ENDED, kernel.LOST, kernel.SILENT


@dataclass(frozen=True, slots=True)
class Edge:
    """An excursion began, ended, or was lost sight of (`LOST`: a silence, or it became the new level).

    `end_unix_nano` is the newest sample outside. `height` is its mean distance from the level, with sign.
    `SILENT` is none: between its two times the series did not speak, and nothing is known.
    """

    kind: int
    series: int
    start_unix_nano: int
    end_unix_nano: int
    height: float


class Excursions:
    """Watches all series for excursions, independent of what any detector thinks of them.

    A detector that has learnt a nightly job finds it usual, and rightly; whether the job *ran* must be seen
    all the same. A running median and its median absolute deviation are kept for each series; two samples
    in a row beyond ten deviations, after a sharp edge, begin an excursion, three inside
    half of that end it. Meanwhile the level waits; after `longest_seconds` it moves there.

    Works for jobs of at least two samples with sharp edges. Fails where a job comes up slowly, where it
    runs for more than a third of the time, and where its height is within the series' own noise.
    Contract as for detector banks: deterministic, one series does not depend on others, NaN teaches nothing.
    Cost: O(rows), about 15 ns each; 128 bytes a series.
    """

    bytes_per_series = 8 * (kernel.NUMBERS + kernel.COUNTS)

    def __init__(self, longest_seconds: float = 8 * 3600.0) -> None:
        self._longest = from_seconds(longest_seconds)
        self.numbers: NDArray[np.float64] = np.zeros((0, kernel.NUMBERS))
        self.counts: NDArray[np.int64] = np.zeros((0, kernel.COUNTS), np.int64)

    def update(self, admitted: AdmittedMetrics) -> list[Edge]:
        """The edges in these rows, in order of rows. Python only for each edge."""
        batch = admitted.batch
        n = len(batch)
        if not n:
            return []
        self._reserve(int(batch.series.max()) + 1)
        room = 3 * n
        out = (
            np.zeros(room, np.uint8),
            np.zeros(room, np.uint32),
            np.zeros(room, np.int64),
            np.zeros(room, np.int64),
            np.zeros(room),
        )
        told = kernel.follow(
            (batch.series, batch.time_unix_nano, admitted.signal, admitted.resumed),
            (self.numbers, self.counts),
            self._longest,
            out,
        )
        columns = [column[:told].tolist() for column in out]
        return [Edge(*row) for row in zip(*columns, strict=True)]

    def _reserve(self, size: int) -> None:
        held = len(self.counts)
        if size <= held:
            return
        grown = max(64, 1 << (size - 1).bit_length())
        numbers = np.zeros((grown, kernel.NUMBERS))
        counts = np.zeros((grown, kernel.COUNTS), np.int64)
        numbers[:held], counts[:held] = self.numbers, self.counts
        self.numbers, self.counts = numbers, counts

    def observed(self, series: int, since_unix_nano: int, until_unix_nano: int) -> bool:
        """Whether the series spoke all through a span, as far as can be told from its newest samples."""
        if series >= len(self.counts):
            return False
        count = self.counts[series]
        step = int(count[kernel.STEP]) or from_seconds(60)
        return bool(
            0 < count[kernel.FIRST] <= since_unix_nano
            and count[kernel.SEEN] > kernel.WARMUP
            and count[kernel.LAST] >= until_unix_nano - 4 * step
            and count[kernel.RESUMED] < since_unix_nano
        )

    def step_nanos(self, series: int) -> int:
        """The usual interval of a series; 0 while unknown."""
        return int(self.counts[series, kernel.STEP]) if series < len(self.counts) else 0

    def first_seen(self, series: int) -> int:
        """The time of the first sample; 0 if there is none."""
        return int(self.counts[series, kernel.FIRST]) if series < len(self.counts) else 0
