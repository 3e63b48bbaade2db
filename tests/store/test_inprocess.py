"""The engine inside this process: who owns the directory, what is one insert, a full device."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stormpetrel.adapters.store import ClickHouseStore, open_store
from stormpetrel.adapters.store.inprocess import DirectoryLock, open_inprocess
from stormpetrel.adapters.store.rows import sample_table
from stormpetrel.app.config import StoreConfig
from stormpetrel.errors import StoreError, StoreFullError, StoreLockedError
from stormpetrel.model.signal import MetricBatch
from stormpetrel.testing.check_store_metrics import EVER
from stormpetrel.testing.store_samples import numbered_samples

_HOLD = """
import sys, pathlib
from stormpetrel.adapters.store.inprocess import DirectoryLock
lock = DirectoryLock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""

_MANY_PARTS = """
import os, pathlib, sys, time
import numpy as np
from stormpetrel.adapters.store import inprocess, open_store
from stormpetrel.app.config import StoreConfig
from stormpetrel.model.signal import MetricBatch
soon = "<old_parts_lifetime>1</old_parts_lifetime></merge_tree>"
inprocess._ENGINE_CONFIG = inprocess._ENGINE_CONFIG.replace("</merge_tree>", soon)
store = open_store(StoreConfig(), pathlib.Path(sys.argv[1]))
count = "SELECT count() FROM system.parts WHERE NOT active"
most, outdated = 0, 0
for part in range(600):
    rows = MetricBatch(np.arange(3, dtype=np.uint32), np.full(3, part + 1), np.ones(3))
    store.insert_samples(rows, f"part-{part}")
outdated = store._connections.value(count)
for _ in range(600):
    most = max(most, len(os.listdir("/proc/self/task")))
    if not store._connections.value(count):
        break
    time.sleep(0.1)
print(outdated, store._connections.value(count), most)
store.close()
"""


@pytest.mark.long
def test_removing_many_parts_starts_no_crowd_of_threads(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _MANY_PARTS, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    outdated, left, threads = map(int, told.split())
    assert outdated > 100
    assert left == 0
    assert threads < 60


def test_another_process_is_named_and_a_dead_one_taken_over(tmp_path: Path) -> None:
    directory = tmp_path / "telemetry"
    command = [sys.executable, "-c", _HOLD, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreLockedError) as refused:
            open_store(StoreConfig(), tmp_path)
        message = str(refused.value)
        assert f"process {holder.pid}" in message
        assert str(directory) in message
        assert "stop that process" in message
        holder.kill()
    open_store(StoreConfig(), tmp_path).close()


def test_one_process_cannot_open_a_directory_twice(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path)
    with pytest.raises(StoreLockedError, match=str(os.getpid())):
        open_store(StoreConfig(), tmp_path)
    store.close()
    open_store(StoreConfig(), tmp_path).close()


def test_a_second_directory_is_refused_and_left_unlocked(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path / "one")
    with pytest.raises(StoreError):
        open_store(StoreConfig(), tmp_path / "two")
    store.close()
    open_store(StoreConfig(), tmp_path / "two").close()


def test_a_file_in_the_way_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "telemetry").write_text("not a directory")
    with pytest.raises(StoreError, match="cannot be used as data directory"):
        open_store(StoreConfig(), tmp_path)


def test_the_memory_cap_is_kept_and_a_failure_leaves_no_trace(tmp_path: Path) -> None:
    connections, lock = open_inprocess(tmp_path, 200 << 20)
    asked = "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"
    assert connections.value(asked) == str(200 << 20)
    with pytest.raises(StoreError, match="MEMORY_LIMIT_EXCEEDED"):
        connections.query("SELECT count() FROM (SELECT DISTINCT sipHash64(number) FROM numbers(30000000))")
    with pytest.raises(StoreError, match="too far"):
        connections.query("SELECT throwIf(number = 50000, 'too far') FROM numbers(100000)")
    assert connections.value("SELECT 1") == 1
    connections.close()
    lock.release()


def test_a_foreign_config_file_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_text("<broken")
    program = (
        "import pathlib; from stormpetrel.adapters.store import open_store;"
        "from stormpetrel.app.config import StoreConfig;"
        "before = pathlib.Path.cwd(); open_store(StoreConfig(), pathlib.Path('data')).close();"
        "assert pathlib.Path.cwd() == before"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "data" / "telemetry" / "engine").is_dir()


def test_an_insert_is_one_part_however_large_odd_and_chunked(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path)
    rows = 600_000
    times = np.linspace(-(2**62), 2**62, rows).astype(np.int64)
    batch = MetricBatch(np.arange(rows, dtype=np.uint32), times, np.zeros(rows))
    chunk = sample_table(batch, int(time.time()) // 86_400)
    store._connections.insert("samples", pa.concat_tables([chunk] * 3), "large")
    parts = store._connections.query("SELECT rows FROM system.parts WHERE active AND table = 'samples'")
    assert parts["rows"].to_pylist() == [3 * rows]
    assert len(store.scan_series([5], EVER)) == 3
    store.close()


def test_close_waits_for_calls_under_way(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(store._connections.value, "SELECT sleep(1.5)")
        time.sleep(0.3)
        store.close()
        assert running.done()
        assert running.result() == 0
    with pytest.raises(StoreError, match="closed"):
        store.table_sizes()


@pytest.fixture
def small_device(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    place = tmp_path / "device"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "petrel-test", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def _insert_until_full(store: ClickHouseStore) -> int:
    for number in range(1000):
        try:
            store.insert_samples(numbered_samples(number, rows=100_000), f"n{number}")
        except StoreFullError:
            return number
    raise AssertionError("the device never got full")


def test_a_full_device_loses_and_doubles_nothing(small_device: Path) -> None:
    store = open_store(StoreConfig(), small_device)
    try:
        ballast = small_device / "ballast"
        ballast.write_bytes(bytes(24 << 20))
        refused = _insert_until_full(store)
        assert refused > 0
        assert shutil.disk_usage(small_device).free > 1 << 20, "the engine has no room left for its own work"
        assert _held(store) == dict.fromkeys(range(refused), 100_000)
        ballast.unlink()
        for number in range(refused + 1):
            store.insert_samples(numbered_samples(number, rows=100_000), f"n{number}")
        assert _held(store) == dict.fromkeys(range(refused + 1), 100_000)
    finally:
        store.close()


def _held(store: ClickHouseStore) -> dict[int, int]:
    counted = store._connections.query("SELECT time_unix_nano AS t, count() AS n FROM samples GROUP BY t")
    first = numbered_samples(0, rows=1).time_unix_nano[0]
    return {(row["t"] - int(first)) // 1_000_000_000: row["n"] for row in counted.to_pylist()}


def test_a_lock_is_released_by_its_owner_only(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(StoreLockedError):
        DirectoryLock(tmp_path)
    lock.release()
    DirectoryLock(tmp_path).release()
