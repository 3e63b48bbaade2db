"""The connection to the control database: SQLite or PostgreSQL, set up the way every transaction needs it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import NoSuchModuleError

from stormpetrel.adapters.store.control_rows import json_text, json_value
from stormpetrel.errors import ConfigError, StoreError

BUSY_SECONDS = 15
WRITES = "petrel_writes"  # an option of transactions that write
_POLL_SECONDS = 0.02
_JSON: dict[str, Any] = {"json_serializer": json_text, "json_deserializer": json_value}


def engine_of(url: URL) -> Engine:
    """Make the engine; the directory and the file of SQLite are created, and readable for their owner alone.

    Raises:
        ConfigError: it names no file, a driver that is missing, or another database.
        StoreError: the file cannot be made.
    """
    kind = url.get_backend_name()
    if kind == "postgresql":
        try:
            return create_engine(url, pool_pre_ping=True, **_JSON)
        except (ImportError, NoSuchModuleError) as error:
            raise ConfigError(f"store.control_url: no driver for {url.drivername}: {error}") from error
    if kind != "sqlite":
        raise ConfigError(f"store.control_url: {kind} is not supported; use sqlite or postgresql")
    if not url.database or url.database == ":memory:":
        raise ConfigError("store.control_url: names no file; write sqlite:////path/control.db")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # It holds password hashes and the key of the sessions; SQLite gives its other files this mode too.
        Path(url.database).touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{url.database}: it cannot be made: {error.strerror}") from error
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        **_JSON,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin transactions by itself, but not around DDL: SQLAlchemy begins them instead.
    connection.isolation_level = None
    _use_wal(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: Any) -> None:
    """Set the journal mode, waiting for others that do: SQLite refuses all but one of them at once.

    Each has read the file's header and wants it for itself, which no busy timeout resolves: the lock that
    each waits for is the other's. It happens on a new file only; on others the mode is this one already.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _begin_sqlite(connection: Any) -> None:
    # Who reads first and writes then would be refused at once when somebody else wrote in between: no waiting
    # helps a transaction whose view is of the past. So who means to write takes its turn at the beginning.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
