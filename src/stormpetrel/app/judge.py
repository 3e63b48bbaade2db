"""The judge: one thread that takes what was stored, in order, through the stages after the insert.

It also owns time: it advances the pipeline on a fixed grid of the clock, and after a start it first
takes the stored past through the same stages, so that the detectors are warm and open findings are
known before anything new is judged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog

from stormpetrel.app.backlog import Backlog
from stormpetrel.app.inserts import Stored, size_bytes
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.errors import NotFoundError, StateError, StoreError
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.page import PageDecision
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, SpanBatch
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock

T = TypeVar("T")
log = structlog.get_logger(__name__)

TICK_SECONDS = 5.0
# Batches of stored signals that may wait to be judged, and what they may take; then the writer waits.
_BACKLOG = 32
_BACKLOG_BYTES = 256 << 20
# Between tries of the warm start; after the last one judging begins cold.
WARM_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Batches in a row that cannot be judged, after which the installation is not ready.
_FAILURES = 3

__all__ = ["TICK_SECONDS", "Judge", "Stored"]


def _nothing(_tick: int) -> None:
    """Nobody waits for a tick."""


class Judge:
    """Runs detect, policy and correlate behind the writer.

    Args:
        emit: called in the judge's thread with every change, to store and publish it.
        warm_up: called in the judge's thread before the first batch (see `app.warm`), and again a little
            later when it raised: it has to begin anew each time.
        keep_step: called with a person's step, to store it at once; raises `StoreError` when nothing of
            it is stored. Without it a step is emitted like any change.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        clock: Clock,
        emit: Callable[[Outcome], None],
        warm_up: Callable[[], None],
        keep_step: Callable[[Incident], None] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._emit = emit
        self._warm_up = warm_up
        self._keep_step = keep_step
        self.after_tick: Callable[[int], None] = _nothing
        self._queue: Backlog[tuple[int, Stored | None]] = Backlog(_BACKLOG, _BACKLOG_BYTES)
        self._stopping = threading.Event()
        self.warm_pauses_seconds: tuple[float, ...] = WARM_PAUSES_SECONDS
        self._lock = threading.Lock()
        self._tick = from_seconds(TICK_SECONDS)
        self._next_tick = 0
        self._latest = 0
        self._failing = 0
        self.failures_total = 0
        self.warm = threading.Event()
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)

    @property
    def running(self) -> bool:
        """Whether batches are being judged; false before the start, after the end, and after a defect."""
        return self._thread.is_alive()

    def put(self, stored: Stored) -> None:
        """Hand over what was stored; waits while the judge is behind.

        A judge that ended takes nothing: storing goes on, and /readyz tells.
        """
        self._put((self._clock.now_unix_nano(), stored))

    def _put(self, entry: tuple[int, Stored | None]) -> None:
        size = size_bytes(entry[1]) if entry[1] is not None else 0
        while not self._ended() and not self._queue.put(entry, size, timeout=1.0):
            pass

    def start(self) -> None:
        """Begin to judge."""
        self._thread.start()

    def stop(self) -> None:
        """Judge what waits, then end."""
        self._stopping.set()
        self._put((self._clock.now_unix_nano(), None))
        self._thread.join()

    def lag_seconds(self) -> float:
        """How long the oldest batch that waits has been waiting; 0 when nothing waits."""
        return max(0.0, to_seconds(self._clock.now_unix_nano() - self._oldest()))

    def trouble(self) -> str:
        """Why what is stored is not judged; empty when all is well."""
        if self._failing >= _FAILURES:
            return f"the last {self._failing} batches could not be judged; the log of this process says why"
        return ""

    def _ended(self) -> bool:
        return self._thread.ident is not None and not self._thread.is_alive()

    def _oldest(self) -> int:
        """When the oldest batch that waits was handed over; now when nothing waits."""
        oldest = self._queue.oldest()
        return oldest[0] if oldest is not None else self._clock.now_unix_nano()

    def move(self, incident_id: str, to: IncidentState, actor: str, note: str) -> Incident:
        """A person's step in an incident's state machine, in turn with the findings.

        Raises:
            NotFoundError, StateError: see `Grouping.move`.
            StoreError: the step could not be stored, and is not taken.
        """
        grouping, now = self._pipeline.grouping, self._clock.now_unix_nano
        return self._step(incident_id, lambda: grouping.move(incident_id, to, now(), actor, note))

    def note(self, incident_id: str, actor: str, text: str) -> Incident:
        """Something is written into an incident's timeline, in turn with the findings.

        Raises:
            NotFoundError: there is no unresolved incident of this id.
            StoreError: it could not be stored, and is not written.
        """
        grouping, now = self._pipeline.grouping, self._clock.now_unix_nano
        return self._step(incident_id, lambda: grouping.note(incident_id, text, now(), actor))

    def _step(self, incident_id: str, take: Callable[[], Incident]) -> Incident:
        """A step of an incident is taken and stored, or neither."""
        grouping = self._pipeline.grouping
        with self._lock:
            before = grouping.unresolved()
            moved = take()
            try:
                if self._keep_step is not None:
                    self._keep_step(moved)
                else:
                    self._emit(Outcome([], [moved]))
            except StoreError:
                grouping.put_back(next(one for one in before if one.incident_id == incident_id))
                raise
            return moved

    def page(self, incident_id: str, actor: str, note: str = "") -> Incident:
        """A person pages an incident that was held.

        Raises:
            NotFoundError: there is no unresolved incident of this id.
            StateError: it was paged already.
            StoreError: the page could not be stored, and does not count.
        """
        grouping, budget = self._pipeline.grouping, self._pipeline.budget
        with self._lock:
            before = next((one for one in grouping.unresolved() if one.incident_id == incident_id), None)
            if before is None:
                raise NotFoundError(f"incident {incident_id} is not open: it was resolved or never existed")
            if before.page is not None and before.page.decision is PageDecision.PAGED:
                raise StateError(f"incident {incident_id} was paged already")
            paged = budget.by_hand(before, self._clock.now_unix_nano(), actor, note)
            if self._keep_step is not None:
                self._keep_step(paged)
            else:
                self._emit(Outcome([], [paged]))
            grouping.adopt([paged])
            return paged

    def within(self, ask: Callable[[], T]) -> T:
        """Ask something of the pipeline while nothing is judged; it should be quick."""
        with self._lock:
            return ask()

    def _warm(self) -> None:
        """Warm up, again a little later each time that fails; in the end begin cold."""
        for pause in (*self.warm_pauses_seconds, 0.0):
            with self._lock:
                if self._guard(self._warm_up):
                    return
            if self._stopping.wait(pause):
                return
        log.error("warm_start_given_up", tries=len(self.warm_pauses_seconds) + 1)

    def _run(self) -> None:
        self._warm()
        self.warm.set()
        self._latest = self._oldest()
        self._next_tick = self._latest // self._tick * self._tick + self._tick
        while True:
            wait = max(0.01, to_seconds(self._next_tick - self._clock.now_unix_nano()))
            entry = self._queue.get(timeout=min(wait, TICK_SECONDS))
            if entry is None:
                self._advance(self._clock.now_unix_nano())
                continue
            since, stored = entry
            if stored is None:
                return
            with self._lock:
                failed = not self._guard(partial(self._judge, stored))
            self._failing = self._failing + 1 if failed else 0
            # Not the present: behind a backlog, windows would be judged before their records are counted.
            self._advance(since)

    def _advance(self, now: int) -> None:
        if now < self._latest - self._tick:  # the clock went back: time goes on from there
            self._next_tick = now // self._tick * self._tick + self._tick
        self._latest = now
        if now < self._next_tick:
            return
        tick = now // self._tick * self._tick
        self._next_tick = tick + self._tick
        with self._lock:
            self._guard(lambda: self._emit(self._pipeline.advance(tick)))
            self._guard(lambda: self.after_tick(tick))

    def _judge(self, stored: Stored) -> None:
        if isinstance(stored, AdmittedMetrics):
            self._emit(self._pipeline.judge_metrics(stored))
        elif isinstance(stored, LogBatch):
            self._emit(self._pipeline.judge_logs(stored))
        elif isinstance(stored, SpanBatch):
            self._emit(self._pipeline.judge_spans(stored))
        else:
            self._emit(self._pipeline.judge_records(stored))

    def _guard(self, step: Callable[[], None]) -> bool:
        """Whether the step ended well."""
        try:
            step()
            return True
        # What was found waits and is stored with a later step (see `app.keeper`).
        except StoreError as error:
            self.failures_total += 1
            log.warning("outcome_not_stored", reason=error.reason, error=str(error))
        # One batch that a detector cannot digest must not end all judging: it is counted
        # (`petrel_judge_failures_total`), the trace is logged, and the next batch is judged.
        except Exception:  # logged, counted, told by /readyz; the next batch is judged
            self.failures_total += 1
            log.exception("judging_failed")
        return False
