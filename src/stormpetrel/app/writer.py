"""The store writer: one bounded queue, one thread, group commit, acknowledgement after the insert.

Batches of all sources wait in one queue, bounded in rows. The writer takes what is there (up to
`batch_rows`, waiting at most `batch_seconds` for more), admits it, inserts it, and only then completes
the futures by which sources acknowledge to their senders. What was stored goes on to the judge; when
the judge is behind, the writer waits for it, the queue fills, and senders are told to come back later.

An insert that raised left nothing, or all (`ports.store`), and its sender will send again. Until it is
known which, the insert is *doubtful*: before the next one of its kind the store is asked, and then it
either counts as stored after all, or is forgotten as if it had never been.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.tokens import RequestTokens, distinct_tokens
from stormpetrel.errors import OverloadedError, StoreError
from stormpetrel.ingest.admit import Admission
from stormpetrel.model.quality import Quality
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

# How far back the store is asked for the tokens of a doubtful insert: more than clocks ever disagree.
_DOUBT_SECONDS = 3600.0
# Inserts in a row that failed, after which the installation is not ready.
_FAILURES = 3
# What may wait, in bytes: the bound in rows alone says little of long log records.
_CAPACITY_BYTES = 1 << 30

Records = LogBatch | SpanBatch | FlowBatch | AlertBatch | ChangeBatch
_RECORDS: tuple[type[Records], ...] = (LogBatch, SpanBatch, FlowBatch, AlertBatch, ChangeBatch)
Signals = MetricBatch | Records


@dataclass(slots=True)
class _Waiting:
    batch: Signals
    source: str
    done: Future[None]
    size_bytes: int


@dataclass(slots=True)
class WriterStats:
    """What the writer did, for self-observation; read without a lock, so only roughly in step."""

    samples_total: int = 0
    log_records_total: int = 0
    spans_total: int = 0
    other_records_total: int = 0  # flows, alerts, changes
    quarantined_total: int = 0
    refused_rows_total: int = 0
    failed_inserts_total: int = 0
    insert_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    quarantined_recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=20_000))

    def quarantined_since(self, since_unix_nano: int) -> int:
        """Samples kept apart since then (of the last twenty thousand inserts that had any)."""
        return sum(rows for time, rows in list(self.quarantined_recent) if time >= since_unix_nano)

    def insert_p99_seconds(self) -> float:
        """99th percentile of the last thousand insert times; 0 before the first."""
        times = list(self.insert_seconds)
        return float(np.quantile(times, 0.99)) if times else 0.0


class StoreWriter:
    """The live `ports.intake.Intake`.

    Args:
        hand_on: called in the writer's thread with everything that was stored, in order; may block.
    """

    def __init__(  # the composition root's wiring: six collaborators, no options
        self,
        pipeline: Pipeline,
        store: TelemetryStore,
        clock: Clock,
        tally: SourceTally,
        hand_on: Callable[[AdmittedMetrics | Records], None],
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._clock = clock
        self._tally = tally
        self._hand_on = hand_on
        self._queue: deque[_Waiting] = deque()
        self._rows = 0
        self._bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._tokens = RequestTokens()
        self._inserts = 0
        self._run_id = clock.now_unix_nano()
        self._failing = 0
        self._last_failure = ""
        self._doubtful_admission: Admission | None = None
        self._doubtful_records: dict[type[Records], Records] = {}
        self.stats = WriterStats()
        self.capacity_rows = 4_000_000
        self.capacity_bytes = _CAPACITY_BYTES
        self.batch_rows = 50_000
        self.batch_seconds = 0.2
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    # ------------------------------------------------------------------------------------- intake

    @property
    def running(self) -> bool:
        """Whether batches are being written; false before the start, after the end, and after a defect."""
        return self._thread.is_alive()

    @property
    def waiting_rows(self) -> int:
        """Rows accepted from sources and not stored yet."""
        return self._rows

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
        done: Future[None] = Future()
        if not len(batch):
            done.set_result(None)
            return done
        size = _size_bytes(batch)
        with self._changed:
            if self._stopping:
                raise OverloadedError("Storm Petrel is stopping: nothing was kept, send again later")
            full = self._rows + len(batch) > self.capacity_rows or self._bytes + size > self.capacity_bytes
            if self._rows and full:
                self.stats.refused_rows_total += len(batch)
                raise OverloadedError(
                    f"the intake queue holds {self._rows} rows of at most {self.capacity_rows}, "
                    f"{self._bytes} bytes of at most {self.capacity_bytes}: "
                    "nothing was kept, wait and send again"
                )
            self._queue.append(_Waiting(batch, source, done, size))
            self._rows += len(batch)
            self._bytes += size
            self._changed.notify()
        return done

    # ------------------------------------------------------------------------------------- thread

    def start(self, recent_tokens: NDArray[np.uint64]) -> None:
        """Begin to write; `recent_tokens` are request tokens that the store already holds."""
        self._tokens.remember(recent_tokens.tolist())
        self._thread.start()

    def stop(self) -> None:
        """Refuse new batches, store what waits, end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def trouble(self) -> str:
        """Why nothing is stored; empty when all is well."""
        if self._failing >= _FAILURES:
            return f"the last {self._failing} inserts failed ({self._last_failure}); see the log"
        return ""

    def _run(self) -> None:
        while True:
            group = self._take()
            if not group:
                return
            for kind, write in (
                (MetricBatch, self._write_metrics),
                *((kind, partial(self._write_records, kind)) for kind in _RECORDS),
            ):
                members = [w for w in group if isinstance(w.batch, kind)]
                if members:
                    self._settle(members, write)
            with self._changed:
                self._rows -= sum(len(w.batch) for w in group)
                self._bytes -= sum(w.size_bytes for w in group)

    def _take(self) -> list[_Waiting]:
        """The next group; empty when stopping and nothing waits."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            deadline = perf_counter() + self.batch_seconds
            while not self._stopping and self._rows < self.batch_rows:
                left = deadline - perf_counter()
                if left <= 0 or not self._changed.wait(left):
                    break
            group: list[_Waiting] = []
            rows = 0
            while self._queue and (not group or rows + len(self._queue[0].batch) <= 2 * self.batch_rows):
                group.append(self._queue.popleft())
                rows += len(group[-1].batch)
            return group

    def _settle(self, members: list[_Waiting], write: Callable[[list[_Waiting]], None]) -> None:
        started = perf_counter()
        try:
            write(members)
        except StoreError as error:
            self._fail(members, error)
        # A defect in admission or in the store's client must not end the only writer: senders get a
        # retryable refusal, the log gets the trace, and the next group is tried.
        except Exception as error:  # logged; every sender is told to send again
            log.exception("insert_failed")
            self._fail(members, StoreError(f"an insert failed: {type(error).__name__}: {error}"))
        else:
            self._failing = 0
            self.stats.insert_seconds.append(perf_counter() - started)
            self._acknowledge(members)

    def _acknowledge(self, members: list[_Waiting]) -> None:
        now = self._clock.now_unix_nano()
        for waiting in members:
            self._tally.stored(waiting.source, len(waiting.batch), now, _newest(waiting.batch))
            if waiting.done.set_running_or_notify_cancel():
                waiting.done.set_result(None)

    def _fail(self, members: list[_Waiting], error: StoreError) -> None:
        self.stats.failed_inserts_total += 1
        self._failing += 1
        self._last_failure = error.reason
        log.warning("insert_refused", reason=error.reason, error=str(error), batches=len(members))
        for waiting in members:
            self._tally.rejected(waiting.source, error.reason, len(waiting.batch), str(error))
            if waiting.done.set_running_or_notify_cancel():
                waiting.done.set_exception(error)

    # ------------------------------------------------------------------------------------- writing

    def _token(self, what: str) -> str:
        self._inserts += 1
        return f"{what}-{self._run_id}-{self._inserts}"

    def _write_metrics(self, members: list[_Waiting]) -> None:
        self._settle_admission()
        batch = MetricBatch.concat([w.batch for w in members if isinstance(w.batch, MetricBatch)])
        admission = self._pipeline.admit(batch, self._clock.now_unix_nano())
        self._doubtful_admission = admission
        fresh = self._pipeline.registry.fresh()
        if fresh:
            self._store.insert_series(fresh)
            self._pipeline.registry.stored(fresh)
        if len(admission.admitted.batch):
            self._store.insert_samples(admission.admitted.batch, self._token("samples"))
        if len(admission.quarantined.batch):
            self._store.insert_quarantine(admission.quarantined, self._token("quarantine"))
        self._doubtful_admission = None
        if len(admission.quarantined.batch):
            self.stats.quarantined_total += len(admission.quarantined.batch)
            self.stats.quarantined_recent.append(
                (self._clock.now_unix_nano(), len(admission.quarantined.batch))
            )
        self._count_verdicts(members, admission)
        self._stored_samples(admission)

    def _settle_admission(self) -> None:
        """Whether the samples of a failed insert are stored: only then they stay admitted.

        An admitted sample is newer than all that its series had, so the first one tells of all. What
        should have been kept apart comes again with the sender's retry.
        """
        admission = self._doubtful_admission
        if admission is None:
            return
        batch = admission.admitted.batch
        stored = len(batch) > 0 and bool(
            np.isin(batch.series[0], self._store.last_samples(int(batch.time_unix_nano[0])).series)
        )
        self._doubtful_admission = None
        if stored:
            self._stored_samples(admission)
        else:
            self._pipeline.gate.rollback(admission)

    def _stored_samples(self, admission: Admission) -> None:
        self.stats.samples_total += len(admission.admitted.batch)
        self._hand_on(admission.admitted)

    def _count_verdicts(self, members: list[_Waiting], admission: Admission) -> None:
        now = self._clock.now_unix_nano()
        start = 0
        for waiting in members:
            rows = slice(start, start + len(waiting.batch))
            start = rows.stop
            verdicts = admission.verdict[rows]
            counts = np.bincount(verdicts, minlength=len(Quality)).astype(np.int64)
            example = ""
            if counts[Quality.GOOD] < len(verdicts) and isinstance(waiting.batch, MetricBatch):
                first = int(np.argmax(verdicts != Quality.GOOD))
                example = self._series_text(int(waiting.batch.series[first]))
            self._tally.judged(waiting.source, counts, now, example)

    def _series_text(self, series: int) -> str:
        registry = self._pipeline.registry
        return registry.info(series).text() if series < len(registry) else "(a series that was refused)"

    def _write_records(self, kind: type[Records], members: list[_Waiting]) -> None:
        self._settle_records(kind)
        now = self._clock.now_unix_nano()
        sent = [w.batch.records for w in members if isinstance(w.batch, kind)]
        fresh = self._tokens.unseen(sent)
        for waiting, before, left in zip(members, sent, fresh, strict=True):
            again = before.num_rows - left.num_rows
            if again:
                self._tally.judged(waiting.source, _only(Quality.DUPLICATE, again), now, "a request again")
        batch = kind(pa.concat_batches(fresh))
        if not len(batch):
            return
        self._doubtful_records[kind] = batch
        if isinstance(batch, LogBatch):
            self._store.insert_logs(batch, self._token("logs"))
        elif isinstance(batch, SpanBatch):
            self._store.insert_spans(batch, self._token("spans"))
        else:
            self._store.insert_records(batch, self._token(kind.__name__))
        del self._doubtful_records[kind]
        self._stored_records(batch)

    def _settle_records(self, kind: type[Records]) -> None:
        """Whether the records of a failed insert are stored: their requests' tokens tell."""
        batch = self._doubtful_records.get(kind)
        if batch is None:
            return
        tokens = distinct_tokens(batch.records)
        since = self._clock.now_unix_nano() - from_seconds(_DOUBT_SECONDS)
        stored = len(tokens) > 0 and bool(np.isin(tokens, self._store.recent_tokens(since)).all())
        del self._doubtful_records[kind]
        if stored:
            self._stored_records(batch)

    def _stored_records(self, batch: Records) -> None:
        self._tokens.remember(distinct_tokens(batch.records).tolist())
        if isinstance(batch, LogBatch):
            self.stats.log_records_total += len(batch)
        elif isinstance(batch, SpanBatch):
            self.stats.spans_total += len(batch)
        else:
            self.stats.other_records_total += len(batch)
        self._hand_on(batch)


def _only(verdict: Quality, rows: int) -> NDArray[np.int64]:
    counts = np.zeros(len(Quality), np.int64)
    counts[verdict] = rows
    return counts


def _newest(batch: Signals) -> int:
    if isinstance(batch, MetricBatch):
        return int(batch.time_unix_nano.max())
    column = "end_unix_nano" if isinstance(batch, SpanBatch | FlowBatch) else "time_unix_nano"
    return int(batch.records.column(column).to_numpy().max())


def _size_bytes(batch: Signals) -> int:
    if isinstance(batch, MetricBatch):
        return batch.series.nbytes + batch.time_unix_nano.nbytes + batch.value.nbytes
    return int(batch.records.get_total_buffer_size())
