"""The intake port: how sources hand over batches, and what an acknowledgement means."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch


class Intake(Protocol):
    """Takes batches from sources and answers when they are stored.

    Each method returns at once with a future that is done *after the insert*: a source acknowledges to
    its sender only then. The future raises `StoreFullError` or `StoreError` when nothing was kept and
    the sender should try again; one that is not `retryable` (`UnstorableError`) is about this batch
    alone, and
    there is no use in sending it again. A full queue raises `OverloadedError` right away.

    A batch of log records or spans carries the `request_token` of the request it came in (a 64-bit hash
    of source and body, or of file identity and byte range): a token that was stored within the last hour is a
    sender's retry, is not stored again, and is acknowledged. Metric samples need no token: admission
    knows the newest sample of every series.
    """

    def metrics(self, batch: MetricBatch, source: str) -> Future[None]:
        """Samples of series interned in the registry."""
        ...

    def logs(self, batch: LogBatch, source: str) -> Future[None]:
        """Log records."""
        ...

    def spans(self, batch: SpanBatch, source: str) -> Future[None]:
        """Spans."""
        ...

    def records(self, batch: FlowBatch | AlertBatch | ChangeBatch, source: str) -> Future[None]:
        """Flows, alerts of other systems, or changes; tokens as for log records."""
        ...

    def rejected(self, source: str, reason: str, rows: int, example: str = "") -> None:
        """Count what a decoder refused; `reason` comes from a small fixed set (`DecodeError.reason` …)."""
        ...
