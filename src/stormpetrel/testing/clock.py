"""A clock that says what it is told."""

from __future__ import annotations

import threading

from stormpetrel.model.time import from_seconds


class FakeClock:
    """A `Clock` for tests and replays; thread-safe, and as willing to go backwards as a real one.

    >>> clock = FakeClock(1_000_000_000)
    >>> clock.advance(1.5)
    >>> clock.now_unix_nano()
    2500000000
    """

    def __init__(self, now_unix_nano: int = 1_700_000_000_000_000_000) -> None:
        self._now = now_unix_nano
        self._lock = threading.Lock()

    def now_unix_nano(self) -> int:
        """What it was last told."""
        with self._lock:
            return self._now

    def set(self, now_unix_nano: int) -> None:
        """It is this time now."""
        with self._lock:
            self._now = now_unix_nano

    def advance(self, seconds: float) -> None:
        """Time passes, or turns back when negative."""
        with self._lock:
            self._now += from_seconds(seconds)
