"""A writer over the real store, which fails when it is told to."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from stormpetrel.adapters.store.clickhouse import ClickHouseStore
from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.writer import Records, StoreWriter
from stormpetrel.errors import StoreError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs, build_spans
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, MetricKind, SeriesInfo, SpanBatch
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.testing.clock import FakeClock

T0 = 1_700_000_000_000_000_000
SECOND = from_seconds(1)
EVER = Window(0, 2 * T0)
_RUNS = itertools.count()


class FailingStore(ClickHouseStore):
    """The real store; `fail(call, error)` makes that call raise, before the insert or after it happened."""

    @staticmethod
    def over(real: ClickHouseStore) -> FailingStore:
        store = FailingStore(real._connections, real._lock)
        store.armed = {}
        store.calls = []
        store.gate = threading.Event()
        store.gate.set()
        return store

    armed: dict[str, deque[tuple[Exception, bool]]]
    calls: list[str]
    gate: threading.Event

    def fail(self, call: str, error: Exception | None = None, *, after: bool = False, times: int = 1) -> None:
        waiting = self.armed.setdefault(call, deque())
        waiting.extend([(error or StoreError("told to fail"), after)] * times)

    def _passing(self, name: str, call: Callable[[], None]) -> None:
        self.gate.wait(30)
        self.calls.append(name)
        waiting = self.armed.get(name)
        error, after = waiting.popleft() if waiting else (None, True)
        if after:
            call()
        if error is not None:
            raise error

    def insert_series(self, series: Sequence[SeriesInfo]) -> None:
        self._passing("series", lambda: super(FailingStore, self).insert_series(series))

    def insert_samples(self, batch: MetricBatch, token: str) -> None:
        self._passing("samples", lambda: super(FailingStore, self).insert_samples(batch, token))

    def insert_quarantine(self, quarantined: Quarantined, token: str) -> None:
        self._passing("quarantine", lambda: super(FailingStore, self).insert_quarantine(quarantined, token))

    def insert_logs(self, batch: LogBatch, token: str) -> None:
        self._passing("logs", lambda: super(FailingStore, self).insert_logs(batch, token))

    def insert_spans(self, batch: SpanBatch, token: str) -> None:
        self._passing("spans", lambda: super(FailingStore, self).insert_spans(batch, token))

    def insert_records(self, batch: FlowBatch | AlertBatch | ChangeBatch, token: str) -> None:
        self._passing("records", lambda: super(FailingStore, self).insert_records(batch, token))


class Intake:
    """A started writer with its pipeline; `handed` is what went on to the judge."""

    def __init__(self, store: ClickHouseStore, registry: SeriesRegistry | None = None) -> None:
        self.store = store
        # Two runs never begin in the same nanosecond: inserts are told apart by that.
        self.clock = FakeClock(T0 + next(_RUNS))
        self.registry = SeriesRegistry() if registry is None else registry
        self.tally = SourceTally()
        self.handed: list[AdmittedMetrics | Records] = []
        self.pipeline = Pipeline(Config(), self.registry)
        self.pipeline.gate.resume(store.last_samples(T0 - from_seconds(7200)))
        self.writer = StoreWriter(self.pipeline, store, self.clock, self.tally, self.handed.append)
        self.writer.queue.batch_seconds = 0.005
        self.writer.start(store.recent_tokens(0))

    def series(self, name: str, kind: MetricKind = MetricKind.GAUGE, source: str = "test") -> int:
        return self.registry.intern(name, {}, source, kind)

    def stop(self) -> None:
        with suppress(AttributeError):
            self.store.gate.set()  # type: ignore[attr-defined]  # only a FailingStore has one
        self.writer.stop()


def samples(series: Sequence[int], seconds: Sequence[float], values: Sequence[float]) -> MetricBatch:
    times = T0 + np.array([from_seconds(s) for s in seconds], np.int64)
    return MetricBatch(np.array(series, np.uint32), times, np.array(values, np.float64))


def logs(token: int | NDArray[np.uint64], bodies: Sequence[str]) -> LogBatch:
    return build_logs([T0] * len(bodies), bodies, source="test", severity_number=9, request_token=token)


def spans(token: int, names: Sequence[str]) -> SpanBatch:
    start = [T0] * len(names)
    return build_spans(start, start, names, "0" * 32, "0" * 16, request_token=token)


def done(future: Future[None]) -> None:
    """Wait for the answer; raises what the future raises."""
    future.result(timeout=30)


def stored_samples(store: ClickHouseStore) -> list[tuple[int, int, float]]:
    """(series, seconds since T0, value) of everything stored, in order of time and series."""
    rows: list[tuple[int, int, float]] = []
    for batch in store.scan_samples(EVER):
        seconds = ((batch.time_unix_nano - T0) // SECOND).tolist()
        rows += zip(batch.series.tolist(), seconds, batch.value.tolist(), strict=True)
    return rows


def stored_bodies(store: ClickHouseStore) -> list[str]:
    return sorted(b for batch in store.scan_logs(EVER) for b in batch.records.column("body").to_pylist())


def stored_names(store: ClickHouseStore) -> list[str]:
    return sorted(store.read_spans(EVER, 1000).records.column("name").to_pylist())
