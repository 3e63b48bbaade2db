"""The telemetry store: what is written, and how it is let go.

One class over both ways to connect; reading is in `read_samples.py`, `read_logs.py`, `read_records.py`,
`read_findings.py` and `read_situation.py`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from stormpetrel.adapters.store import rows
from stormpetrel.adapters.store.connections import Connections
from stormpetrel.adapters.store.freeze import freeze, reached
from stormpetrel.adapters.store.inprocess import DirectoryLock
from stormpetrel.adapters.store.part import bounds, select
from stormpetrel.adapters.store.read_findings import FindingReader
from stormpetrel.adapters.store.read_logs import LogReader
from stormpetrel.adapters.store.read_records import RecordReader
from stormpetrel.adapters.store.read_samples import SampleReader
from stormpetrel.adapters.store.read_situation import SituationReader
from stormpetrel.errors import StoreError
from stormpetrel.model.finding import Finding
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SeriesInfo, SpanBatch
from stormpetrel.model.time import Window

_SECONDS_PER_DAY = 86_400
_FAILED_TOKENS_KEPT = 1024
_SERIES_A_STATEMENT = 5_000


class ClickHouseStore(SampleReader, LogReader, RecordReader, FindingReader, SituationReader):
    """`ports.store.TelemetryStore` in ClickHouse SQL, in this process or on a server.

    Made by `open_store`. An insert is one block and one part: all of it is there or nothing. It is safe
    from the death of the process when it returned, and from loss of power with `store.fsync`. A token is
    remembered for the last 10,000 inserts of a table; a repeat belongs into the calendar week of its
    first try, which this object remembers for the last 1,024 tokens that failed.

    Methods may be called from any thread; up to 8 calls (16 on a server) run at once, others wait.
    """

    def __init__(self, connections: Connections, lock: DirectoryLock | None) -> None:
        super().__init__(connections)
        self._lock = lock
        self._guard = threading.Lock()
        self._failed: OrderedDict[str, int] = OrderedDict()
        numbered = {"findings": "change", "series": "change", "alerts": "arrival", "changes": "arrival"}
        self._change = max(
            int(connections.value(select(f"max({column})", table))) for table, column in numbered.items()
        )

    def insert_series(self, series: Sequence[SeriesInfo]) -> None:
        """Register series; about 0.1 M a second."""
        if series:
            self._connections.insert("series", rows.series_table(series, self._next_change(len(series))))

    def insert_samples(self, batch: MetricBatch, token: str) -> None:
        """Store samples; 0.6 M a second in batches of 50,000 on two cores that are busy besides."""
        if len(batch):
            stored = self._stored(token)
            self._insert("samples", rows.sample_table(batch, stored // _SECONDS_PER_DAY), token, stored)

    def insert_quarantine(self, quarantined: Quarantined, token: str) -> None:
        """Store samples apart."""
        if len(quarantined.batch):
            stored = self._stored(token)
            table = rows.quarantine_table(quarantined, stored // _SECONDS_PER_DAY)
            self._insert("quarantine", table, token, stored)

    def insert_logs(self, batch: LogBatch, token: str) -> None:
        """Store log records."""
        if len(batch):
            self._insert_records("logs", batch.records, token)

    def insert_spans(self, batch: SpanBatch, token: str) -> None:
        """Store spans."""
        if len(batch):
            self._insert_records("spans", batch.records, token)

    def insert_records(self, batch: FlowBatch | AlertBatch | ChangeBatch, token: str) -> None:
        """Store flows, alerts or changes; of two messages with one time the one stored later is newer."""
        if not len(batch):
            return
        if isinstance(batch, FlowBatch):
            self._insert_records("flows", batch.records, token)
            return
        first = self._next_change(len(batch))
        arrival = pa.array(np.arange(first, first + len(batch), dtype=np.uint64))
        table = "alerts" if isinstance(batch, AlertBatch) else "changes"
        self._insert_records(table, batch.records.append_column("arrival", arrival), token)

    def insert_findings(self, findings: Sequence[Finding]) -> None:
        """Store finding changes, in the order given."""
        if findings:
            today = int(time.time()) // _SECONDS_PER_DAY
            table = rows.finding_table(findings, self._next_change(len(findings)), today)
            self._connections.insert("findings", table)

    def drop_quarantine(self, window: Window, series: Sequence[int] | None = None) -> None:
        """Delete quarantined samples of the window, of some series or of all; gone when it returned.

        The store rewrites the parts that hold them: seconds for some millions.
        """
        # Whole numbers, written out: a mutation is kept as text and takes no parameters on every server.
        asked = bounds(window)
        inside = f"time_unix_nano >= {asked['start']} AND time_unix_nano < {asked['end']}"
        if series is None:
            self._delete_quarantined(inside)
            return
        for start in range(0, len(series), _SERIES_A_STATEMENT):
            some = ", ".join(str(int(one)) for one in series[start : start + _SERIES_A_STATEMENT])
            self._delete_quarantined(f"{inside} AND series IN ({some})")

    def _delete_quarantined(self, condition: str) -> None:
        delete = f"ALTER TABLE quarantine DELETE WHERE {condition} SETTINGS mutations_sync = 2"
        self._connections.command(delete)

    def freeze(self, into: Path) -> dict[str, int]:
        """Put one moment of the engine in this process into a new folder; see `freeze.freeze`."""
        return freeze(self._connections, into)

    def schema(self) -> int:
        """The newest migration of the tables."""
        return reached(self._connections)

    def close(self) -> None:
        """Wait for calls under way, let go of the engine and of the directory; twice is as once."""
        self._connections.close()
        if self._lock is not None:
            self._lock.release()

    def _insert_records(self, table: str, records: pa.RecordBatch, token: str) -> None:
        stored = self._stored(token)
        column = rows.constant(stored, records.num_rows, pa.uint32())
        filled = pa.Table.from_batches([records]).append_column("stored", column)
        self._insert(table, rows.coded(filled), token, stored)

    def _insert(self, table: str, filled: pa.Table, token: str, stored: int) -> None:
        try:
            self._connections.insert(table, filled, token)
        except StoreError:
            with self._guard:
                self._failed[token] = stored
                while len(self._failed) > _FAILED_TOKENS_KEPT:
                    self._failed.popitem(last=False)
            raise

    def _stored(self, token: str) -> int:
        """When the rows under this token were stored, or tried to be: the same second for a repeat."""
        now = int(time.time())
        with self._guard:
            return self._failed.pop(token, now)

    def _next_change(self, count: int) -> int:
        """The first of `count` fresh change numbers: grows even when the clock goes back."""
        with self._guard:
            first = max(self._change + 1, time.time_ns())
            self._change = first + count - 1
            return first
