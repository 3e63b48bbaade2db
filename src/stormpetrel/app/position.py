"""How far judging has come: the newest judged sample of each series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.query import LastSamples
from stormpetrel.model.signal import MetricBatch


class JudgedPosition:
    """Time and value of the last sample of each series that the detectors were given.

    The live gate runs ahead of the judge by what waits between them; a restart has to go on from here.
    Cost: 16 bytes a series, and some 10 ns a sample. One thread at a time.
    """

    def __init__(self) -> None:
        self._time: NDArray[np.int64] = np.zeros(0, np.int64)
        self._value: NDArray[np.float64] = np.zeros(0)

    def take(self, batch: MetricBatch) -> None:
        """These samples, in order, were judged."""
        if not len(batch):
            return
        self._reserve(int(batch.series.max()) + 1)
        # Of several rows of one series the last assignment stays, and rows of a series are in order.
        self._time[batch.series] = batch.time_unix_nano
        self._value[batch.series] = batch.value

    def restore(self, time_unix_nano: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Go on from here; arrays by series id, time 0 where nothing was judged."""
        self._time, self._value = time_unix_nano.copy(), value.copy()

    def arrays(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Copies of time (0: never) and value of the first `size` series."""
        self._reserve(size)
        return self._time[:size].copy(), self._value[:size].copy()

    def last(self) -> LastSamples:
        """The newest judged sample of every series that has one."""
        known = np.flatnonzero(self._time)
        return LastSamples(known.astype(np.uint32), self._time[known], self._value[known])

    def _reserve(self, size: int) -> None:
        held = len(self._time)
        if size > held:
            grown = max(64, 1 << (size - 1).bit_length())
            self._time = np.concatenate([self._time, np.zeros(grown - held, np.int64)])
            self._value = np.concatenate([self._value, np.zeros(grown - held)])
