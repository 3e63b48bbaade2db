"""A moment of a data directory: what is in it, what is not, and who may remove it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.app.backup.archives import contents

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.control_copy import PinnedDatabase
from stormpetrel.app.backup import desk as desks
from stormpetrel.app.backup.desk import SnapshotDesk
from stormpetrel.app.backup.snapshot import Owned, Snapshot, snapshots, take
from stormpetrel.errors import ArchiveError, NotFoundError, StateError, StoreError
from stormpetrel.testing.clock import FakeClock


def frozen(into: Path) -> dict[str, int]:
    (into / "logs" / "1_1_1_0").mkdir(parents=True)
    (into / "logs" / "1_1_1_0" / "data.bin").write_bytes(b"rows")
    return {"logs": 4}


def at_once(ask: Callable[[], None]) -> None:
    ask()


@pytest.fixture
def owned(tmp_path: Path) -> Owned:
    data = tmp_path / "data"
    for name, content in {
        "ingest.token": b"secret", "models/models-1.npz": b"model", "models/models-2.part": b"half",
        "spill/000000000001.spill": b"waits", "spill/000000000002.unfinished": b"half",
        "spill/store.lock": b"1",
        "telemetry/store.lock": b"1", "telemetry/engine/x": b"engine", "server.address": b"http://x",
        ".hidden": b"x", "future/state.bin": b"of a later version",
    }.items():  # fmt: skip
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    (tmp_path / "topology.yaml").write_bytes(b"nodes: []")
    store = open_control_store(f"sqlite:///{data / 'control.sqlite'}")
    store.put("a", "1")
    store.close()
    for name in ("runs.sqlite", "actuators/web/keys.sqlite"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        runs = sqlite3.connect(data / name)
        with runs:
            runs.execute("CREATE TABLE runs (id)")
        runs.close()
    return Owned(data, "web-1", data / "control.sqlite", frozen, 4, (tmp_path / "topology.yaml",))


def test_everything_that_lasts_is_in_it_and_nothing_that_passes(owned: Owned) -> None:
    snapshot = take(owned, 7, at_once, running=True)
    found = contents(snapshot.tree)
    assert {name for name in found if not name.endswith(".sqlite")} == {
        "files/ingest.token", "files/models/models-1.npz", "files/spill/000000000001.spill",
        "files/future/state.bin", "outside/topology.yaml", "telemetry/logs/1_1_1_0/data.bin",
    }  # fmt: skip
    assert {name for name in found if name.endswith(".sqlite")} == {
        "control.sqlite", "files/runs.sqlite", "files/actuators/web/keys.sqlite",
    }  # fmt: skip
    about = snapshot.about()
    assert (about.instance, about.moment_unix_nano, about.running) == ("web-1", 7, True)
    assert (about.telemetry_schema, about.telemetry_rows) == (4, {"logs": 4})
    assert about.control_revision >= "0007"
    copied = open_control_store(f"sqlite:///{snapshot.tree / 'control.sqlite'}")
    assert copied.get("a") == "1"
    copied.close()


def test_it_is_one_moment_also_of_what_is_written_meanwhile(owned: Owned) -> None:
    assert owned.control is not None
    store = open_control_store(f"sqlite:///{owned.control}")

    def hold(ask: Callable[[], None]) -> None:
        store.put("a", "2")
        ask()
        store.put("a", "3")
        (owned.data_dir / "spill" / "000000000003.spill").write_bytes(b"later")

    snapshot = take(owned, 7, hold, running=True)
    store.close()
    copied = open_control_store(f"sqlite:///{snapshot.tree / 'control.sqlite'}")
    assert copied.get("a") == "2"
    copied.close()
    assert "files/spill/000000000003.spill" not in contents(snapshot.tree)


def test_a_database_in_a_folder_is_of_that_moment_too(owned: Owned) -> None:
    """The keys of an actuator: linked, it would go on changing in the archive."""
    path = owned.data_dir / "actuators" / "web" / "keys.sqlite"

    def write(number: int) -> None:
        with sqlite3.connect(path) as keys:
            keys.execute("INSERT INTO runs VALUES (?)", (number,))
        keys.close()

    def hold(ask: Callable[[], None]) -> None:
        write(1)
        ask()

    snapshot = take(owned, 7, hold, running=True)
    write(2)
    with sqlite3.connect(snapshot.tree / "files" / "actuators" / "web" / "keys.sqlite") as copied:
        assert copied.execute("SELECT id FROM runs").fetchall() == [(1,)]
    copied.close()


def test_a_store_that_refuses_leaves_no_snapshot(owned: Owned) -> None:
    def refuse(_: Path) -> dict[str, int]:
        raise StoreError("no")

    wrong = Owned(owned.data_dir, "x", owned.control, refuse, 4)
    with pytest.raises(StoreError):
        take(wrong, 7, at_once, running=True)
    assert snapshots(owned.data_dir) == []


def test_a_damaged_database_is_no_backup(owned: Owned) -> None:
    assert owned.control is not None
    raw = bytearray(owned.control.read_bytes())
    raw[8192:16384] = b"\x55" * 8192
    owned.control.write_bytes(raw)
    with pytest.raises(StoreError):
        take(owned, 7, at_once, running=True)
    assert snapshots(owned.data_dir) == []


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such database"):
        PinnedDatabase(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("x" * 2000)
    with pytest.raises(StoreError, match="cannot be read"):
        PinnedDatabase(tmp_path / "text.sqlite")


@pytest.mark.parametrize("name", ["", "..", "../../etc", "A" * 32, "0" * 31])
def test_an_id_is_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(StateError):
        Snapshot(tmp_path, name)


def test_the_desk_gives_one_at_a_time_and_sweeps_what_nobody_reads(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = SnapshotDesk(owned, FakeClock(5), at_once)
    first = desk.take("cron")
    desk.sweep()  # whoever asked has not begun yet
    with pytest.raises(StateError, match="another backup"):
        desk.take("cron")
    with first.held():
        monkeypatch.setattr(desks, "_GRACE_SECONDS", 0.0)
        desk.sweep()
        with pytest.raises(StateError, match="being read"):
            desk.release(first.snapshot_id)
        with pytest.raises(ArchiveError), first.held():
            pass
        assert first.about().moment_unix_nano == 5
    second = desk.take("cron")  # the first is nobody's by now
    assert [one.snapshot_id for one in snapshots(owned.data_dir)] == [second.snapshot_id]
    desk.release(second.snapshot_id)
    with pytest.raises(NotFoundError):
        desk.release(second.snapshot_id)
    with pytest.raises(ArchiveError, match="gone"):
        second.about()
    assert snapshots(owned.data_dir) == []


def test_a_sweep_does_not_touch_what_is_being_taken(owned: Owned) -> None:
    def sweeping(ask: Callable[[], None]) -> None:
        desk.sweep()
        ask()
        desk.sweep()

    desk = SnapshotDesk(owned, FakeClock(5), sweeping)
    found = contents(desk.take("cron").tree)
    assert found["telemetry/logs/1_1_1_0/data.bin"] == b"rows"
    assert "files/spill/000000000001.spill" in found
