"""Archives: whole or not at all, never in place of another, and read without trust."""

from __future__ import annotations

import dataclasses
import fcntl
import gzip
import os
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.app.backup.archives import (
    ABOUT,
    FILES,
    archive_of,
    contents,
    make_tree,
    manifest_of,
    plain,
    quiet,
)

from stormpetrel.app.backup import pack as packing
from stormpetrel.app.backup.make import prune, slug, target_of
from stormpetrel.app.backup.pack import pack
from stormpetrel.app.backup.unpack import opened
from stormpetrel.errors import ArchiveError, ConfigError, NotFoundError, StateError


def put_mine(path: Path) -> None:
    path.write_bytes(b"mine")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    target = tmp_path / "out" / "a.tar"
    target.parent.mkdir()
    pack(make_tree(tmp_path / "tree"), ABOUT, target, quiet)
    return target


def test_what_goes_in_comes_out(archive: Path, tmp_path: Path) -> None:
    with opened(archive) as found:
        assert found.manifest.about == ABOUT
        found.verify(quiet)
        (tmp_path / "into").mkdir()
        found.extract(tmp_path / "into", quiet)
    assert contents(tmp_path / "into") == FILES
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "into").rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_it_is_for_its_owner_alone_and_nothing_is_left_beside_it(archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert [path.name for path in archive.parent.iterdir()] == ["a.tar"]


def test_any_tar_unpacks_it(archive: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "xf", archive, "-C", tmp_path], check=True)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


def test_nothing_is_replaced(archive: Path, tmp_path: Path) -> None:
    before = archive.read_bytes()
    with pytest.raises(StateError, match="exists and is not replaced"):
        pack(tmp_path / "tree", ABOUT, archive, quiet)
    # Also when it came while the new one was written.
    other = archive.with_name("b.tar")
    with pytest.raises(StateError, match="exists and is not replaced"):
        pack(tmp_path / "tree", ABOUT, other, lambda *_: put_mine(other))
    assert (archive.read_bytes(), other.read_bytes()) == (before, b"mine")
    assert sorted(path.name for path in archive.parent.iterdir()) == ["a.tar", "b.tar"]


