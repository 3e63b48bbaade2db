"""A copy of a SQLite file as it was at one moment, while others go on writing."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from stormpetrel.errors import StoreError

_BUSY_SECONDS = 15
_PAGES_A_STEP = 4096


class PinnedDatabase:
    """Holds one moment of a SQLite database from its making on, to be copied when there is time.

    It reads through SQLite's own snapshots (WAL): writers are not held up, and what they commit later is
    not seen. Never read that file by other means in a process that has it open: closing it would drop the
    process's locks on it. One thread at a time.

    Args:
        path: the SQLite file.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise StoreError(f"{path}: there is no such database")
        address = f"file:{quote(str(path.resolve()))}?mode=rw"
        try:
            self._connection = sqlite3.connect(
                address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on
        except sqlite3.Error as error:
            raise StoreError(f"{path}: it cannot be read as a database: {error}") from error

    def revision(self) -> str:
        """The schema of a control store.

        Raises:
            StoreError: it is none.
        """
        try:
            found = self._connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: it is no control store: {error}") from error
        return str(found[0]) if found else ""

    def copy(self, target: Path) -> None:
        """Write the moment into a new file, readable by its owner only, and have SQLite check it.

        Cost: about 0.2 GB/s.

        Raises:
            StoreError: it cannot be written, or the check fails.
        """
        try:
            target.touch(mode=0o600, exist_ok=False)
            copied = sqlite3.connect(target, isolation_level=None)
            try:
                self._connection.backup(copied, pages=_PAGES_A_STEP)
                copied.execute("PRAGMA journal_mode = DELETE")  # one file, without another beside it
                check(copied, str(self._path))
            finally:
                copied.close()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{target}: {self._path} cannot be copied there: {error}") from error

    def close(self) -> None:
        """Let go of the moment."""
        self._connection.close()


def check(connection: sqlite3.Connection, name: str) -> None:
    """Have SQLite look through a whole database.

    Raises:
        StoreError: with the first thing that it found.
    """
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{name}: the database is damaged: {found}")


def check_file(path: Path) -> None:
    """The same for a file that nobody has open.

    Raises:
        StoreError: it is damaged, or no database.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            check(connection, str(path))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: it cannot be read as a database: {error}") from error
