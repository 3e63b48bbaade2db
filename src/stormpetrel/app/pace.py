"""Slowing down whoever guesses at secrets."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from stormpetrel.model.time import from_seconds
from stormpetrel.ports.clock import Clock

FREE_FAILURES = 5
LONGEST_WAIT_SECONDS = 300.0
REMEMBERED = 10_000


class Pace:
    """After five failures of one guesser every further try waits: 2 s, doubling up to five minutes.

    Failures of at most 10,000 guessers are remembered, the oldest are forgotten first. Safe from any thread.

    Args:
        clock: says how long ago a failure was.
        forgiven_seconds: who has not failed for so long begins anew; None for never. For where success says
            nothing of the guesser, and so must not forgive what it guessed before.
    """

    def __init__(self, clock: Clock, forgiven_seconds: float | None = None) -> None:
        self._clock = clock
        self._forgiven = None if forgiven_seconds is None else from_seconds(forgiven_seconds)
        self._lock = threading.Lock()
        self._failures: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def wait_seconds(self, guesser: Hashable) -> float:
        """How long until this one may try again; 0 when it may now."""
        with self._lock:
            count, last = self._failures.get(guesser, (0, 0))
        if count < FREE_FAILURES:
            return 0.0
        # 2 to the power of 9 is above the longest already.
        wait = min(LONGEST_WAIT_SECONDS, 2.0 ** min(count - FREE_FAILURES + 1, 9))
        left = (last + from_seconds(wait) - self._clock.now_unix_nano()) / 1e9
        return left if 0 < left <= wait else 0.0  # longer: the clock went back meanwhile

    def failed(self, guesser: Hashable) -> None:
        """It tried, and was wrong."""
        now = self._clock.now_unix_nano()
        with self._lock:
            count, last = self._failures.get(guesser, (0, 0))
            if self._forgiven is not None and now - last >= self._forgiven:
                count = 0
            self._failures[guesser] = (count + 1, now)
            self._failures.move_to_end(guesser)
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, guesser: Hashable) -> None:
        """It was right: what it did wrong before is forgotten."""
        with self._lock:
            self._failures.pop(guesser, None)
