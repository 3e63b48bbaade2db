"""The store writer: one thread, group commit, acknowledgement after the insert.

Batches of all sources wait in one bounded queue (`app.intake_queue`). The writer takes a group, admits
it, inserts it kind by kind, and completes the futures by which sources acknowledge to their senders as
soon as each insert returned. Then what was stored goes on to the judge; when the judge is behind, the
writer waits for it, the queue fills, and senders are told to come back later.

While the store is away inserts go to disk instead (`app.spill`, `app.drain`), and are acknowledged there.
A batch that cannot be stored fails alone: its group is halved until it stands by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter

import numpy as np
import structlog
from numpy.typing import NDArray

from stormpetrel.app.doubts import Doubts
from stormpetrel.app.drafts import Draft, Drafts
from stormpetrel.app.drain import SpillDrain
from stormpetrel.app.inserts import KINDS, Insert, Signals, Stored, newest, perform
from stormpetrel.app.intake_queue import IntakeQueue, Waiting
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.spill import Spill
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.writer_stats import WriterStats
from stormpetrel.errors import OverloadedError, StoreError, UnstorableError
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.store import TelemetryStore

__all__ = ["Signals", "StoreWriter"]

log = structlog.get_logger(__name__)

# Inserts in a row that failed, after which the installation is not ready.
_FAILURES = 3


class StoreWriter:
    """The live `ports.intake.Intake`.

    Attributes:
        queue: what waits; its bounds may be set before the first batch.
        stats: what was done.

    Args:
        hand_on: called with everything that was stored, in order, after it was acknowledged; may block.
        prepare: called with each batch in the thread of its source, before it waits: gives the batch that
            is stored in its place, of the same kind. What it raises is raised to the source, and nothing
            is kept.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        store: TelemetryStore,
        clock: Clock,
        tally: SourceTally,
        hand_on: Callable[[Stored], None],
        prepare: Callable[[Signals], Signals] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tally = tally
        self._hand_on = hand_on
        self._prepare = prepare
        self.queue = IntakeQueue()
        self.stats = WriterStats()
        self._drafts = Drafts(pipeline, store, clock, tally)
        self._doubts = Doubts(store, clock)
        self._drain: SpillDrain | None = None
        self._in_store: list[Insert] = []  # of the group under way, not handed on yet
        self._kept = 0
        self._failing = 0
        self._last_failure = ""
        self._turn = threading.Lock()  # of whoever changes the store or the spill
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    # ------------------------------------------------------------------------------------- intake

    @property
    def running(self) -> bool:
        """Whether batches are being written; false before the start, after the end, and after a defect."""
        return self._thread.is_alive() and (self._drain is None or self._drain.running)

    @property
    def spill(self) -> Spill | None:
        """What waits on disk; None when nothing ever does."""
        return self._drain.spill if self._drain is not None else None

    def metrics(self, batch: MetricBatch, source: str) -> Future[None]:
        """See `ports.intake.Intake`."""
        return self._put(batch, source)

    def logs(self, batch: LogBatch, source: str) -> Future[None]:
        """See `ports.intake.Intake`."""
        return self._put(batch, source)

    def spans(self, batch: SpanBatch, source: str) -> Future[None]:
        """See `ports.intake.Intake`."""
        return self._put(batch, source)

    def records(self, batch: FlowBatch | AlertBatch | ChangeBatch, source: str) -> Future[None]:
        """See `ports.intake.Intake`."""
        return self._put(batch, source)

    def rejected(self, source: str, reason: str, rows: int, example: str = "") -> None:
        """See `ports.intake.Intake`."""
        self._tally.rejected(source, reason, rows, example)

    def _put(self, batch: Signals, source: str) -> Future[None]:
        try:
            if self._prepare is not None and len(batch):
                self.queue.check_room(batch, source)  # preparing costs more than to refuse
                batch = self._prepare(batch)
            if len(batch):
                return self.queue.put(batch, source)
        except OverloadedError as error:
            self.stats.refused_rows_total += len(batch)
            self._tally.overloaded(source, len(batch), str(error))
            raise
        done: Future[None] = Future()
        done.set_result(None)
        return done

    # ------------------------------------------------------------------------------------- thread

    def spill_to(self, spill: Spill, *, when_full: bool) -> None:
        """Keep what the store does not take there; before `start`. For `when_full` see `app.drain`."""
        self._drain = SpillDrain(spill, self._store, self._clock, when_full=when_full, stored=self._drained)
        self._drain.turn = self._turn

    def start(self, recent_tokens: NDArray[np.uint64]) -> None:
        """Begin to write; `recent_tokens` are request tokens of what the store or the spill holds."""
        self._drafts.remember(recent_tokens)
        if self._drain is not None:
            self._drain.start()
        self._thread.start()

    def stop(self) -> None:
        """Refuse new batches, store what waits, end."""
        self.queue.close()
        self._thread.join()
        if self._drain is not None:
            self._drain.stop()

    def within(self, ask: Callable[[], None]) -> None:
        """Ask something while neither the store nor the spill is written to; it should be quick."""
        with self._turn:
            ask()

    def trouble(self) -> str:
        """Why nothing is taken; empty when all is well."""
        if self._failing >= _FAILURES:
            return f"the last {self._failing} inserts failed ({self._last_failure}); see the log"
        return ""

    def degraded(self) -> str:
        """What is not as it should be although everything is taken; empty when nothing."""
        return self._drain.state() if self._drain is not None else ""

    def _run(self) -> None:
        while True:
            if self._drain is not None:
                self._drain.let_drain()
            group = self.queue.take()
            if not group:
                return
            with self._turn:
                for kind in KINDS:
                    members = [one for one in group if isinstance(one.batch, kind)]
                    if members:
                        self._write_all(members)
            self.queue.release(group)
            in_store, self._in_store = self._in_store, []
            for insert in in_store:
                self._pass_on(insert)

    def _drained(self, insert: Insert) -> None:
        """The drain brought an insert into the store."""
        self.stats.count(insert, self._clock.now_unix_nano())
        self._pass_on(insert)

    def _pass_on(self, insert: Insert) -> None:
        try:
            self._hand_on(insert.stored)
        # Whoever looks at what was stored may fail; storing goes on.
        except Exception:  # logged; the insert is in the store
            log.exception("stored_not_handed_on", rows=len(insert))

    # ------------------------------------------------------------------------- a group of one kind

    def _write_all(self, members: list[Waiting]) -> None:
        """Keep them, or find those that cannot be."""
        kept_before = self._kept
        # Only where others went in beside it, it is the batch that cannot be stored, and not the store
        # that is at fault: then there is no use in sending it again.
        for one, error in self._write_or_halve(members):
            if self._kept > kept_before:
                self.stats.unstorable_rows_total += len(one.batch)
                self._fail([one], UnstorableError(f"this batch cannot be stored, others can: {error}"))
            else:
                self._fail([one], error)

    def _write_or_halve(self, members: list[Waiting]) -> list[tuple[Waiting, StoreError]]:
        """Those that fail by themselves, for a reason that does not pass; all others are answered."""
        started = perf_counter()
        try:
            self._write(members)
        except StoreError as error:
            if error.retryable:
                self._fail(members, error)
                return []
            failure = StoreError(str(error))
        # A defect in admission or in the store's client must not end the only writer, nor fail a whole
        # group for one batch in it.
        except Exception as error:  # logged, counted; the sender is answered
            log.exception("insert_failed", batches=len(members))
            failure = StoreError(f"an insert failed: {type(error).__name__}: {error}")
        else:
            self._kept += 1
            self._failing = 0
            self.stats.insert_seconds.append(perf_counter() - started)
            self._acknowledge(members)
            return []
        if len(members) == 1:
            return [(members[0], failure)]
        half = len(members) // 2
        return self._write_or_halve(members[:half]) + self._write_or_halve(members[half:])

    def _acknowledge(self, members: list[Waiting]) -> None:
        now = self._clock.now_unix_nano()
        for one in members:
            self._tally.stored(one.source, len(one.batch), now, newest(one.batch))
            if one.done.set_running_or_notify_cancel():
                one.done.set_result(None)

    def _fail(self, members: list[Waiting], error: StoreError) -> None:
        self.stats.failed_inserts_total += 1
        if error.retryable:  # else the store is well, and the batch is not
            self._failing += 1
            self._last_failure = error.reason
        log.warning("insert_refused", reason=error.reason, error=str(error), batches=len(members))
        for one in members:
            self._tally.rejected(one.source, error.reason, len(one.batch), str(error))
            if one.done.set_running_or_notify_cancel():
                one.done.set_exception(error)

    # ------------------------------------------------------------------------------------- writing

    def _write(self, members: list[Waiting]) -> None:
        settled = self._doubts.settle(type(members[0].batch))
        if settled is not None:
            self._is_in_store(settled)
        spilling = self._drain if self._drain is not None and self._drain.active else None
        draft = self._drafts.make(members, ask_store=spilling is None)
        if draft.insert.empty:
            draft.kept()
        elif spilling is not None:
            _spill_behind(spilling, draft)
        else:
            self._insert(draft)

    def _insert(self, draft: Draft) -> None:
        """Into the store; where that is away, into the spill."""
        self._doubts.begin(draft)
        try:
            perform(draft.insert, self._store)
        except StoreError as error:
            if self._drain is None or not self._drain.takes(error):
                raise
            self._drain.append(draft.insert, error)
            self._doubts.end(draft)
            draft.kept()
        else:
            self._doubts.end(draft)
            self._is_in_store(draft)

    def _is_in_store(self, draft: Draft) -> None:
        draft.kept()
        self.stats.count(draft.insert, self._clock.now_unix_nano())
        self._in_store.append(draft.insert)


def _spill_behind(drain: SpillDrain, draft: Draft) -> None:
    """Behind what waits already; the store is not asked."""
    try:
        drain.append(draft.insert)
    except BaseException:  # raised again: it was never tried, so there is no doubt
        draft.forget()
        raise
    draft.kept()
