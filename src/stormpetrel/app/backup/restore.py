"""A backup into a new data directory, which appears whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.control_copy import check_file
from stormpetrel.adapters.store.control_schema import MIGRATIONS as CONTROL_MIGRATIONS
from stormpetrel.adapters.store.freeze import thaw
from stormpetrel.adapters.store.schema import MIGRATIONS
from stormpetrel.app.backup.manifest import About, Manifest
from stormpetrel.app.backup.pack import Progress, flush_folder
from stormpetrel.app.backup.snapshot import CONTROL
from stormpetrel.app.backup.unpack import Archive, opened
from stormpetrel.errors import ArchiveError, StateError

_WORK = re.compile(r"\..{1,255}\.[0-9a-f]{16}\.restoring")
# Beside the files themselves: tables that are migrated, and a little air.
_ROOM = 1.1

# Told which step begins: "verify", "unpack", "telemetry", "flush"; bytes of it are told apart.
Steps = Callable[[str], Progress]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back.

    Attributes:
        outside: files of the backup that belong elsewhere; they lie in `restored-outside`.
    """

    data_dir: Path
    manifest: Manifest
    outside: tuple[str, ...]


def restore(path: Path, target: Path, memory_bytes: int, steps: Steps) -> Restored:
    """Make a data directory of a backup.

    Every checksum is compared before anything is written, and once more while it is. All of it is done in
    a folder beside `target`, which gets the name at the very end: however this ends, `target` is whole or
    is what it was. What a dying process left beside it is removed by the next call.

    Args:
        path: the archive.
        target: must not exist, or be an empty folder.
        memory_bytes: cap of the telemetry engine while it takes the parts.

    Raises:
        NotFoundError: there is no archive there.
        StateError: `target` is not empty.
        ArchiveError: the backup is damaged, hostile, or of a newer program; or there is no room.
        StoreError: a store does not take what the backup holds.
    """
    target = target.absolute()
    _require_empty(target)
    with opened(path) as archive:
        about = archive.manifest.about
        require_known(about)
        archive.verify(steps("verify"))
        try:
            _require_room(target, archive.manifest)
            with _working(target) as work:
                outside = _fill(archive, work, memory_bytes, steps)
                flushed = steps("flush")
                _flush_tree(work, flushed)
                _publish(work, target)
        except OSError as error:
            raise ArchiveError(f"{target} cannot be written: {error.strerror}") from error
        return Restored(target, archive.manifest, outside)


def require_known(about: About) -> None:
    """Refuse what a newer program made.

    Raises:
        ArchiveError: naming both versions and what to do.
    """
    known = {one.revision for one in ScriptDirectory(str(CONTROL_MIGRATIONS)).walk_revisions()}
    newest = MIGRATIONS[-1].number
    if about.telemetry_schema > newest or (about.control_revision and about.control_revision not in known):
        raise ArchiveError(
            f"petrel {about.version} made it, with tables of version {about.telemetry_schema} and"
            f" {about.control_revision}; this program knows {newest} and {max(known)}:"
            " restore it with that version of petrel or a newer one"
        )


def _require_empty(target: Path) -> None:
    if target.is_symlink() or (os.path.lexists(target) and not target.is_dir()):
        raise StateError(f"{target} is no folder: name one that is empty or does not exist")
    if target.is_dir() and any(target.iterdir()):
        raise StateError(f"{target} is not empty, and nothing in it is replaced: name another --data-dir")


def _require_room(target: Path, manifest: Manifest) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(target.parent).free
    wanted = int(manifest.total_bytes * _ROOM)
    if free < wanted:
        raise ArchiveError(
            f"{target.parent}: {free >> 20} MiB are free, the backup needs {wanted >> 20} MiB: free some"
        )


@contextmanager
def _working(target: Path) -> Iterator[Path]:
    """A hidden folder beside the target, gone at the end unless it was renamed."""
    _remove_abandoned(target.parent)
    work = target.parent / f".{target.name}.{secrets.token_hex(8)}.restoring"
    work.mkdir(mode=0o700)
    handle = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield work
    finally:
        os.close(handle)
        shutil.rmtree(work, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    for path in folder.iterdir():
        if not _WORK.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            continue
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else somebody works there
                shutil.rmtree(path)
            finally:
                os.close(handle)


def _fill(archive: Archive, work: Path, memory_bytes: int, steps: Steps) -> tuple[str, ...]:
    """Everything into the folder, as a data directory has it."""
    raw = work / "unpacked"
    raw.mkdir(mode=0o700)
    archive.extract(raw, steps("unpack"))
    about = archive.manifest.about
    if (raw / "files").is_dir():
        for path in sorted((raw / "files").iterdir()):
            path.rename(work / path.name)
    outside: tuple[str, ...] = ()
    if (raw / "outside").is_dir():
        outside = tuple(sorted(path.name for path in (raw / "outside").iterdir()))
        (raw / "outside").rename(work / "restored-outside")
    steps("telemetry")(0, 1)
    if about.telemetry_schema:
        thaw(work / "telemetry", raw / "telemetry", about.telemetry_schema, memory_bytes)
        (work / "telemetry" / "store.lock").unlink(missing_ok=True)
    if about.control_revision:
        (raw / CONTROL).rename(work / CONTROL)
        _open_control(work / CONTROL, about)
    shutil.rmtree(raw)
    return outside


def _open_control(path: Path, about: About) -> None:
    """Check it, and bring its tables up to this program's."""
    check_file(path)
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise ArchiveError(f"its control store cannot be read: {error}") from error
    finally:
        connection.close()
    if found is None or found[0] != about.control_revision:
        raise ArchiveError("its control store is of another version than its manifest says")
    open_control_store(f"sqlite:///{path}").close()


def _flush_tree(work: Path, told: Progress) -> None:
    """Everything to the device before it gets its name."""
    told(0, 1)
    for folder, _, names in os.walk(work):
        for name in names:
            path = Path(folder, name)
            if path.is_symlink():
                continue
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        flush_folder(Path(folder))
    told(1, 1)


def _publish(work: Path, target: Path) -> None:
    """The folder gets its name; the system refuses that when something came there meanwhile."""
    try:
        work.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise StateError(f"{target} is not empty any more: name another --data-dir") from error
        raise
    flush_folder(target.parent)
