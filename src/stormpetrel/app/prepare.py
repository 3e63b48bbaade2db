"""What every batch goes through before it is queued: ids out of texts, then secrets out of texts."""

from __future__ import annotations

from stormpetrel.app.config import RedactConfig
from stormpetrel.app.inserts import Signals
from stormpetrel.ingest.redact import Redactor, scan_batch
from stormpetrel.ingest.redact_text import OwnPattern
from stormpetrel.ingest.trace_ids import with_trace_ids
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch, MetricBatch


def build_redactor(config: RedactConfig) -> Redactor | None:
    """The redactor as configured; None when it is switched off."""
    if not config.enabled:
        return None
    return Redactor(config.keep, [OwnPattern(one.name, one.regex) for one in config.patterns])


class Prepare:
    """Called with every batch in the thread of whoever brings it, before the batch is queued.

    Safe from several threads at once. Metric samples pass as they are: their labels are interned before.
    """

    def __init__(self, config: RedactConfig) -> None:
        self.redactor = build_redactor(config)
        # Compiled now (or read from the cache), not while the first sender waits.
        first = with_trace_ids(build_logs([1], ["a@b.example trace_id=0"], source=""))
        if self.redactor is not None:
            Redactor().batch(first)

    def __call__(self, batch: Signals) -> Signals:
        """The batch as it is to be stored."""
        if isinstance(batch, MetricBatch):
            return batch
        if self.redactor is None:
            return with_trace_ids(batch) if isinstance(batch, LogBatch) else batch
        found = scan_batch(batch)  # one look through the texts for both
        if isinstance(batch, LogBatch):
            batch = with_trace_ids(batch, found)
        return self.redactor.batch(batch, found)

    def text(self, text: str) -> str:
        """One text of this process itself, redacted."""
        return text if self.redactor is None else self.redactor.text(text)

    def counts(self) -> dict[str, int]:
        """Texts by what was taken out of them, since the start."""
        return {} if self.redactor is None else self.redactor.counts()
