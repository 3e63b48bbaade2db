"""A folder into an archive that appears whole, checked, and under a name that was free; or not at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from stormpetrel.app.backup import manifest as written
from stormpetrel.app.backup.manifest import About, Manifest
from stormpetrel.app.backup.tar import END, Member, header, padded
from stormpetrel.app.backup.unpack import opened
from stormpetrel.errors import ArchiveError, StateError

CHUNK = 1 << 20
_PARTIAL = re.compile(r"\..{1,255}\.[0-9a-f]{16}\.partial")
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV})

# Told of bytes done and of all bytes.
Progress = Callable[[int, int], None]


def pack(tree: Path, about: About, target: Path, told: Progress) -> Manifest:
    """Write the files beneath `tree` into the archive `target`, readable by its owner only.

    It is written under another name, flushed to the device, read again and checked, and only then gets its
    name. What a dying process left half-written there is removed by the next call. Cost: reads everything
    twice, about 0.3 GB/s; memory does not grow with it.

    Args:
        tree: regular files and folders only; nothing in it changes meanwhile.
        about: what the manifest says of the moment.
        told: called as it goes on.

    Raises:
        StateError: `target` exists.
        ArchiveError: a file cannot be kept, or the archive cannot be written.
    """
    if os.path.lexists(target):
        raise StateError(f"{target} exists and is not replaced: give another name")
    files = _files(tree)
    total = 2 * sum(path.stat().st_size for _, path in files)
    try:
        with _partial(target) as (file, partial):
            entries = {}
            done = 0
            for name, path in files:
                entries[name] = _add(file, name, path)
                done += entries[name][0]
                told(done, total)
            manifest = Manifest(about, entries)
            _close(file, manifest)
            with opened(partial) as archive:
                archive.verify(lambda now, _: told(done + now, total))
            _publish(partial, target)
    except OSError as error:
        raise ArchiveError(f"{target} cannot be written: {error.strerror}") from error
    return manifest


def _files(tree: Path) -> list[tuple[str, Path]]:
    found = []
    for folder, folders, names in os.walk(tree, onerror=_raise):
        folders.sort()
        found += [Path(folder, name) for name in sorted(names)]
    if len(found) > written.MOST_FILES:
        raise ArchiveError(f"{len(found)} files are more than an archive may hold ({written.MOST_FILES})")
    return sorted((path.relative_to(tree).as_posix(), path) for path in found)


def _raise(error: OSError) -> None:
    raise error


def _add(file: BinaryIO, name: str, path: Path) -> tuple[int, str]:
    """One file with its header; its size and SHA-256."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as content:
        known = os.fstat(content.fileno())
        if not stat.S_ISREG(known.st_mode):
            raise ArchiveError(f"{path} is no regular file, and cannot be kept")
        file.write(header(Member(name, known.st_size, mtime_seconds=int(known.st_mtime))))
        digest = hashlib.sha256()
        left = known.st_size
        while left:
            piece = content.read(min(CHUNK, left))
            if not piece:
                raise ArchiveError(f"{path} became shorter while it was read: try again")
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
    file.write(bytes(padded(known.st_size) - known.st_size))
    return known.st_size, digest.hexdigest()


def _close(file: BinaryIO, manifest: Manifest) -> None:
    """What makes it whole: the manifest, and last its own checksum."""
    text = manifest.to_json()
    if len(text) > written.MOST_BYTES:
        raise ArchiveError("the manifest would be too long to be read again")
    seal = hashlib.sha256(text).hexdigest().encode("ascii")
    seconds = manifest.about.moment_unix_nano // 1_000_000_000
    for name, content in ((written.NAME, text), (written.SEAL, seal)):
        file.write(header(Member(name, len(content), mtime_seconds=seconds)))
        file.write(content + bytes(padded(len(content)) - len(content)))
    file.write(END)
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _partial(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """The file under its other name, held by a lock for as long as somebody writes it."""
    remove_abandoned(target.parent)
    partial = target.parent / f".{target.name}.{secrets.token_hex(8)}.partial"
    handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file, partial
    finally:
        partial.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """What earlier processes left half-written in a folder; what somebody still writes stays."""
    for path in folder.iterdir():
        if not _PARTIAL.fullmatch(path.name) or path.is_symlink() or not path.is_file():
            continue
        with suppress(OSError), path.open("rb") as file:  # locked, or gone meanwhile
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _publish(partial: Path, target: Path) -> None:
    """Give it its name, which must be free; a rename would replace what is there."""
    try:
        os.link(partial, target, follow_symlinks=False)
    except FileExistsError:
        raise StateError(f"{target} exists and is not replaced: give another name") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise StateError(f"{target} exists and is not replaced: give another name") from None
        partial.rename(target)
    flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """The names in a folder, to the device."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
