"""Counting for objectives: trials and failures by minute of event time, and sums over windows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.signal import AdmittedMetrics
from stormpetrel.model.time import from_seconds

F64 = NDArray[np.float64]

MINUTE_NANOS = from_seconds(60)
MINUTES = 3 * 1440  # the longest window of an alert
_HOUR_MINUTES = 60

# What a series counts for an objective; a role is a column of the counts.
TOTAL, GOOD, ERRORS = range(3)


@dataclass(frozen=True, slots=True)
class Sum:
    """Trials of a window.

    Attributes:
        total, errors: how many, and how many of them failed; fractions may come from rates.
        known: minutes of the window of which anything is known.
        minutes: its length.
    """

    total: float
    errors: float
    known: int
    minutes: int

    @property
    def ratio(self) -> float:
        """Share of failures; NaN when there was no trial."""
        return self.errors / self.total if self.total > 0 else float("nan")


class TrialCounts:
    """Minutes of the last three days and hours of the objective's window, as rings of arrays.

    A minute nobody spoke of is *unknown*, which is neither good nor bad. A counter of errors often does not
    exist before the first error, so with `total` its silence means none; what is told as good has to speak.
    Samples older than three days are left out. Memory: 25 bytes a minute and an hour.

    Args:
        window_days: length of the objective's window.
        roles: the two that are given, of `TOTAL`, `GOOD` and `ERRORS`.
    """

    def __init__(self, window_days: float, roles: frozenset[int]) -> None:
        self._hours = max(1, round(window_days * 24))
        self._roles = roles
        self._needed = sum(1 << role for role in roles - ({ERRORS} if TOTAL in roles else set()))
        self._any = TOTAL not in roles
        self._minute: F64 = np.zeros((MINUTES, 3))
        self._spoke: NDArray[np.uint8] = np.zeros(MINUTES, np.uint8)
        self._hour: F64 = np.zeros((self._hours, 3))
        self._newest = -1  # minute since the epoch

    @property
    def newest_minute(self) -> int:
        """The newest minute that was entered, since the epoch; -1 before the first."""
        return self._newest

    def add(self, minutes: NDArray[np.int64], roles: NDArray[np.uint8], counts: F64) -> None:
        """Count trials. Arrays of one length; O(rows)."""
        if not len(minutes):
            return
        self.enter(int(minutes.max()))
        fresh = minutes > self._newest - MINUTES
        minutes, roles, counts = minutes[fresh], roles[fresh], counts[fresh]
        np.add.at(self._minute, (minutes % MINUTES, roles), counts)
        np.bitwise_or.at(self._spoke, minutes % MINUTES, np.left_shift(1, roles).astype(np.uint8))
        hours = minutes // _HOUR_MINUTES
        recent = hours > self._newest // _HOUR_MINUTES - self._hours
        np.add.at(self._hour, (hours[recent] % self._hours, roles[recent]), counts[recent])

    def enter(self, minute: int) -> None:
        """Time reached this minute: what leaves the rings is forgotten. Time going back is no news."""
        if minute <= self._newest:
            return
        before, self._newest = self._newest, minute
        gone = np.arange(max(before + 1, minute - MINUTES + 1), minute + 1) % MINUTES
        self._minute[gone], self._spoke[gone] = 0.0, 0
        last, hour = before // _HOUR_MINUTES, minute // _HOUR_MINUTES
        self._hour[np.arange(max(last + 1, hour - self._hours + 1), hour + 1) % self._hours] = 0.0

    def sum(self, end_minute: int, minutes: int) -> Sum:
        """Trials of the `minutes` (at most `MINUTES`) before `end_minute` since the epoch, which is out."""
        first = max(end_minute - minutes, self._newest - MINUTES + 1, 0)
        ring = np.arange(first, max(first, min(end_minute, self._newest + 1))) % MINUTES
        spoke = self._spoke[ring] & self._needed
        known = (spoke > 0) if self._any else (spoke == self._needed)
        total, errors = self._trials(self._minute[ring[known]])
        return Sum(float(total.sum()), float(errors.sum()), int(known.sum()), minutes)

    def hours(self, most: int) -> F64:
        """float64[n, 2]: trials and failures of each of the last hours, oldest first, then the present."""
        now = self._newest // _HOUR_MINUTES
        count = max(0, min(most, self._hours, now + 1))
        total, errors = self._trials(self._hour[np.arange(now - count + 1, now + 1) % self._hours])
        return np.stack([total, errors], axis=1)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Copies of all state."""
        return {
            "minute": self._minute.copy(),
            "spoke": self._spoke.copy(),
            "hour": self._hour.copy(),
            "newest": np.array([self._newest], np.int64),
        }

    def restore(self, snapshot: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot; ValueError when it is of another shape (the window was changed)."""
        minute, hour = np.asarray(snapshot["minute"], np.float64), np.asarray(snapshot["hour"], np.float64)
        spoke = np.asarray(snapshot["spoke"], np.uint8)
        if (minute.shape, spoke.shape, hour.shape) != (
            self._minute.shape,
            self._spoke.shape,
            self._hour.shape,
        ):
            raise ValueError("the objective's window was changed; its counts begin anew")
        self._minute, self._spoke, self._hour = minute.copy(), spoke.copy(), hour.copy()
        self._newest = int(snapshot["newest"][0])

    def _trials(self, rows: F64) -> tuple[F64, F64]:
        """Trials and failures of rows of counts, from whichever two roles are given."""
        total, good, errors = rows[:, TOTAL], rows[:, GOOD], rows[:, ERRORS]
        if TOTAL not in self._roles:
            return good + errors, errors
        if ERRORS in self._roles:
            return total, np.minimum(errors, total)
        return total, np.clip(total - good, 0.0, None)


class Increments:
    """What counters grew by between two samples, series by series.

    A counter's first sample, a reset and a gap (where the gate gives no rate) say nothing: unknown. A
    count of its own interval (DELTA) always says what it says.
    """

    def __init__(self) -> None:
        self._last: F64 = np.zeros(0)

    def of(
        self, admitted: AdmittedMetrics, rows: NDArray[np.int64], counters: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], F64]:
        """The rows that say something, in order of series and time, and how many trials each adds.

        Args:
            admitted: the batch.
            rows: positions in it.
            counters: bool, by series id: cumulative; others are counts of their own interval.
        """
        series, value = admitted.batch.series[rows], admitted.batch.value[rows]
        self._reserve(int(series.max()) + 1)
        order = np.lexsort((admitted.batch.time_unix_nano[rows], series))
        rows, series, value = rows[order], series[order], value[order]
        before = np.empty_like(value)
        before[1:] = value[:-1]
        first = np.ones(len(series), np.bool_)
        first[1:] = series[1:] != series[:-1]
        before[first] = self._last[series[first]]
        last = np.append(first[1:], True)
        self._last[series[last]] = value[last]
        grown = np.where(counters[series], value - before, value)
        # A count of its own interval needs no sample before it.
        whole = np.isfinite(admitted.signal[rows]) | ~counters[series]
        says = whole & np.isfinite(grown) & (grown >= 0)
        return rows[says], grown[says]

    def _reserve(self, size: int) -> None:
        if size > len(self._last):
            grown = np.full(max(64, 1 << (size - 1).bit_length()), np.nan)
            grown[: len(self._last)] = self._last
            self._last = grown
