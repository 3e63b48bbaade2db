"""Disposable files and logs: a real file system, with links and mounts that must not be followed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place, wait_for

from stormpetrel.adapters.actuate.files import AreaSettings, FilesActuator, FilesSettings
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome, ActResult
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

ENTITY = "filesystem:var"
WRITER = """
import os, signal, sys, time
def open_anew(*_):
    global log
    log = open(sys.argv[1], "a")
signal.signal(signal.SIGHUP, open_anew)
open_anew()
open(sys.argv[2], "w").write(str(os.getpid()))
while True: time.sleep(0.02)
"""


class Disk:
    """Time goes by moving the least age of files: their change time cannot be set back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        (self.cache / "deep").mkdir(parents=True)
        self.made = 0

    def make(self, journal: Path, **changed: Any) -> FilesActuator:
        area = {"folder": str(self.cache), "patterns": ["*.tmp"], "older_seconds": 60, **changed}
        section = {"type": "files", "targets": {ENTITY: {"path": str(self.folder), "areas": {"cache": area}}}}
        return FilesActuator(place(journal), FilesSettings.model_validate(section))

    def put(self, name: str) -> Path:
        path = self.cache / name
        path.write_text("waste")
        self.made += 1
        return path


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    real = os.stat  # an hour later, for all: whatever was made before the act is old
    monkeypatch.setattr(
        "stormpetrel.adapters.actuate.files.time.time", lambda: real(tmp_path).st_ctime + 3600
    )
    return Disk(tmp_path.resolve())


def free(disk: Disk, tmp_path: Path, **changed: Any) -> ActResult:
    actuator = disk.make(tmp_path / "journal", **changed)
    return actuator.act(Order("k", action(actuator, "files.free", ENTITY, area="cache"), 20, 1))


def test_contract(disk: Disk, tmp_path: Path) -> None:
    actuator = disk.make(tmp_path / "look")

    def with_waste() -> Action:
        disk.put(f"{disk.made}.tmp")
        return action(actuator, "files.free", ENTITY, area="cache")

    def removals() -> int:
        # Each act removes all there is: acts are counted by the emptiness they leave.
        left = len(list(disk.cache.glob("*.tmp")))
        if left == 0 and disk.made > removals.seen:  # type: ignore[attr-defined]  # kept on the function
            removals.seen, removals.acts = disk.made, removals.acts + 1  # type: ignore[attr-defined]  # as above
        return int(removals.acts)  # type: ignore[attr-defined]  # as above

    removals.seen = removals.acts = 0  # type: ignore[attr-defined]  # as above
    check_actuator(
        ActuatorCase(make=disk.make, folder=tmp_path / "journal", action=with_waste, effects=removals)
    )


def test_only_old_matching_files_of_the_area_go(disk: Disk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.tmp").write_text("data")
    (disk.cache / "link").symlink_to(outside)
    (disk.cache / "link.tmp").symlink_to(outside / "precious.tmp")
    os.link(outside / "precious.tmp", disk.cache / "hard.tmp")
    disk.put("keep.log")
    old, deep = disk.put("old.tmp"), disk.put("deep/other.tmp")
    result = free(disk, tmp_path)
    assert result.outcome is ActOutcome.DONE
    assert result.text == "2 files of 10 bytes removed"
    assert not old.exists()
    assert not deep.exists()
    assert (outside / "precious.tmp").read_text() == "data"
    kept = sorted(one.name for one in disk.cache.iterdir())
    assert kept == ["deep", "hard.tmp", "keep.log", "link", "link.tmp"]


def test_young_files_stay(disk: Disk, tmp_path: Path) -> None:
    young = disk.put("young.tmp")
    assert free(disk, tmp_path, older_seconds=7200).text.startswith("0 files")
    assert young.exists()


def test_no_more_than_the_most_go_the_oldest_first(disk: Disk, tmp_path: Path) -> None:
    for number in range(4):
        disk.put(f"{number}.tmp")
    assert free(disk, tmp_path, most_files=2).text.startswith("2 files")
    assert len(list(disk.cache.glob("*.tmp"))) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_other_file_systems_are_not_entered(disk: Disk, tmp_path: Path) -> None:
    mounted = disk.cache / "mounted"
    mounted.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(mounted)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()[:100]}")
    try:
        (mounted / "other.tmp").write_text("data")
        assert free(disk, tmp_path).text.startswith("0 files")
        assert (mounted / "other.tmp").exists()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_folder_that_became_a_link_is_refused(disk: Disk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    disk.put("old.tmp")
    disk.cache.rename(elsewhere)
    disk.cache.symlink_to(elsewhere)
    result = free(disk, tmp_path)
    assert (result.outcome, "through a link" in result.text) == (ActOutcome.NOT_DONE, True)
    assert (elsewhere / "old.tmp").exists()


def test_a_log_is_turned_over_once_for_its_key(tmp_path: Path) -> None:
    log, pid_file = tmp_path / "app.log", tmp_path / "pid"
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    with subprocess.Popen([sys.executable, str(script), str(log), str(pid_file)]) as writer:
        wait_for(lambda: pid_file.exists() and pid_file.read_text(), "the writer does not start")
        log.write_text("line\n")
        logs = {"app": {"path": str(log), "pid_file": str(pid_file), "program": "writer.py"}}
        section = {"type": "files", "targets": {ENTITY: {"path": str(tmp_path), "logs": logs}}}
        actuator = FilesActuator(place(tmp_path / "journal"), FilesSettings.model_validate(section))
        order = Order("k", action(actuator, "logs.rotate", ENTITY, area="app"), 20, 1)
        assert actuator.act(order).outcome is ActOutcome.DONE
        assert actuator.act(order).outcome is ActOutcome.DONE
        (turned,) = tmp_path.glob("app.log.*")
        assert (turned.read_text(), log.read_text()) == ("line\n", "")
        pid_file.write_text(str(os.getpid()))  # another process than the writer
        again = Order("l", action(actuator, "logs.rotate", ENTITY, area="app"), 20, 1)
        result = actuator.act(again)
        assert (result.outcome, "was not told" in result.text) == (ActOutcome.IN_DOUBT, True)
        writer.kill()


@pytest.mark.parametrize("folder", ["/", "/etc", "/var/lib", "relative", "/srv/../etc"])
def test_folders_of_the_system_are_no_areas(folder: str) -> None:
    with pytest.raises(ValidationError, match="whole path"):
        AreaSettings.model_validate({"folder": folder, "patterns": ["*.tmp"]})


@pytest.mark.parametrize("pattern", ["*", "**", "*.*", "/etc/*", "../x", ""])
def test_patterns_that_mean_everything_are_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="names something"):
        AreaSettings.model_validate({"folder": "/srv/cache", "patterns": [pattern]})
