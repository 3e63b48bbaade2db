"""Counts and durations on a fixed grid of event time, with late arrivals up to a bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.5, 0.9, 0.99)

# Durations fall into bins of equal ratio from ten microseconds to an hour, 6.4 % wide.
BINS = 320
_LOWEST, _HIGHEST = 1e-5, 3600.0
_STEP = math.log(_HIGHEST / _LOWEST) / (BINS - 2)
_EDGES: NDArray[np.float64] = np.concatenate([[0.0], _LOWEST * np.exp(_STEP * np.arange(BINS - 1)), [np.inf]])
# No quantile of fewer requests than this, nor of fewer than leave one above it on average.
_LEAST = 10
# How far ahead of our clock a sender's may be.
_AHEAD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """The grid: windows of `step_nanos`, each open until `late_nanos` after its end."""

    step_nanos: int
    late_nanos: int

    def cell(self, time_unix_nano: int) -> int:
        """Number of the window that holds a time."""
        return time_unix_nano // self.step_nanos

    def end(self, cell: int) -> int:
        """When the window ends: the time of the samples that say what was in it."""
        return (cell + 1) * self.step_nanos

    def last_closed(self, now_unix_nano: int) -> int:
        """Number of the newest window that no longer waits."""
        return (now_unix_nano - self.late_nanos) // self.step_nanos - 1


@dataclass(frozen=True, slots=True)
class Rows:
    """What is counted, as columns: key, event time, whether it failed, how long it took."""

    key: NDArray[np.int64]
    time_unix_nano: NDArray[np.int64]
    failed: NDArray[np.bool_]
    seconds: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counted:
    """One window by key: requests and failures int64[k], quantiles float64[k, 3], NaN where too few."""

    cell: int
    requests: NDArray[np.int64]
    failures: NDArray[np.int64]
    quantiles: NDArray[np.float64]


@dataclass(slots=True)
class _Open:
    requests: NDArray[np.int64]
    failures: NDArray[np.int64]
    bins: NDArray[np.uint32]


@dataclass(slots=True)
class Dropped:
    """Rows that were not counted, by why."""

    late: int = 0  # their window is closed, or began before we did
    future: int = 0  # dated further ahead than clocks differ
    overflow: int = 0  # there is no room for their key, or for a span that waits for its other half

    def by_reason(self) -> dict[str, int]:
        """As a mapping."""
        return {"late": self.late, "future": self.future, "overflow": self.overflow}


@dataclass(slots=True)
class CountWindows:
    """Counts rows by key in the open windows. Pure event time: only `close` moves it.

    Exact, whatever the order and the batches in which rows come, while they come before their window closes.
    Windows that began before `start_unix_nano` are never told: what was in them is known in part only.
    Memory: `bytes_most`, reached only when all keys speak.

    Args:
        grid: the windows.
        max_keys: keys are 0 to max_keys - 1.
        start_unix_nano: when counting began.
    """

    grid: WindowGrid
    max_keys: int
    start_unix_nano: int
    dropped: Dropped = field(default_factory=Dropped)
    _open: dict[int, _Open] = field(default_factory=dict)
    _closed: int = 0
    _newest: int = 0

    def __post_init__(self) -> None:
        self._closed = self.grid.cell(self.start_unix_nano - 1)
        self._newest = self.grid.cell(self.start_unix_nano + self._ahead())

    @property
    def bytes_most(self) -> int:
        """Upper bound of what the open windows hold."""
        cells = (self.grid.late_nanos + self._ahead()) // self.grid.step_nanos + 2
        return int(cells * self.max_keys * (4 * BINS + 16))

    def _ahead(self) -> int:
        return max(2 * self.grid.step_nanos, int(_AHEAD_SECONDS * 1e9))

    def is_open(self, time_unix_nano: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: whether rows of these times are still counted."""
        cells = time_unix_nano // self.grid.step_nanos
        result: NDArray[np.bool_] = (cells > self._closed) & (cells <= self._newest)
        return result

    def refuse(self, time_unix_nano: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`is_open`, and counts those that are not as dropped."""
        good = self.is_open(time_unix_nano)
        late = int(np.count_nonzero(time_unix_nano // self.grid.step_nanos <= self._closed))
        self.dropped.late += late
        self.dropped.future += len(good) - late - int(np.count_nonzero(good))
        return good

    def add(self, rows: Rows) -> None:
        """Count rows; those too late or too far ahead are dropped and counted as such."""
        good = self.refuse(rows.time_unix_nano)
        cells = rows.time_unix_nano // self.grid.step_nanos
        for cell in np.unique(cells[good]).tolist():
            self._count(cell, rows, np.flatnonzero(good & (cells == cell)))

    def _count(self, cell: int, rows: Rows, which: NDArray[np.int64]) -> None:
        keys = rows.key[which]
        window = self._grown(cell, int(keys.max()) + 1)
        np.add.at(window.requests, keys, 1)
        np.add.at(window.failures, keys, rows.failed[which].astype(np.int64))
        np.add.at(window.bins, (keys, bins_of(rows.seconds[which])), 1)

    def _grown(self, cell: int, size: int) -> _Open:
        window = self._open.get(cell)
        held = 0 if window is None else len(window.requests)
        if window is None or held < size:
            room = min(self.max_keys, max(size, 2 * held, 16))
            more = _Open(
                np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros((room, BINS), np.uint32)
            )
            if window is not None:
                more.requests[:held], more.failures[:held] = window.requests, window.failures
                more.bins[:held] = window.bins
            self._open[cell] = window = more
        return window

    def closing(self, now_unix_nano: int) -> int:
        """The newest window that `close(now)` would close."""
        return max(self._closed, self.grid.last_closed(now_unix_nano))

    def close(self, now_unix_nano: int) -> list[Counted]:
        """Windows that are complete now, oldest first; those in which nothing came are not among them."""
        last = self.closing(now_unix_nano)
        done = sorted(cell for cell in self._open if cell <= last)
        self._closed = last
        self._newest = max(self._newest, self.grid.cell(now_unix_nano + self._ahead()))
        return [_counted(cell, self._open.pop(cell)) for cell in done]


def bins_of(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each duration; what is shorter or longer than all bins falls into the first or the last."""
    return np.searchsorted(_EDGES[1:-1], seconds, side="right").astype(np.int64)


def _counted(cell: int, window: _Open) -> Counted:
    values = np.full((len(window.requests), len(QUANTILES)), np.nan)
    spoken = np.flatnonzero(window.requests >= _LEAST)
    if len(spoken):
        bins = window.bins[spoken]
        for place, q in enumerate(QUANTILES):
            enough = window.requests[spoken] * (1.0 - q) >= 1.0 - 1e-9
            values[spoken[enough], place] = quantile_of_bins(bins[enough], q)
    return Counted(cell, window.requests, window.failures, values)


def quantile_of_bins(bins: NDArray[np.uint32], q: float) -> NDArray[np.float64]:
    """The q-quantile of each row of counts, on a straight line within its bin: float64[k].

    Off by at most the width of the bin that holds it, 6.4 % of the value; at most an hour.
    """
    total = np.cumsum(bins, axis=1, dtype=np.float64)
    rank = q * total[:, -1:]
    place = np.argmax(total >= rank, axis=1)
    each = np.arange(len(bins))
    count = bins[each, place].astype(np.float64)
    below = total[each, place] - count
    low, high = _EDGES[place], np.minimum(_EDGES[place + 1], _HIGHEST)
    share = np.divide(rank[:, 0] - below, count, out=np.ones(len(bins)), where=count > 0)
    result: NDArray[np.float64] = low + (high - low) * share
    return result
