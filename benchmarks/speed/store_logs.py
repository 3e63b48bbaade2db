"""Log records in the store: inserted a second, bytes a record, and how long a search takes.

The baseline is a SQLite table with an index on time, searched with LIKE; both hold the same records.

    python benchmarks/speed/store_logs.py [--records 1000000] [--batch 20000]
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from stormpetrel.adapters.store import ClickHouseStore, open_store
from stormpetrel.app.config import StoreConfig
from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import LOG_SCHEMA, LogBatch
from stormpetrel.model.time import Window

START = 1_700_000_000_000_000_000
STEP = 10_000_000
SENTENCES = (
    "Accepted publickey for deploy from 10.0.{a}.{b} port {c} ssh2",
    "GET /api/v1/orders/{c} HTTP/1.1 200 {a} 0.{b}",
    "Connection to upstream 10.1.{a}.{b} timed out after {c} ms",
    "Started Session {c} of user app{a}.",
    "kernel: [{c}.{b}] eth0: link up, {a} Mbps full duplex",
)


def batch(first: int, rows: int) -> LogBatch:
    """Records `first` to `first + rows`, one every 10 ms; one in 100,000 holds a rare word."""
    rng = np.random.default_rng(first)
    numbers = rng.integers(0, [256, 256, 65536], (rows, 3)).tolist()
    bodies = [
        "panic: rarewordfound" if (first + row) % 100_000 == 77 else SENTENCES[c % 5].format(a=a, b=b, c=c)
        for row, (a, b, c) in enumerate(numbers)
    ]
    times = START + STEP * np.arange(first, first + rows, dtype=np.int64)
    filled = {
        "time_unix_nano": times,
        "observed_unix_nano": times + 1000,
        "entity": [f"host:web-{row % 50}" for row in range(rows)],
        "source": ["journald"] * rows,
        "severity_number": rng.integers(5, 18, rows).astype(np.uint8),
        "body": bodies,
        "attributes": ["{}"] * rows,
        "trace_id": [""] * rows,
        "span_id": [""] * rows,
        "request_token": np.full(rows, first + 1, np.uint64),
        "pattern": [c % 5 + 1 for _, _, c in numbers],
    }
    return LogBatch(pa.RecordBatch.from_pydict(filled, schema=LOG_SCHEMA))


def milliseconds(call: Callable[[], object], times: int = 9) -> float:
    """Median of some calls."""
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        call()
        taken.append((time.perf_counter() - before) * 1e3)
    return statistics.median(taken)


def insert(store: ClickHouseStore, baseline: sqlite3.Connection, records: int, rows: int) -> None:
    """The same batches into both, in turn."""
    taken, ratios = [], []
    for first in range(0, records, rows):
        made = batch(first, rows)
        before = time.perf_counter()
        store.insert_logs(made, f"batch-{first}")
        taken.append(time.perf_counter() - before)
        lines = [tuple(row.values()) for row in made.records.select([0, 2, 4, 5]).to_pylist()]
        before = time.perf_counter()
        with baseline:
            baseline.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", lines)
        ratios.append((time.perf_counter() - before) / taken[-1])
    print(f"{records / sum(taken):,.0f} records/s while inserting, {rows:,} at once")
    print(f"ratio to SQLite with four of the ten columns, paired: {statistics.median(ratios):.2f} x as fast")


def _fetch(baseline: sqlite3.Connection, statement: str, word: str) -> object:
    return baseline.execute(statement, (word,)).fetchall()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=20_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        baseline = sqlite3.connect(Path(directory) / "baseline.db")
        baseline.execute("PRAGMA journal_mode = WAL")
        baseline.execute("CREATE TABLE logs (time INTEGER, entity TEXT, severity INTEGER, body TEXT)")
        baseline.execute("CREATE INDEX by_time ON logs (time)")
        store = open_store(StoreConfig(), Path(directory))
        insert(store, baseline, args.records, args.batch)
        held = {size.table: size for size in store.table_sizes()}["logs"]
        print(f"bytes a record: {held.bytes_on_disk / held.rows:.1f}")
        window = Window(START, START + STEP * args.records)
        like = "SELECT * FROM logs WHERE body LIKE ? ORDER BY time DESC LIMIT 200"
        for word in ("rarewordfound", "nothing like it", "timed out"):
            ours = milliseconds(partial(store.read_logs, LogQuery(window, text=word)))
            theirs = milliseconds(partial(_fetch, baseline, like, f"%{word}%"), 3)
            print(f"search {word!r}: {ours:.1f} ms, SQLite {theirs:.1f} ms, {theirs / ours:.1f} x as fast")
        print(f"newest 200: {milliseconds(lambda: store.read_logs(LogQuery(window))):.1f} ms")
        print(f"counts, 60 buckets: {milliseconds(lambda: store.count_logs(LogQuery(window), 60)):.1f} ms")
        print(f"recent tokens: {milliseconds(lambda: store.recent_tokens(0)):.1f} ms")
        store.close()


if __name__ == "__main__":
    main()
