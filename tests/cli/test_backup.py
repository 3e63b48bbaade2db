"""The commands of backups: what they ask for, and what they say when it cannot be done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.app.backup.archives import ABOUT, archive_of, make_tree, manifest_of, plain, quiet
from typer.testing import CliRunner

from stormpetrel.app.backup.pack import pack
from stormpetrel.cli import backup_source, main
from stormpetrel.errors import StoreLockedError

RUN = CliRunner()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    pack(make_tree(tmp_path / "tree"), ABOUT, tmp_path / "a.tar", quiet)
    return tmp_path / "a.tar"


def asked(*arguments: object) -> tuple[int, str]:
    found = RUN.invoke(main.app, [str(one) for one in arguments])
    return found.exit_code, " ".join((found.stdout + found.stderr).split())


def test_it_wants_to_know_where(tmp_path: Path) -> None:
    code, said = asked("backup", "--data-dir", tmp_path)
    assert (code, "say where the backup goes" in said) == (2, True)


def test_what_is_no_data_directory_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    code, said = asked("backup", "--to", tmp_path, "--data-dir", tmp_path / "data")
    assert (code, "nothing was ever kept there" in said) == (2, True)
    assert list((tmp_path / "data").iterdir()) == []
    code, said = asked("backup", "--to", tmp_path, "--data-dir", tmp_path / "none")
    assert (code, "no data directory there" in said) == (2, True)


def test_a_backup_does_not_go_into_what_it_is_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    code, said = asked("backup", "--to", tmp_path / "data" / "a.tar", "--data-dir", tmp_path / "data")
    assert (code, "is inside the data directory" in said) == (2, True)


def test_a_whole_archive_is_verified(archive: Path) -> None:
    code, said = asked("backup", "verify", archive)
    assert code == 0
    assert f"{archive} is whole: web-1 as of 2026-01-01T00:00:00.000Z, 4 files" in said
    assert "without telemetry (a ClickHouse server keeps it) and the control store" in said
    code, said = asked("backup", "verify", archive, "--json")
    told = json.loads(said)
    assert (told["files"], told["holds_telemetry"], told["telemetry_rows"]) == (4, False, {"logs": 3})


def test_a_damaged_one_is_not(archive: Path) -> None:
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"petrel_secret")] ^= 1
    archive.write_bytes(raw)
    code, said = asked("backup", "verify", archive)
    assert (code, "files/ingest.token is damaged" in said) == (1, True)
    assert "petrel_secret" not in said


def test_a_newer_one_is_not(tmp_path: Path) -> None:
    text = manifest_of({"files/x": b"x"}, version="7.0.0", telemetry_schema=9999)
    path = archive_of(tmp_path / "a.tar", [plain("files/x", b"x")], text)
    code, said = asked("backup", "verify", path)
    assert (code, "petrel 7.0.0 made it" in said) == (1, True)


def test_a_restore_says_what_lies_apart(archive: Path, tmp_path: Path) -> None:
    code, said = asked("restore", archive, "--data-dir", tmp_path / "new")
    assert code == 0
    assert "restored-outside/topology.yaml" in said
    assert f"petrel up --data-dir {tmp_path / 'new'}" in said
    code, said = asked("restore", archive, "--data-dir", tmp_path / "new", "--json")
    assert (code, "is not empty" in said) == (1, True)
    code, said = asked("restore", tmp_path / "none.tar", "--data-dir", tmp_path / "other")
    assert (code, "there is no such file" in said) == (1, True)


def test_a_lock_whose_owner_does_not_answer_is_said(tmp_path: Path) -> None:
    locked = StoreLockedError("data: already in use by process 7")
    with (
        pytest.raises(StoreLockedError, match=r"process 7$"),
        backup_source._running_snapshot(tmp_path, locked),
    ):
        pass
    (tmp_path / "server.address").write_text("http://127.0.0.1:1\n")
    (tmp_path / "backup.token").write_text("petrel_secret\n")
    with (
        pytest.raises(StoreLockedError, match=r"process 7.*does not answer at http://127\.0\.0\.1:1") as said,
        backup_source._running_snapshot(tmp_path, locked),
    ):
        pass
    assert "petrel_secret" not in str(said.value)
