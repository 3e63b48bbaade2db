"""The journal of idempotency keys: what makes an act happen once where the system itself keeps no key.

Before an effect the key is put on record as intended, with the generations of its targets, and is on the
device when `intend` returns; afterwards its answer is. A process that is killed in between leaves `intended`
behind: then nobody acts again for this key before somebody found out what is true.

SQLite with `synchronous=EXTRA`, so that records survive the loss of power, and one lock file for each of 64
stripes of keys, held (`flock`) while a key is acted on, also between processes; the kernel drops it with its
holder. Fails (OSError, sqlite3.Error) when the folder cannot be written: then nothing may be acted on.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STRIPES = 64
MAX_KEYS = 50_000
_POLL_SECONDS = 0.02
_TABLES = """
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, state TEXT NOT NULL, before TEXT NOT NULL,
    answer TEXT NOT NULL, number INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS keys_by_number ON keys (number);
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY, entity TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS changes_by_entity ON changes (entity, number);
CREATE TABLE IF NOT EXISTS lease (one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL) STRICT;
"""

INTENDED, DONE, NOT_DONE = "intended", "done", "not_done"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is on record of a key.

    Attributes:
        digest: of the action it was given with.
        state: `INTENDED`, `DONE` or `NOT_DONE`.
        before: text of the caller: how the targets stood before.
        answer: text of the caller; "" while intended.
    """

    digest: str
    state: str
    before: str
    answer: str


class KeyJournal:
    """The keys of one actuator. Safe from any thread and process; costs one or two fsyncs an act.

    Args:
        folder: made when it is not there, for this account alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stripes = [threading.Lock() for _ in range(STRIPES)]
        self._connection: sqlite3.Connection | None = None

    def look(self, key: str) -> KeyRecord | None:
        """What is on record of a key."""
        with self._open() as database:
            row = database.execute(
                "SELECT digest, state, before, answer FROM keys WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else KeyRecord(*row)

    def intend(self, key: str, digest: str, before: str) -> None:
        """Put the intention on record; on the device on return."""
        with self._open() as database:
            database.execute(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, '',"
                " (SELECT coalesce(max(number), 0) + 1 FROM keys))",
                (key, digest, INTENDED, before),
            )
            # The oldest that are settled go; what is in doubt stays.
            database.execute(
                "DELETE FROM keys WHERE state != ? AND number <= (SELECT max(number) FROM keys) - ?",
                (INTENDED, MAX_KEYS),
            )

    def settle(self, key: str, state: str, answer: str) -> None:
        """Put the answer on record."""
        with self._open() as database:
            database.execute("UPDATE keys SET state = ?, answer = ? WHERE key = ?", (state, answer, key))

    def add_change(self, entity: str, before: str, after: str) -> None:
        """Remember that an act of ours led from one generation to another."""
        with self._open() as database:
            database.execute(
                "INSERT INTO changes (entity, before, after) VALUES (?, ?, ?)", (entity, before, after)
            )
            database.execute(
                "DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - ?", (MAX_KEYS,)
            )

    def leads(self, entity: str, before: str, after: str) -> bool:
        """Whether only acts of ours, the last twenty looked at, led from one generation to the other."""
        with self._open() as database:
            rows = database.execute(
                "SELECT before, after FROM changes WHERE entity = ? ORDER BY number DESC LIMIT 20", (entity,)
            ).fetchall()
        for one_before, one_after in rows:
            if after == one_after:
                after = one_before
            if after == before:
                return True
        return False

    def raise_token(self, token: int) -> bool:
        """Keep the highest fencing token; False when a higher one was seen: this order is an old one."""
        with self._open() as database:
            database.execute(
                "INSERT INTO lease VALUES (1, ?) ON CONFLICT (one) DO UPDATE"
                " SET token = excluded.token WHERE excluded.token > token",
                (token,),
            )
            (highest,) = database.execute("SELECT token FROM lease").fetchone()
        return bool(token >= highest)

    @contextmanager
    def alone(self, key: str, seconds: float) -> Iterator[bool]:
        """Hold the key's stripe; gives False when another thread or process held it for so long."""
        deadline = time.monotonic() + seconds
        stripe = zlib.crc32(key.encode("utf-8", "replace")) % STRIPES
        if not self._stripes[stripe].acquire(timeout=max(0.0, seconds)):
            yield False
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(
                self._folder / f"lock-{stripe:02d}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                yield _locked(descriptor, deadline)
            finally:
                os.close(descriptor)  # and with it the lock
        finally:
            self._stripes[stripe].release()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The database in a transaction of its own that excludes other writers."""
        with self._lock:
            if self._connection is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = self._folder / "keys.sqlite"
                self._connection = sqlite3.connect(
                    path, timeout=10.0, isolation_level=None, check_same_thread=False
                )
                path.chmod(0o600)
                self._connection.execute("PRAGMA synchronous = EXTRA")
                self._connection.executescript(_TABLES)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _locked(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
