"""Restoring: whole or not at all, of this version and older ones, never in place of anything."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from tests.app.backup.archives import ABOUT, archive_of, make_tree, manifest_of, plain, quiet

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.control_schema import upgrade
from stormpetrel.app.backup.manifest import About
from stormpetrel.app.backup.pack import pack
from stormpetrel.app.backup.restore import restore
from stormpetrel.errors import ArchiveError, NotFoundError, StateError

MEMORY = 256 << 20


def no_steps(_: str) -> Callable[[int, int], None]:
    return quiet


def control_at(path: Path, revision: str) -> None:
    """A control store as an older program left it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, revision)
    engine.dispose()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Of an old control store, a token, a topology, and no telemetry."""
    tree = make_tree(tmp_path / "tree")
    control_at(tree / "control.sqlite", "0003")
    with sqlite3.connect(tree / "control.sqlite") as control:
        control.execute("INSERT INTO settings VALUES ('a', '1')")
    control.close()
    about = About("0.0.1", "web-1", 5, False, "0003", 0, {})
    pack(tree, about, tmp_path / "a.tar", quiet)
    return tmp_path / "a.tar"


def test_an_older_one_is_brought_up_to_date(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data"
    done = restore(archive, target, MEMORY, no_steps)
    assert done.outside == ("topology.yaml",)
    assert sorted(path.name for path in target.iterdir()) == [
        "control.sqlite", "empty", "ingest.token", "models", "restored-outside",
    ]  # fmt: skip
    engine = create_engine(f"sqlite:///{target / 'control.sqlite'}")
    with engine.connect() as connection:
        assert str(MigrationContext.configure(connection).get_current_revision()) > "0003"
    engine.dispose()
    store = open_control_store(f"sqlite:///{target / 'control.sqlite'}")
    assert store.get("a") == "1"
    store.close()
    assert {path.stat().st_mode & 0o77 for path in target.rglob("*")} == {0}
    assert [path.name for path in target.parent.iterdir()] == ["data"]


def test_only_an_empty_folder_is_filled(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    restore(archive, target, MEMORY, no_steps)
    before = sorted(target.iterdir())
    with pytest.raises(StateError, match="not empty"):
        restore(archive, target, MEMORY, no_steps)
    assert sorted(target.iterdir()) == before
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for wrong in ("file", "link"):
        with pytest.raises(StateError, match="no folder"):
            restore(archive, tmp_path / wrong, MEMORY, no_steps)


def test_what_comes_there_meanwhile_stays(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "data"

    def steps(name: str) -> Callable[[int, int], None]:
        if name == "flush":
            target.mkdir()
            (target / "mine").touch()
        return quiet

    with pytest.raises(StateError, match="not empty any more"):
        restore(archive, target, MEMORY, steps)
    assert [path.name for path in target.iterdir()] == ["mine"]
    assert not list(tmp_path.glob(".data.*"))


def test_damage_is_found_before_anything_is_written(archive: Path, tmp_path: Path) -> None:
    raw = bytearray(archive.read_bytes())
    place = raw.index(b"petrel_secret")
    raw[place] ^= 1
    archive.write_bytes(raw)
    seen: list[str] = []

    def steps(name: str) -> Callable[[int, int], None]:
        seen.append(name)
        return quiet

    with pytest.raises(ArchiveError, match=r"files/ingest.token is damaged"):
        restore(archive, tmp_path / "data", MEMORY, steps)
    assert seen == ["verify"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "tree"]


@pytest.mark.parametrize("changes", [{"control_revision": "9999"}, {"telemetry_schema": 9999}])
def test_a_newer_one_is_refused_with_both_versions(changes: dict[str, Any], tmp_path: Path) -> None:
    text = manifest_of({"files/x": b"x"}, version="7.0.0", **changes)
    path = archive_of(tmp_path / "a.tar", [plain("files/x", b"x")], text)
    with pytest.raises(ArchiveError, match=r"petrel 7\.0\.0 made it.*9999.*newer one"):
        restore(path, tmp_path / "data", MEMORY, no_steps)
    assert not (tmp_path / "data").exists()


def test_a_manifest_that_lies_about_the_control_store_is_refused(archive: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    pack(tree, About("0.0.1", "x", 5, False, "0005", 0, {}), tmp_path / "b.tar", quiet)
    with pytest.raises(ArchiveError, match="another version than its manifest"):
        restore(tmp_path / "b.tar", tmp_path / "data", MEMORY, no_steps)
    (tree / "control.sqlite").write_bytes(b"no database" * 1000)
    pack(tree, About("0.0.1", "x", 5, False, "0003", 0, {}), tmp_path / "c.tar", quiet)
    with pytest.raises(Exception, match="cannot be read"):
        restore(tmp_path / "c.tar", tmp_path / "data", MEMORY, no_steps)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "b.tar", "c.tar", "tree"]


def test_no_room_is_said_before_anything_is_written(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ArchiveError, match="MiB are free"):
        restore(archive, tmp_path / "data", MEMORY, no_steps)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "tree"]


def test_without_an_archive_nothing_happens(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        restore(tmp_path / "none.tar", tmp_path / "data", MEMORY, no_steps)


_KILLED = """
import os, signal, sys
from pathlib import Path
from stormpetrel.app.backup.restore import restore
left = int(sys.argv[4])
def steps(name):
    def told(done, total):
        global left
        if name == sys.argv[3]:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    return told
restore(Path(sys.argv[1]), Path(sys.argv[2]), 256 << 20, steps)
"""


@pytest.mark.parametrize(
    ("step", "call"),
    [("verify", 1), ("unpack", 1), ("unpack", 3), ("telemetry", 1), ("flush", 1), ("flush", 2)],
)
def test_a_kill_leaves_nothing_that_looks_valid(step: str, call: int, archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "data"
    done = subprocess.run([sys.executable, "-c", _KILLED, archive, target, step, str(call)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".data.")]
    assert len(left) == (step != "verify")
    restore(archive, target, MEMORY, no_steps)
    assert (target / "control.sqlite").is_file()
    assert not list(tmp_path.glob(".data.*"))


def test_where_somebody_still_works_nothing_is_removed(archive: Path, tmp_path: Path) -> None:
    work = tmp_path / ".data.0123456789abcdef.restoring"
    work.mkdir()
    handle = os.open(work, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    restore(archive, tmp_path / "data", MEMORY, no_steps)
    assert work.is_dir()
    os.close(handle)
    (tmp_path / ".data.mine").mkdir()
    restore(archive, tmp_path / "other", MEMORY, no_steps)
    assert not work.exists()
    assert (tmp_path / ".data.mine").is_dir()


def test_what_the_archive_holds_is_what_is_known(tmp_path: Path) -> None:
    pack(make_tree(tmp_path / "tree"), ABOUT, tmp_path / "a.tar", quiet)
    restore(tmp_path / "a.tar", tmp_path / "data", MEMORY, no_steps)
    assert not (tmp_path / "data" / "telemetry").exists()
