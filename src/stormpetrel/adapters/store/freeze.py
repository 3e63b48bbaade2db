"""One moment of the in-process engine as files, and a new engine from such files.

The engine freezes a table by links to its parts, which never change: it costs milliseconds and no room,
and what is merged or deleted later stays in the frozen folder. A new store makes its tables as they were
at that moment's schema and attaches the parts, so that later migrations find what they expect.
"""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

from stormpetrel.adapters.store.connections import Connections
from stormpetrel.adapters.store.inprocess import open_inprocess
from stormpetrel.adapters.store.part import select
from stormpetrel.adapters.store.schema import MIGRATIONS, migrate
from stormpetrel.errors import StoreError

_MIGRATIONS_TABLE = "migrations"
# Rows go in after their series: frozen before it, none is without.
_LAST = "series"
_TABLE = re.compile(r"[a-z][a-z0-9_]{0,62}")
# These keep the newest of several rows: how many there are depends on the merges.
_REPLACING = frozenset({"series", "findings"})


def reached(connections: Connections) -> int:
    """The newest migration of the tables."""
    return int(connections.value(select("max(number)", _MIGRATIONS_TABLE)))


def freeze(connections: Connections, into: Path) -> dict[str, int]:
    """Put the parts of every table into `into/<table>/<part>`; the rows by table.

    Each table is as of one moment; all of them are when nothing is inserted meanwhile, which is the
    caller's to see to. Cost: 10 ms a table and 20 µs a file, links only.

    Args:
        into: a new folder, on the engine's file system (else everything is copied).

    Raises:
        StoreError: the engine refuses, or the links cannot be made.
    """
    name = f"petrel{secrets.token_hex(8)}"
    found = connections.query(
        "SELECT name, toString(uuid) AS id FROM system.tables"
        " WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name"
    )
    tables = {row["name"]: row["id"] for row in found.to_pylist() if row["name"] != _MIGRATIONS_TABLE}
    root = Path(connections.value("SELECT path FROM system.disks WHERE name = 'default'"))
    frozen = root / "shadow" / name
    rows = {}
    try:
        for table in sorted(tables, key=lambda one: (one == _LAST, one)):
            connections.command(f"ALTER TABLE `{table}` FREEZE WITH NAME '{name}'")
        into.mkdir(parents=True, mode=0o700)
        for table, identity in tables.items():
            parts = frozen / "store" / identity[:3] / identity
            if parts.is_dir():
                shutil.move(parts, into / table)
            rows[table] = _rows(into / table)
    except OSError as error:
        raise StoreError(f"{into}: the telemetry cannot be frozen there: {error.strerror}") from error
    finally:
        shutil.rmtree(frozen, ignore_errors=True)
    return rows


def thaw(directory: Path, parts: Path, schema: int, memory_bytes: int) -> dict[str, int]:
    """Make a store on a new directory from frozen parts, which are moved; the rows by table.

    The tables are brought up to this program's schema at the end. Stops the engine before it returns.

    Args:
        directory: does not exist yet; its parent does.
        parts: `<table>/<part>` of `freeze`.
        schema: the migration that the tables had reached.
        memory_bytes: cap of the engine.

    Raises:
        StoreError: the schema is not known, a table of the parts is not, or the engine refuses a part.
    """
    migrations = tuple(one for one in MIGRATIONS if one.number <= schema)
    if not migrations or migrations[-1].number != schema:
        raise StoreError(f"the telemetry is at version {schema}, this program knows {MIGRATIONS[-1].number}")
    connections, lock = open_inprocess(directory, memory_bytes)
    try:
        migrate(connections, migrations)
        places = _places(connections)
        rows = {}
        for table in sorted(path.name for path in parts.iterdir()) if parts.is_dir() else ():
            if not _TABLE.fullmatch(table) or table not in places or table == _MIGRATIONS_TABLE:
                raise StoreError(f"the backup has parts of a table {table!r}, which version {schema} has not")
            rows[table] = _attach(connections, table, parts / table, places[table])
        migrate(connections)
        return rows
    except OSError as error:
        raise StoreError(f"{directory}: the telemetry cannot be put there: {error.strerror}") from error
    finally:
        connections.close()
        lock.release()


def _places(connections: Connections) -> dict[str, Path]:
    found = connections.query(
        "SELECT name, data_paths[1] AS place FROM system.tables WHERE database = currentDatabase()"
    )
    return {row["name"]: Path(row["place"]) for row in found.to_pylist()}


def _attach(connections: Connections, table: str, parts: Path, place: Path) -> int:
    """Attach every part of a table; a part that the engine finds broken is an error, never left out."""
    expected = _rows(parts)
    for part in sorted(parts.iterdir()):
        part.rename(place / "detached" / part.name)
    connections.command(f"ALTER TABLE `{table}` ATTACH PARTITION ALL")
    left = [path.name for path in (place / "detached").iterdir()]
    counted = int(connections.value(select("count()", table)))
    complete = counted <= expected if table in _REPLACING else counted == expected
    if left or not complete:
        raise StoreError(
            f"{table}: {counted} of {expected} rows could be put back, and the engine refused {left[:3]}"
        )
    return expected


def _rows(parts: Path) -> int:
    if not parts.is_dir():
        return 0
    return sum(int((part / "count.txt").read_text(encoding="ascii")) for part in parts.iterdir())