def test_nothing_is_replaced_where_there_are_no_links(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    pack(tmp_path / "tree", ABOUT, archive.with_name("b.tar"), quiet)
    other = archive.with_name("c.tar")
    with pytest.raises(StateError, match="exists and is not replaced"):
        pack(tmp_path / "tree", ABOUT, other, lambda *_: put_mine(other))
    assert other.read_bytes() == b"mine"


def test_links_and_pipes_are_no_content(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    (tree / "files" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError):
        pack(tree, ABOUT, tmp_path / "a.tar", quiet)
    (tree / "files" / "link").unlink()
    os.mkfifo(tree / "files" / "pipe")
    with pytest.raises(ArchiveError, match="no regular file"):
        pack(tree, ABOUT, tmp_path / "a.tar", quiet)
    assert not list(tmp_path.glob("*.tar")) + list(tmp_path.glob(".*"))


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.app.backup.archives import ABOUT
from stormpetrel.app.backup.pack import pack
calls = 0
def told(done, total):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
pack(Path(sys.argv[1]), ABOUT, Path(sys.argv[2]), told)
"""


@pytest.mark.parametrize("call", [1, 3, 5, 6])
def test_a_kill_leaves_no_archive_and_the_next_one_cleans_up(call: int, tmp_path: Path) -> None:
    tree, target = make_tree(tmp_path / "tree"), tmp_path / "out" / "a.tar"
    target.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", _KILLED, tree, target, str(call)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = target.parent.iterdir()
    assert left.name.startswith(".a.tar.")
    pack(tree, ABOUT, target, quiet)
    assert [path.name for path in target.parent.iterdir()] == ["a.tar"]


def test_what_somebody_still_writes_stays(tmp_path: Path) -> None:
    written = tmp_path / ".x.tar.0123456789abcdef.partial"
    with written.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        packing.remove_abandoned(tmp_path)
        assert written.exists()
    (tmp_path / ".other.partial").touch()
    packing.remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".other.partial"]


def test_every_flipped_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    pack(make_tree(tmp_path / "tree", {"files/a": b"abc", "files/b": b""}), ABOUT, target, quiet)
    whole = target.read_bytes()

    def outcome(content: bytes) -> bool:
        target.write_bytes(content)
        with opened(target) as found:
            found.verify(quiet)
        return True

    assert outcome(whole)
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        with pytest.raises(ArchiveError):
            outcome(bytes(damaged))
    for length in range(0, len(whole), 256):
        with pytest.raises(ArchiveError):
            outcome(whole[:length])
    with pytest.raises(ArchiveError, match="added at its end"):
        outcome(whole + b"\0")


HOSTILE = {
    "a step up": [plain("files/../../x", b"x")],
    "an absolute name": [plain("/tmp/x", b"x")],
    "a link": [plain("files/x", b"", type=tarfile.SYMTYPE, linkname="/etc")],
    "a hard link": [plain("files/x", b"", type=tarfile.LNKTYPE, linkname="files/y")],
    "a device": [plain("files/x", b"", type=tarfile.CHRTYPE)],
    "a sparse file": [plain("files/x", b"", type=tarfile.GNUTYPE_SPARSE)],
    "a folder": [plain("files/x", b"", type=tarfile.DIRTYPE)],
    "twice the same": [plain("files/x", b"x"), plain("files/x", b"y")],
    "another top": [plain("etc/passwd", b"x")],
    "tables among files": [plain("files/telemetry/engine/metadata/x.sql", b"x")],
    "a second control store": [plain("files/control.sqlite", b"x")],
    "its write-ahead log": [plain("files/control.sqlite-wal", b"x")],
    "a set-user-id file": [plain("files/x", b"x", mode=0o4755)],
    "a part without a file": [plain("telemetry/samples/x", b"x")],
    "a member that is larger than the archive": [plain("files/x", b"x", size=7 << 30)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused(members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.tar", members)
    with pytest.raises(ArchiveError), opened(path):
        pass


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.tar", [plain("files/x", b"x"), plain("files/x/y", b"y")])
    (tmp_path / "into").mkdir()
    with pytest.raises(ArchiveError), opened(path) as found:
        found.extract(tmp_path / "into", quiet)


def test_extended_headers_are_refused_before_they_are_read(tmp_path: Path) -> None:
    name = "files/" + "x" * 300
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = archive_of(tmp_path / "a.tar", [plain(name, b"x")], kind=kind)
        with pytest.raises(ArchiveError, match=r"regular files|no backup"), opened(path):
            pass


MANIFESTS = {
    "no JSON": b"{",
    "no object": b"[]",
    "another format": manifest_of({}, format="other"),
    "a file that is not there": manifest_of({"files/x": b"x", "files/y": b"y"}),
    "a file fewer": manifest_of({}),
    "another size": manifest_of({"files/x": b"xx"}),
    "a checksum that is none": manifest_of(
        {}, files=[{"name": "files/x", "bytes": 1, "sha256": "../../etc/passwd"}]
    ),
    "a text that is none": manifest_of({"files/x": b"x"}, version={"a": 1}),
    "control characters": manifest_of({"files/x": b"x"}, instance="\x1b[31mred"),
    "a number below nothing": manifest_of({"files/x": b"x"}, telemetry_schema=-1),
    "rows that are none": manifest_of({"files/x": b"x"}, telemetry_rows=7),
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_does_not_fit_is_refused(text: bytes, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.tar", [plain("files/x", b"x")], text)
    with pytest.raises(ArchiveError), opened(path):
        pass


def test_a_wrong_checksum_is_found_by_reading_and_again_by_unpacking(tmp_path: Path) -> None:
    text = manifest_of({"files/x": b"y"})
    path = archive_of(tmp_path / "a.tar", [plain("files/x", b"x")], text)
    (tmp_path / "into").mkdir()
    with opened(path) as found:
        with pytest.raises(ArchiveError, match=r"files/x is damaged"):
            found.verify(quiet)
        with pytest.raises(ArchiveError, match=r"files/x is damaged"):
            found.extract(tmp_path / "into", quiet)


def test_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    text = manifest_of({"files/x": b"x"}, format_version=2)
    path = archive_of(tmp_path / "a.tar", [plain("files/x", b"x")], text)
    with pytest.raises(ArchiveError, match="the version of petrel that made it"), opened(path):
        pass


def test_what_is_no_archive_at_all(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError), opened(tmp_path / "none.tar"):
        pass
    with pytest.raises(ArchiveError, match="no regular file"), opened(tmp_path):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="no regular file"), opened(tmp_path / "pipe"):
        pass
    bomb = tmp_path / "bomb.tar"
    bomb.write_bytes(gzip.compress(bytes(10 << 20)))
    with pytest.raises(ArchiveError, match="no backup of Storm Petrel"), opened(bomb):
        pass
    (tmp_path / "empty.tar").touch()
    with pytest.raises(ArchiveError), opened(tmp_path / "empty.tar"):
        pass


def test_the_newest_are_kept_and_only_ours_are_removed(tmp_path: Path) -> None:
    tree, folder = make_tree(tmp_path / "tree"), tmp_path / "out"
    folder.mkdir()
    for day in range(1, 6):
        about = dataclasses.replace(ABOUT, moment_unix_nano=ABOUT.moment_unix_nano + day)
        pack(tree, about, folder / f"petrel-web-1-2026010{day}T000000Z.tar", quiet)
    others = dataclasses.replace(ABOUT, instance="web-2")
    pack(tree, others, folder / "petrel-web-1-20250101T000000Z.tar", quiet)  # of another instance
    pack(tree, ABOUT, folder / "mine.tar", quiet)  # under a name that a person gave
    (folder / "petrel-web-1-20260109T000000Z.tar").write_bytes(b"damaged")
    removed = prune(folder, "web-1", 2)
    assert [path.name for path in removed] == [f"petrel-web-1-2026010{day}T000000Z.tar" for day in (3, 2, 1)]
    assert len(list(folder.iterdir())) == 5
    assert prune(folder, "web-1", 2) == ()


def test_where_an_archive_goes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert (
        target_of(tmp_path, "Web 1", ABOUT.moment_unix_nano, data).name == "petrel-web-1-20260101T000000Z.tar"
    )
    assert target_of(tmp_path / "a.tar", "x", 0, data) == tmp_path / "a.tar"
    for wrong in (tmp_path / "a.zip", tmp_path / "none" / "a.tar", data, data / "a.tar"):
        with pytest.raises(ConfigError):
            target_of(wrong, "x", 0, data)
    assert slug("-" * 70) == "petrel"
