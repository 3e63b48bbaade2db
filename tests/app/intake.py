"""A writer over the real store, which fails when it is told to."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormpetrel.adapters.store.clickhouse import ClickHouseStore
from stormpetrel.app.config import Config
from stormpetrel.app.drain import SpillDrain
from stormpetrel.app.inserts import Stored
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.recover import recover
from stormpetrel.app.spill import Spill
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.writer import StoreWriter
from stormpetrel.errors import StoreError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs, build_spans
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.query import LastSamples
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, MetricKind, SeriesInfo, SpanBatch
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
        store.away = False
        store.refused = set()
        return store

    armed: dict[str, deque[tuple[Exception, bool]]]
    calls: list[str]
    gate: threading.Event
    away: bool  # whether nothing answers, neither inserts nor questions
    refused: set[float | str]  # values and bodies for which an insert raises, each time

    def fail(self, call: str, error: Exception | None = None, *, after: bool = False, times: int = 1) -> None:
        waiting = self.armed.setdefault(call, deque())
        waiting.extend([(error or StoreError("told to fail"), after)] * times)

    def _passing(self, name: str, call: Callable[[], None]) -> None:
        self.gate.wait(30)
        self.calls.append(name)
        self._answer()
        waiting = self.armed.get(name)
        error, after = waiting.popleft() if waiting else (None, True)
        if after:
            call()
        if error is not None:
            raise error

    def _answer(self) -> None:
        if self.away:
            raise StoreError("away")

    def insert_series(self, series: Sequence[SeriesInfo]) -> None:
        self._refuse([info.metric for info in series])
        self._passing("series", lambda: super(FailingStore, self).insert_series(series))

    def insert_samples(self, batch: MetricBatch, token: str) -> None:
        self._refuse(batch.value.tolist())
        self._passing("samples", lambda: super(FailingStore, self).insert_samples(batch, token))

    def insert_quarantine(self, quarantined: Quarantined, token: str) -> None:
        self._passing("quarantine", lambda: super(FailingStore, self).insert_quarantine(quarantined, token))

    def insert_logs(self, batch: LogBatch, token: str) -> None:
        self._refuse(batch.records.column("body").to_pylist())
        self._passing("logs", lambda: super(FailingStore, self).insert_logs(batch, token))

    def insert_spans(self, batch: SpanBatch, token: str) -> None:
        self._passing("spans", lambda: super(FailingStore, self).insert_spans(batch, token))

    def insert_records(self, batch: FlowBatch | AlertBatch | ChangeBatch, token: str) -> None:
        self._passing("records", lambda: super(FailingStore, self).insert_records(batch, token))

    def _refuse(self, values: Sequence[float | str]) -> None:
        if self.refused.intersection(values):
            raise ValueError("this the client does not digest")

    def last_samples(self, since_unix_nano: int) -> LastSamples:
        self._answer()
        return super().last_samples(since_unix_nano)

    def recent_tokens(self, since_unix_nano: int) -> NDArray[np.uint64]:
        self._answer()
        return super().recent_tokens(since_unix_nano)


class Intake:
    """A started writer with its pipeline; `handed` is what went on to the judge.

    With a `spill` it is put together as the runtime does, and takes up what was left there.
    """

    def __init__(
        self,
        store: ClickHouseStore,
        registry: SeriesRegistry | None = None,
        spill: Path | None = None,
        spill_bytes: int = 1 << 30,
    ) -> None:
        self.store = store
        # Two runs never begin in the same nanosecond: inserts are told apart by that.
        self.clock = FakeClock(T0 + next(_RUNS))
        self.registry = SeriesRegistry() if registry is None else registry
        self.tally = SourceTally()
        self.handed: list[Stored] = []
        self.pipeline = Pipeline(Config(), self.registry)
        self.pipeline.gate.resume(store.last_samples(T0 - from_seconds(7200)))
        self.writer = StoreWriter(self.pipeline, store, self.clock, self.tally, self.handed.append)
        self.writer.queue.batch_seconds = 0.005
        tokens = store.recent_tokens(0)
        if spill is not None:
            tokens = np.concatenate([tokens, self._take_up(Spill(spill, spill_bytes))])
        self.writer.start(tokens)

    def _take_up(self, spill: Spill) -> NDArray[np.uint64]:
        series, tokens = recover(spill, list(self.store.all_series()), self.pipeline.gate)
        if not len(self.registry):
            self.registry.load(series)
        self.writer.spill_to(spill, when_full=False)
        self.drain.first_pause_seconds = 0.01
        return tokens

    @property
    def drain(self) -> SpillDrain:
        assert self.writer._drain is not None
        return self.writer._drain

    def drained(self) -> None:
        """Wait until nothing is spilled any more."""
        until(lambda: not self.drain.active)

    def series(self, name: str, kind: MetricKind = MetricKind.GAUGE, source: str = "test") -> int:
        return self.registry.intern(name, {}, source, kind)

    def stop(self) -> None:
        with suppress(AttributeError):
            self.store.gate.set()  # type: ignore[attr-defined]  # only a FailingStore has one
        self.writer.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for it, for as long as a busy machine may need."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


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
