"""The engine inside this process: chDB on a directory that this process owns.

chDB wants some care, all of it here: one process owns a directory (a lock with a plain message), one
directory a process, its own configuration file (at import it would read `config.xml` of whatever
directory the process happens to be in), a memory cap, and one client a thread.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from stormpetrel.adapters.store.connections import SETTINGS, Connections, explain
from stormpetrel.errors import StoreError, StoreFullError, StoreLockedError

CONNECTIONS = 8
DATABASE = "stormpetrel"

# Few threads: a store of one process needs no more, and the host that is watched is the same. From a
# hundred outdated parts on the engine would start 128 threads to remove them, which then rest for ever: it
# is told to remove them one by one, however many.
# Merges run on two threads, so that they do not starve the pipeline of a small machine; the three
# numbers of the merge tree must fit into that pool, or merges stay small.
_ENGINE_CONFIG = """<clickhouse>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <storage_configuration>
    <disks><default><keep_free_space_bytes>{merge_reserve_bytes}</keep_free_space_bytes></default></disks>
  </storage_configuration>
  <max_thread_pool_free_size>8</max_thread_pool_free_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <max_parts_cleaning_thread_pool_size>2</max_parts_cleaning_thread_pool_size>
  <max_outdated_parts_loading_thread_pool_size>2</max_outdated_parts_loading_thread_pool_size>
  <max_active_parts_loading_thread_pool_size>4</max_active_parts_loading_thread_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <merge_tree>
    <concurrent_part_removal_threshold>1000000</concurrent_part_removal_threshold>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
"""

# The index over log texts is half of the cost of an insert of logs: merges build it instead, and what is
# not merged yet, the newest, is searched as it is.
_INSERTS = {"exclude_materialize_skip_indexes_on_insert": "body_text"}

_importing = threading.Lock()


class DirectoryLock:
    """Ownership of a data directory, for as long as the process lives or until `release`.

    An advisory lock of the operating system on `store.lock`, which holds the owner's process id: a
    process that died, however it died, holds nothing, so a stale file is taken over.

    Raises:
        StoreLockedError: another process, or another store of this one, owns the directory.
        StoreError: the file cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "store.lock"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+", encoding="ascii")
        except OSError as error:
            raise StoreError(f"{directory}: cannot be used as data directory: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            owner = self._file.read(20).strip() or "unknown"
            self._file.close()
            raise StoreLockedError(
                f"{directory}: already in use by process {owner}; stop that process"
                " or give this one another data_dir"
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the directory back."""
        self._file.close()


def open_inprocess(directory: Path, memory_bytes: int) -> tuple[Connections, DirectoryLock]:
    """Start the engine on a directory, created when missing.

    While the engine's module is imported, once a process, the current directory is `directory`.

    Raises:
        StoreLockedError: another process owns the directory.
        StoreError: the engine does not start there, or already runs on another directory.
    """
    directory = directory.resolve()
    lock = DirectoryLock(directory)
    try:
        return _start(directory, memory_bytes), lock
    except StoreError:
        lock.release()
        raise


def _start(directory: Path, memory_bytes: int) -> Connections:
    config = directory / "engine.xml"
    reserve = _reserve_bytes(directory)
    engine = directory / "engine"

    def connect(database: str | None = DATABASE) -> Client:
        return get_client(
            interface="chdb",
            path=str(engine),
            database=database,
            settings={**SETTINGS, **_INSERTS, "output_format_arrow_compression_method": "none"},
            chdb_options={"config-file": str(config)},
        )

    try:
        config.write_text(
            _ENGINE_CONFIG.format(memory_bytes=memory_bytes, merge_reserve_bytes=reserve // 2),
            encoding="ascii",
        )
        engine.mkdir(exist_ok=True)
        _import_engine(engine)
        with connect(None) as first:
            first.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
            return Connections(
                connect,
                CONNECTIONS,
                retry=False,
                name=str(directory),
                anchor=connect(),
                before_insert=partial(_refuse_when_full, directory, reserve),
            )
    except (ClickHouseError, OSError, RuntimeError) as error:
        raise explain(error, str(directory)) from error


def _reserve_bytes(directory: Path) -> int:
    """Room that is never written to: a sixteenth of the device, 256 MiB at most.

    Inserts stop at it and merges at half of it, because a merge that meets a full device can leave a part
    that cannot be read.
    """
    return min(256 << 20, shutil.disk_usage(directory).total // 16)


def _refuse_when_full(directory: Path, reserve: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < reserve:
        raise StoreFullError(
            f"{directory}: {free >> 20} MiB are free, of which {reserve >> 20} MiB are kept for the engine:"
            " nothing was stored; free space, or shorten the retention (store.samples_days and others)"
        )


def _import_engine(directory: Path) -> None:
    with _importing:
        if "chdb" not in sys.modules:
            with _working_directory(directory):
                __import__("chdb")


@contextmanager
def _working_directory(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)
