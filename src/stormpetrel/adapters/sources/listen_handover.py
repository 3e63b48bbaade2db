"""Handing batches over to the intake until they are stored, within a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from stormpetrel.adapters.sources.listen import Refusals
from stormpetrel.errors import StormPetrelError
from stormpetrel.model.signal import LogBatch, MetricBatch

MAX_BYTES = 64 << 20  # parsed and not acknowledged
MAX_BATCHES = 256
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 2.0

B = TypeVar("B", LogBatch, MetricBatch)


@dataclass(slots=True)
class _Sent(Generic[B]):
    batch: B
    size_bytes: int
    answer: Future[None] | None = None


class Handover(Generic[B]):
    """Batches on their way: handed over in order, again after an overload or a failed insert.

    One thread calls everything. `full` says to read no more: too much is not acknowledged, or the intake
    takes nothing. A batch is forgotten only when it is stored, or can never be.

    Args:
        hand: `Intake.logs` or `Intake.metrics` with the source's name.
        refusals: told of overloads and failures, with no rows: what failed is tried again.
    """

    def __init__(self, hand: Callable[[B], Future[None]], refusals: Refusals) -> None:
        self._hand: Callable[[B], Future[None]] = hand
        self._refusals = refusals
        self._todo: deque[_Sent[B]] = deque()
        self._sent: deque[_Sent[B]] = deque()
        self._held_bytes = 0
        self._wait = FIRST_WAIT_SECONDS
        self._not_before = 0.0

    @property
    def full(self) -> bool:
        """Whether to stop reading."""
        held = len(self._todo) + len(self._sent)
        return bool(self._todo) or held >= MAX_BATCHES or self._held_bytes >= MAX_BYTES

    @property
    def empty(self) -> bool:
        """Whether everything is stored."""
        return not self._todo and not self._sent

    @property
    def untaken_rows(self) -> int:
        """Rows that the intake has not taken."""
        return sum(len(sent.batch) for sent in self._todo)

    def put(self, batch: B, size_bytes: int, now_seconds: float) -> None:
        """Take a batch on, and hand it over if the intake takes any."""
        self._todo.append(_Sent(batch, size_bytes))
        self._held_bytes += size_bytes
        self.step(now_seconds)

    def step(self, now_seconds: float) -> None:
        """Look at the answers, and hand over what is due; `now_seconds` is a steady clock's."""
        failed: list[_Sent[B]] = []
        for _ in range(len(self._sent)):
            sent = self._sent.popleft()
            if sent.answer is None or not sent.answer.done():
                self._sent.append(sent)
                continue
            error = sent.answer.exception()
            if error is None or not getattr(
                error, "retryable", True
            ):  # what cannot be stored is counted there
                self._held_bytes -= sent.size_bytes
                self._wait = FIRST_WAIT_SECONDS
            else:
                self._put_off(getattr(error, "reason", "error"), str(error), now_seconds)
                failed.append(sent)
        self._todo.extendleft(reversed(failed))
        while self._todo and now_seconds >= self._not_before:
            sent = self._todo[0]
            try:
                sent.answer = self._hand(sent.batch)
            except StormPetrelError as error:
                if error.retryable:
                    self._put_off(error.reason, str(error), now_seconds)
                    return
                self._refusals.add(error.reason, len(sent.batch), str(error))
                self._held_bytes -= sent.size_bytes
            else:
                self._sent.append(sent)
            self._todo.popleft()

    def _put_off(self, reason: str, text: str, now_seconds: float) -> None:
        self._refusals.add(reason, 0, text)
        self._not_before = now_seconds + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)
