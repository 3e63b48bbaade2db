"""A program that follows `*.log` of a directory into a file, until it is killed: see test_files_killed.

It stores a chunk as one JSON line (token, bodies), drops a token that it stored before, and acknowledges
only some time later, so that a kill falls between storing and acknowledging now and then.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import threading
import time
from concurrent.futures import Future
from datetime import UTC
from pathlib import Path

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.files import FileSource, Pace
from stormpetrel.app.config_sources import LogSourceConfig
from stormpetrel.ingest.timestamps import find_timestamp
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch


def stored(path: Path) -> tuple[set[int], list[str]]:
    """Tokens and bodies stored so far; a last line cut off by the kill was never acknowledged."""
    tokens: set[int] = set()
    bodies: list[str] = []
    for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if line.endswith("\n"):
            chunk = json.loads(line)
            tokens.add(chunk["token"])
            bodies += chunk["bodies"]
    return tokens, bodies


def find_time(line: bytes, observed_unix_nano: int) -> tuple[int, int] | None:
    return find_timestamp(line, UTC, observed_unix_nano)


class FileIntake:
    """An `Intake` for logs that keeps them in a file."""

    def __init__(self, path: Path) -> None:
        self._tokens, _ = stored(path)
        text = path.read_text() if path.exists() else ""
        path.write_text(text[: text.rfind("\n") + 1])
        self._out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def logs(self, batch: LogBatch, source: str) -> Future[None]:
        future: Future[None] = Future()
        threading.Thread(target=self._store, args=(batch, future), daemon=True).start()
        return future

    def _store(self, batch: LogBatch, future: Future[None]) -> None:
        columns = batch.records.to_pydict()
        token = columns["request_token"][0]
        time.sleep(random.random() * 0.02)
        if token not in self._tokens:
            self._tokens.add(token)
            os.write(self._out, json.dumps({"token": token, "bodies": columns["body"]}).encode() + b"\n")
        time.sleep(random.random() * 0.04)
        future.set_result(None)

    def metrics(self, batch: MetricBatch, source: str) -> Future[None]:
        raise NotImplementedError("a follower of log files has no metrics")

    def spans(self, batch: SpanBatch, source: str) -> Future[None]:
        raise NotImplementedError("a follower of log files has no spans")

    def records(self, batch: FlowBatch | AlertBatch | ChangeBatch, source: str) -> Future[None]:
        raise NotImplementedError("a follower of log files has no records of other kinds")

    def rejected(self, source: str, reason: str, rows: int, example: str = "") -> None:
        print("rejected", reason, example, flush=True)


class SqlitePositions:
    """`Positions` in SQLite, durable against the death of the process."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("CREATE TABLE IF NOT EXISTS positions (key TEXT PRIMARY KEY, value TEXT)")

    def get(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM positions WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (key, value))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    config = LogSourceConfig(files=[str(folder / "*.log")], from_start=True)
    pace = Pace(poll_seconds=0.01, rescan_seconds=0.05, linger_seconds=0.5)
    follower = FileSource(
        config, SqlitePositions(folder / "positions.db"), SystemClock(), "box", find_time, pace
    )
    follower.run(FileIntake(folder / "stored.jsonl"), threading.Event())
