"""What automation stands on: whether the clock, the telemetry, the ledger and the stores can be trusted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stormpetrel.app.own import from_elsewhere
from stormpetrel.model.facts import Health
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock

_SPAN_SECONDS = 600.0  # over which wall clock and monotonic clock are compared
_BACK_SECONDS = 1.0  # less is the slewing of a time service
_LEDGER_SECONDS = 600.0  # between walks over the whole chain


class ClockWatch:
    """Compares the wall clock with one that cannot be set.

    What jumped more than ten minutes ago is forgotten: a host that slept over night may act again then.

    Args:
        clock: the wall clock.
        monotonic: seconds that only grow.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._seen: deque[tuple[float, int]] = deque()
        self._back_at = float("-inf")
        self._lock = threading.Lock()

    def look(self) -> tuple[float, bool]:
        """Seconds by which the wall clock moved against the other one within ten minutes, and whether it was
        seen to go back."""
        with self._lock:
            steady, wall = self._monotonic(), self._clock.now_unix_nano()
            if self._seen and wall < self._seen[-1][1] - from_seconds(_BACK_SECONDS):
                self._back_at = steady
            self._seen.append((steady, wall))
            while steady - self._seen[0][0] > _SPAN_SECONDS or len(self._seen) > 10_000:
                self._seen.popleft()
            skews = [abs(to_seconds(wall - one[1]) - (steady - one[0])) for one in self._seen]
            return max(skews), steady - self._back_at <= _SPAN_SECONDS


class Heard:
    """When something was heard last from elsewhere than this process.

    What it tells of itself, and what it reads of its targets, goes on while everybody else is silent: it does
    not say that telemetry is well. A sample from ahead does not make up for silence either.

    Args:
        times: int64, time of the newest sample of each series by id, 0 where there is none.
        describe: what is known of a series id.
        ahead_seconds: how far ahead of the present a sample may lie.
    """

    def __init__(
        self,
        times: Callable[[], NDArray[np.int64]],
        describe: Callable[[int], SeriesInfo],
        known: Callable[[], int],
        ahead_seconds: float,
    ) -> None:
        self._times, self._describe, self._known = times, describe, known
        self._ahead = from_seconds(ahead_seconds)
        self._others = np.zeros(0, np.bool_)
        self._lock = threading.Lock()

    def newest(self, now_unix_nano: int) -> int:
        """The time of the newest sample that counts; 0: there is none. O(series)."""
        times = self._times()
        with self._lock:
            met, known = len(self._others), min(len(times), self._known())
            if met < known:
                new = [from_elsewhere(self._describe(series)) for series in range(met, known)]
                self._others = np.concatenate([self._others, np.array(new, np.bool_)])
            counts = self._others[:known] & (times[:known] <= now_unix_nano + self._ahead)
        return int(times[:known][counts].max(initial=0))


class HealthWatch:
    """Puts together what is known of this process's own health.

    Args:
        newest_sample: time of the newest admitted sample in Unix nanoseconds; 0: none. See `Heard`.
        stores_answer: whether both stores answer.
        check_ledger: walks the chain; whether all of it is as it should be.
    """

    def __init__(
        self,
        clock: Clock,
        newest_sample: Callable[[], int],
        stores_answer: Callable[[], bool],
        check_ledger: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._newest, self._stores = clock, newest_sample, stores_answer
        self._check, self._monotonic = check_ledger, monotonic
        self._clock_watch = ClockWatch(clock, monotonic)
        self._ledger: tuple[float, bool] | None = None
        self._lock = threading.Lock()

    def watch(self) -> None:
        """Take the time, so that a jump between two judgements is seen. Cost: some hundred microseconds."""
        self._clock_watch.look()

    def look(self) -> Health:
        """As things stand now. Cost: microseconds, and a walk over the ledger every ten minutes."""
        skew, back = self._clock_watch.look()
        newest = self._newest()
        age = to_seconds(self._clock.now_unix_nano() - newest) if newest else None
        return Health(
            telemetry_age_seconds=None if age is None else max(age, 0.0),
            clock_skew_seconds=skew,
            clock_went_back=back,
            ledger_ok=self._ledger_ok(),
            store_ok=self._stores(),
        )

    def _ledger_ok(self) -> bool:
        now = self._monotonic()
        with self._lock:
            if self._ledger is None or now - self._ledger[0] > _LEDGER_SECONDS or not self._ledger[1]:
                self._ledger = (now, self._check())
            return self._ledger[1]
