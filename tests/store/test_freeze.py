"""A moment of the engine as files, and a store of an older version made new from them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stormpetrel.adapters.store.schema import MIGRATIONS

# One engine a process: each step is a process of its own, as with `petrel backup` and `petrel restore`.
_FREEZE = """
import json, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from stormpetrel.adapters.store import inprocess, schema
from stormpetrel.adapters.store.freeze import freeze, reached
where, number = Path(sys.argv[1]), int(sys.argv[2])
connections, lock = inprocess.open_inprocess(where / "telemetry", 256 << 20)
schema.migrate(connections, schema.MIGRATIONS[:number])
assert reached(connections) == number
def rows(start):
    return pa.table({
        "series": pa.array(np.arange(100), pa.uint32()),
        "time_unix_nano": pa.array(np.arange(start, start + 100), pa.int64()),
        "value": np.arange(start, start + 100).astype(float),
        "stored": pa.array([20000] * 100, pa.uint16()),
    })
for start in (0, 100, 200):
    connections.insert("samples", rows(start), f"t{start}")
told = freeze(connections, where / "frozen")
connections.insert("samples", rows(300), "t300")  # after that moment
connections.command("ALTER TABLE samples DELETE WHERE 1 SETTINGS mutations_sync = 2")
assert not list((where / "telemetry" / "engine" / "shadow").glob("petrel*"))
print(json.dumps(told))
connections.close()
lock.release()
"""

_THAW = """
import json, sys
from pathlib import Path
from stormpetrel.adapters.store.freeze import thaw
where = Path(sys.argv[1])
print(json.dumps(thaw(where / "new" / "telemetry", where / "frozen", int(sys.argv[2]), 256 << 20)))
(where / "new").rename(where / "moved")
"""

_LOOK = """
import sys
from pathlib import Path
from stormpetrel.adapters.store import open_store
from stormpetrel.app.config import StoreConfig
store = open_store(StoreConfig(samples_days=40000), Path(sys.argv[1]) / "moved")
print(store.schema(), store._connections.value("SELECT count() FROM samples"),
      store._connections.value("SELECT sum(value) FROM samples"))
store.close()
"""


def python(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def ran(program: str, *arguments: object) -> str:
    done = python(program, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("schema", [1, 3, 4])
def test_what_was_frozen_comes_back_in_a_store_of_today(schema: int, tmp_path: Path) -> None:
    told = json.loads(ran(_FREEZE, tmp_path, schema))
    assert told["samples"] == 300
    assert "migrations" not in told
    (tmp_path / "new").mkdir()
    assert json.loads(ran(_THAW, tmp_path, schema)) == {"samples": 300}
    assert ran(_LOOK, tmp_path).split() == [str(MIGRATIONS[-1].number), "300", str(float(sum(range(300))))]


def test_a_part_that_is_broken_is_an_error_and_never_left_out(tmp_path: Path) -> None:
    ran(_FREEZE, tmp_path, 4)
    part = next((tmp_path / "frozen" / "samples").iterdir())
    (part / "data.bin").write_bytes(b"x" * 10)
    (tmp_path / "new").mkdir()
    done = python(_THAW, tmp_path, 4)
    assert done.returncode != 0
    assert "StoreError" in done.stderr


@pytest.mark.parametrize(
    ("table", "schema", "said"),
    [
        ("elsewhere", 4, "has not"),
        ("migrations", 4, "has not"),
        ("flows", 2, "has not"),
        ("samples", 99, "knows"),
    ],
)
def test_tables_and_versions_that_are_not_known(table: str, schema: int, said: str, tmp_path: Path) -> None:
    part = tmp_path / "frozen" / table / "1_1_1_0"
    part.mkdir(parents=True)
    (part / "count.txt").write_text("1")
    (tmp_path / "new").mkdir()
    done = python(_THAW, tmp_path, schema)
    assert said in done.stderr
    assert not (tmp_path / "moved").exists()
