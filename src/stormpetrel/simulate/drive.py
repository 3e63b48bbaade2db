"""Runs an estate against a receiver: its history first, then live with the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.push import Pusher

CHUNK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `phase` is "history" or "live"."""

    phase: str
    done_seconds: float
    whole_seconds: float  # of the history; 0 when live
    now_unix_nano: int


class Drive:
    """Steps an estate and pushes each step.

    Chunks of ten minutes of history, one after the other in event time, metrics before the logs and
    spans of the same minutes: what arrives looks like what live senders send, only sooner.

    Args:
        estate: stepped from its own start on.
        pusher: where it goes.
        clock: tells when a live tick is due.
        stop: ends both phases within a tick.
        report: is told after each push.
    """

    def __init__(
        self,
        estate: Estate,
        pusher: Pusher,
        clock: Clock,
        stop: threading.Event,
        report: Callable[[Progress], None],
    ) -> None:
        self._estate = estate
        self._pusher = pusher
        self._clock = clock
        self._stop = stop
        self._report = report

    def history(self) -> None:
        """Push everything from the estate's start to the present, as fast as it is acknowledged."""
        start = self._estate.now_unix_nano
        while not self._stop.is_set():
            now = self._clock.now_unix_nano()
            reached = self._estate.now_unix_nano
            self._report(Progress("history", to_seconds(reached - start), to_seconds(now - start), reached))
            if now - reached < from_seconds(self._estate.step_seconds):
                return
            self._pusher.push(self._estate.step(min(now, reached + from_seconds(CHUNK_SECONDS))))

    def live(self) -> None:
        """Push each tick when it is due, until stopped. A late tick is sent late, none is left out."""
        while not self._stop.is_set():
            # A tick is emitted once its moment has passed: a millisecond later, not at it.
            due = self._estate.now_unix_nano + from_seconds(0.001)
            wait = to_seconds(due - self._clock.now_unix_nano())
            if wait > 0 and self._stop.wait(wait):
                return
            self._pusher.push(self._estate.step(self._clock.now_unix_nano()))
            self._report(Progress("live", 0.0, 0.0, self._estate.now_unix_nano))
