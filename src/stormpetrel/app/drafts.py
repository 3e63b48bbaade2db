"""From the batches of a group to one insert: admission for samples, request tokens for records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from stormpetrel.app.inserts import Insert, RecordInsert, Records, SampleInsert, Signals
from stormpetrel.app.intake_queue import Waiting
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.tokens import RequestTokens, distinct_tokens, tokens_of_kind
from stormpetrel.errors import StoreError
from stormpetrel.ingest.admit import Admission
from stormpetrel.ingest.late import asked_for, late_rows, place_late
from stormpetrel.model.quality import Quality
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SeriesInfo, SpanBatch
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """An insert and what hangs on its fate.

    Attributes:
        insert: what is to be kept.
        kept: to be called when it is kept, in the store or in the spill.
        forget: to be called when it is known that nothing of it is kept, before the next draft of its kind.
    """

    insert: Insert
    kept: Callable[[], None]
    forget: Callable[[], None]


class Drafts:
    """Makes drafts. The writer's own: not thread-safe."""

    def __init__(self, pipeline: Pipeline, store: TelemetryStore, clock: Clock, tally: SourceTally) -> None:
        self._pipeline = pipeline
        self._store = store
        self._clock = clock
        self._tally = tally
        self._tokens = RequestTokens()
        self._run_id = clock.now_unix_nano()
        self._made = 0

    def remember(self, tokens: NDArray[np.uint64]) -> None:
        """Requests with these tokens are kept."""
        self._tokens.remember(tokens.tolist())

    def make(self, members: list[Waiting], ask_store: bool) -> Draft:
        """A draft of batches of one kind, in order of arrival.

        Args:
            members: at least one.
            ask_store: whether the store holds all that was kept so far, and may be asked.
        """
        if isinstance(members[0].batch, MetricBatch):
            return self._samples(members, ask_store)
        return self._records(members)

    def _token(self, what: str) -> str:
        self._made += 1
        return f"{what}-{self._run_id}-{self._made}"

    # --------------------------------------------------------------------------------------- samples

    def _samples(self, members: list[Waiting], ask_store: bool) -> Draft:
        batch = MetricBatch.concat([one.batch for one in members if isinstance(one.batch, MetricBatch)])
        admission = self._pipeline.admit(batch, self._clock.now_unix_nano())
        if ask_store:
            admission = self._placed(admission, batch)
        fresh = self._pipeline.registry.fresh()
        insert = SampleInsert(
            self._token("samples"), tuple(fresh), admission.admitted, admission.late, admission.quarantined
        )
        return Draft(
            insert,
            kept=partial(self._samples_kept, members, fresh, admission.verdict),
            forget=partial(self._pipeline.gate.rollback, admission),
        )

    def _placed(self, admission: Admission, batch: MetricBatch) -> Admission:
        """What came behind its series' newest sample, decided with what is stored; else it stays apart."""
        late = late_rows(admission, batch)
        if not len(late):
            return admission
        try:
            return place_late(admission, batch, self._store.scan_series(*asked_for(late)))
        except StoreError as error:
            log.warning("late_samples_not_placed", rows=len(late), reason=error.reason)
            return admission

    def _samples_kept(
        self, members: list[Waiting], fresh: list[SeriesInfo], verdict: NDArray[np.uint8]
    ) -> None:
        self._pipeline.registry.stored(fresh)
        now = self._clock.now_unix_nano()
        start = 0
        for one in members:
            own = verdict[start : start + len(one.batch)]
            start += len(one.batch)
            counts = np.bincount(own, minlength=len(Quality)).astype(np.int64)
            example = ""
            if counts[Quality.GOOD] < len(own) and isinstance(one.batch, MetricBatch):
                first = int(np.argmax(own != Quality.GOOD))
                example = self._series_text(int(one.batch.series[first]))
            self._tally.judged(one.source, counts, now, example)

    def _series_text(self, series: int) -> str:
        registry = self._pipeline.registry
        return registry.info(series).text() if series < len(registry) else "(a series that was refused)"

    # --------------------------------------------------------------------------------------- records

    def _records(self, members: list[Waiting]) -> Draft:
        kind = type(members[0].batch)
        own = "" if kind is LogBatch else kind.__name__
        sent = [
            tokens_of_kind(one.batch.records, own)
            for one in members
            if not isinstance(one.batch, MetricBatch)
        ]
        fresh = self._tokens.unseen(sent)
        again = [before.num_rows - left.num_rows for before, left in zip(sent, fresh, strict=True)]
        records = _of_kind(kind, pa.concat_batches(fresh))
        if isinstance(records, LogBatch):
            records = self._pipeline.mine(records.observed_by(self._clock.now_unix_nano()))
        insert = RecordInsert(self._token(kind.__name__), records)
        return Draft(insert, kept=partial(self._records_kept, members, insert, again), forget=_nothing)

    def _records_kept(self, members: list[Waiting], insert: RecordInsert, again: list[int]) -> None:
        self.remember(distinct_tokens(insert.batch.records))
        now = self._clock.now_unix_nano()
        for one, rows in zip(members, again, strict=True):
            if rows:
                counts = np.zeros(len(Quality), np.int64)
                counts[Quality.DUPLICATE] = rows
                self._tally.judged(one.source, counts, now, "a request again")


def _nothing() -> None:
    """Records leave nothing to take back: their tokens are remembered once they are kept."""


def _of_kind(kind: type[Signals], records: pa.RecordBatch) -> Records:
    for known in (LogBatch, SpanBatch, FlowBatch, AlertBatch, ChangeBatch):
        if kind is known:
            return known(records)
    raise TypeError(f"{kind.__name__} holds no records")
