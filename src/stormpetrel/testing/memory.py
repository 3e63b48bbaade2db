"""In-memory `Intake` and `Positions`, for tests of sources and for trying things out."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from stormpetrel.errors import OverloadedError
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch

Batch = MetricBatch | LogBatch | SpanBatch | FlowBatch | AlertBatch | ChangeBatch


@dataclass(frozen=True, slots=True)
class Kept:
    """One accepted batch and who gave it."""

    source: str
    batch: Batch


@dataclass(frozen=True, slots=True)
class Refusal:
    """One call of `rejected`."""

    source: str
    reason: str
    rows: int
    example: str


class MemoryIntake:
    """An `Intake` that keeps everything, tells a repeated request token, and can be told to fail.

    Memory grows with what it is given: for tests. `hold` makes acknowledgements wait for `release`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Kept] = []
        self._refusals: list[Refusal] = []
        self._tokens: set[int] = set()
        self._overloads = 0
        self._failures: deque[Exception] = deque()
        self._holding = False
        self._held: list[tuple[Future[None], Kept]] = []
        self.repeated = 0  # batches dropped because their token was known

    # the port --------------------------------------------------------------------------------------
    def metrics(self, batch: MetricBatch, source: str) -> Future[None]:
        """Keep samples."""
        return self._take(batch, source)

    def logs(self, batch: LogBatch, source: str) -> Future[None]:
        """Keep log records, unless their token was stored."""
        return self._take(batch, source)

    def spans(self, batch: SpanBatch, source: str) -> Future[None]:
        """Keep spans, unless their token was stored."""
        return self._take(batch, source)

    def records(self, batch: FlowBatch | AlertBatch | ChangeBatch, source: str) -> Future[None]:
        """Keep flows, alerts or changes, unless their token was stored."""
        return self._take(batch, source)

    def rejected(self, source: str, reason: str, rows: int, example: str = "") -> None:
        """Note a refusal."""
        with self._lock:
            self._refusals.append(Refusal(source, reason, rows, example))

    # the test's side -------------------------------------------------------------------------------
    def overload(self, times: int) -> None:
        """Raise `OverloadedError` for the next `times` batches."""
        with self._lock:
            self._overloads = times

    def fail(self, error: Exception, times: int = 1) -> None:
        """Let the futures of the next `times` batches raise `error`; nothing of them is kept."""
        with self._lock:
            self._failures.extend([error] * times)

    def hold(self) -> None:
        """Accept batches without acknowledging (nor keeping) them until `release`."""
        with self._lock:
            self._holding = True

    def release(self) -> None:
        """Keep and acknowledge what was held, and everything from now on at once."""
        with self._lock:
            held, self._held, self._holding = self._held, [], False
            for _, kept in held:
                self._keep(kept)
        for future, _ in held:
            future.set_result(None)

    @property
    def held(self) -> int:
        """How many batches wait for `release`."""
        with self._lock:
            return len(self._held)

    def kept(self, source: str = "") -> list[Kept]:
        """Accepted batches, in order, of one source or of all."""
        with self._lock:
            return [k for k in self._kept if source in ("", k.source)]

    def refusals(self) -> list[Refusal]:
        """Calls of `rejected`, in order."""
        with self._lock:
            return list(self._refusals)

    def samples(self) -> MetricBatch:
        """All samples, in order."""
        return MetricBatch.concat(self.metric_batches())

    def metric_batches(self) -> list[MetricBatch]:
        """The batches of samples, in order."""
        return [k.batch for k in self.kept() if isinstance(k.batch, MetricBatch)]

    def bodies(self) -> list[str]:
        """The bodies of all log records, in order."""
        batches = [k.batch for k in self.kept() if isinstance(k.batch, LogBatch)]
        return [str(body) for batch in batches for body in batch.records.column("body").to_pylist()]

    def log_rows(self) -> list[dict[str, object]]:
        """All log records as dictionaries, in order."""
        batches = [k.batch for k in self.kept() if isinstance(k.batch, LogBatch)]
        return [row for batch in batches for row in batch.records.to_pylist()]

    def _take(self, batch: Batch, source: str) -> Future[None]:
        future: Future[None] = Future()
        kept = Kept(source, batch)
        with self._lock:
            if self._overloads > 0:
                self._overloads -= 1
                raise OverloadedError("the intake's queue is full; send again later")
            if self._failures:
                future.set_exception(self._failures.popleft())
            elif self._holding:
                self._held.append((future, kept))
            else:
                self._keep(kept)
                future.set_result(None)
        return future

    def _keep(self, kept: Kept) -> None:
        tokens = _tokens(kept.batch)
        if tokens and tokens <= self._tokens:
            self.repeated += 1
            return
        self._tokens |= tokens
        self._kept.append(kept)


def _tokens(batch: Batch) -> set[int]:
    if isinstance(batch, MetricBatch):
        return set()
    column = batch.records.column("request_token").to_numpy(zero_copy_only=False)
    return {int(token) for token in np.unique(column) if token != 0}


class MemoryPositions:
    """`Positions` in a dictionary; `puts` counts how often something was kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}
        self.puts = 0

    def get(self, key: str) -> str | None:
        """The text last put under the key."""
        with self._lock:
            return self._texts.get(key)

    def put(self, key: str, value: str) -> None:
        """Keep the text."""
        with self._lock:
            self._texts[key] = value
            self.puts += 1
