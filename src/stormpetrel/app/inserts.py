"""What is stored at once: the admitted samples, or the records of one kind, of one group of batches.

An insert is a value that carries its token, so that it may be tried again, by this process or by the
next one after a crash, and is in the store once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from stormpetrel.app.tokens import distinct_tokens
from stormpetrel.errors import UnstorableError
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, SeriesInfo, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

# How far back the store is asked for the tokens of an insert in doubt: more than clocks ever disagree.
_DOUBT_SECONDS = 3600.0

Records = LogBatch | SpanBatch | FlowBatch | AlertBatch | ChangeBatch
Signals = MetricBatch | Records
# What goes on to the judge once it is stored.
Stored = AdmittedMetrics | Records

# In this order the kinds of one group are stored and judged.
KINDS: tuple[type[Signals], ...] = (MetricBatch, LogBatch, SpanBatch, FlowBatch, AlertBatch, ChangeBatch)


@dataclass(frozen=True, slots=True)
class SampleInsert:
    """Samples with their verdicts given, and the series that the store does not know yet.

    Attributes:
        token: names this insert for ever; the store takes it once.
        series: stored before the samples that use them.
        admitted: what is stored, and then judged.
        late: what is stored in its place and not judged.
        quarantined: what is kept apart.
    """

    token: str
    series: tuple[SeriesInfo, ...]
    admitted: AdmittedMetrics
    late: MetricBatch
    quarantined: Quarantined

    def __len__(self) -> int:
        """Rows, those kept apart included."""
        return len(self.admitted.batch) + len(self.late) + len(self.quarantined.batch)

    @property
    def empty(self) -> bool:
        """Whether the store would learn nothing by it."""
        return not len(self) and not self.series

    @property
    def kind(self) -> type[Signals]:
        """What it was made of."""
        return MetricBatch

    @property
    def stored(self) -> AdmittedMetrics:
        """What goes on to the judge."""
        return self.admitted


@dataclass(frozen=True, slots=True)
class RecordInsert:
    """Records of one kind, without those that were stored before; `token` as for samples."""

    token: str
    batch: Records

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def empty(self) -> bool:
        """Whether the store would learn nothing by it."""
        return not len(self.batch)

    @property
    def kind(self) -> type[Signals]:
        """What it was made of."""
        return type(self.batch)

    @property
    def stored(self) -> Records:
        """What goes on to the judge."""
        return self.batch


Insert = SampleInsert | RecordInsert


def perform(insert: Insert, store: TelemetryStore) -> None:
    """Store it; the same insert again leaves it once.

    Raises:
        StoreError: nothing of it is stored, or any part, or all. Perform it again, or ask `is_stored`.
    """
    if isinstance(insert, SampleInsert):
        perform_series(insert.series, store)
        good = [batch for batch in (insert.admitted.batch, insert.late) if len(batch)]
        if good:
            store.insert_samples(MetricBatch.concat(good), insert.token)
        perform_rest(insert, store)
    elif isinstance(insert.batch, LogBatch):
        store.insert_logs(insert.batch, insert.token)
    elif isinstance(insert.batch, SpanBatch):
        store.insert_spans(insert.batch, insert.token)
    else:
        store.insert_records(insert.batch, insert.token)


def perform_series(series: Sequence[SeriesInfo], store: TelemetryStore) -> None:
    """Store series; one that the store's client cannot digest is stored without its labels.

    Raises:
        StoreError: any of them may be stored; perform them again.
    """
    try:
        if series:
            store.insert_series(series)
    # New series are stored with the samples of everybody: a single one must not hold up all others.
    except (UnstorableError, ValueError):  # the latter: text that is no UTF-8, met before the store is
        log.exception("series_not_stored", series=len(series))
        if len(series) == 1:
            store.insert_series([unknown_series(series[0].series)])
            return
        half = len(series) // 2
        perform_series(series[:half], store)
        perform_series(series[half:], store)


def unknown_series(series: int) -> SeriesInfo:
    """Stands for a series whose description is lost, so that ids stay without a gap."""
    return SeriesInfo(series, "unknown_series", (("series", str(series)),), "unknown", "unknown")


def perform_rest(insert: Insert, store: TelemetryStore) -> None:
    """What may be missing of an insert that `is_stored`: the samples kept apart come last."""
    if isinstance(insert, SampleInsert) and len(insert.quarantined.batch):
        store.insert_quarantine(insert.quarantined, insert.token)


def is_stored(insert: Insert, store: TelemetryStore, now_unix_nano: int) -> bool:
    """Whether what is judged of an insert that raised is stored all the same; asks the store.

    An admitted sample is newer than all that its series had, so the first one tells of all. Records are
    told by the tokens of their requests; those without any cannot be told and count as not stored.

    Raises:
        StoreError: the store does not answer; ask again.
    """
    if isinstance(insert, SampleInsert):
        batch = insert.admitted.batch
        if not len(batch):
            return False
        held = store.last_samples(int(batch.time_unix_nano[0])).series
        return bool(np.isin(batch.series[0], held))
    tokens = distinct_tokens(insert.batch.records)
    since = now_unix_nano - from_seconds(_DOUBT_SECONDS)
    return len(tokens) > 0 and bool(np.isin(tokens, store.recent_tokens(since)).all())


def newest(batch: Signals) -> int:
    """The newest event time in a batch that is not empty."""
    if isinstance(batch, MetricBatch):
        return int(batch.time_unix_nano.max())
    column = "end_unix_nano" if isinstance(batch, SpanBatch | FlowBatch) else "time_unix_nano"
    return int(batch.records.column(column).to_numpy().max())


def size_bytes(batch: Stored | MetricBatch) -> int:
    """Memory that the columns of a batch take."""
    if isinstance(batch, AdmittedMetrics):
        return size_bytes(batch.batch) + int(batch.signal.nbytes + batch.resumed.nbytes)
    if isinstance(batch, MetricBatch):
        return int(batch.series.nbytes + batch.time_unix_nano.nbytes + batch.value.nbytes)
    return int(batch.records.get_total_buffer_size())
