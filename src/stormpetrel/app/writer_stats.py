"""What the writer did, for self-observation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.app.inserts import Insert, SampleInsert
from stormpetrel.model.signal import LogBatch, SpanBatch


@dataclass(slots=True)
class WriterStats:
    """Counts since start; read without a lock, so only roughly in step.

    What waits in the spill is counted once it is in the store.
    """

    samples_total: int = 0
    log_records_total: int = 0
    spans_total: int = 0
    other_records_total: int = 0  # flows, alerts, changes
    quarantined_total: int = 0
    refused_rows_total: int = 0
    failed_inserts_total: int = 0
    unstorable_rows_total: int = 0
    insert_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    quarantined_recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=20_000))

    def count(self, insert: Insert, now_unix_nano: int) -> None:
        """An insert is in the store now."""
        if isinstance(insert, SampleInsert):
            self.samples_total += len(insert.admitted.batch) + len(insert.late)
            apart = len(insert.quarantined.batch)
            if apart:
                self.quarantined_total += apart
                self.quarantined_recent.append((now_unix_nano, apart))
        elif isinstance(insert.batch, LogBatch):
            self.log_records_total += len(insert)
        elif isinstance(insert.batch, SpanBatch):
            self.spans_total += len(insert)
        else:
            self.other_records_total += len(insert)

    def quarantined_since(self, since_unix_nano: int) -> int:
        """Samples kept apart since then (of the last twenty thousand inserts that had any)."""
        return sum(rows for time, rows in list(self.quarantined_recent) if time >= since_unix_nano)

    def insert_p99_seconds(self) -> float:
        """99th percentile of the last thousand insert times; 0 before the first."""
        times = list(self.insert_seconds)
        return float(np.quantile(times, 0.99)) if times else 0.0
