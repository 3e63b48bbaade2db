"""Archives read without trust: everything is checked before anything is written."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stormpetrel.app.backup import manifest as written
from stormpetrel.app.backup.manifest import read_manifest
from stormpetrel.app.backup.tar import BLOCK, END, Member, padded, read_header
from stormpetrel.errors import ArchiveError, NotFoundError

_CHUNK = 1 << 20
# What stands beneath `files` becomes part of a data directory: nothing that is kept in another way.
_APART = r"(?:telemetry|snapshots|unpacked|control\.sqlite|server\.address)(?:-[a-z]+)?(?:/|$)"
_PLACES = re.compile(
    rf"control\.sqlite|files/(?!{_APART}).+|outside/[^/]+|telemetry/[a-z][a-z0-9_]*/[^/]+/.+"
    rf"|{re.escape(written.NAME)}|{re.escape(written.SEAL)}"
)

Progress = Callable[[int, int], None]


class Archive:
    """An archive whose headers and manifest are read and agree. Made by `opened`.

    Nothing in it is compressed, so what it holds is never more than its own size.

    Raises:
        ArchiveError: it is damaged, cut off, hostile, or of a newer format.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._places = dict(_scan(file, size))
        names = list(self._places)
        if names[-2:] != [written.NAME, written.SEAL]:
            raise ArchiveError("it has no manifest at its end: it was not finished")
        text = self._content(written.NAME, written.MOST_BYTES)
        seal = self._content(written.SEAL, 64)
        if not hmac.compare_digest(hashlib.sha256(text).hexdigest().encode(), seal):
            raise ArchiveError("it is damaged: the checksum of its manifest is wrong")
        self.manifest = read_manifest(text)
        sizes = {name: member.size for name, (member, _) in self._places.items()}
        del sizes[written.NAME], sizes[written.SEAL]
        if sizes != {name: size for name, (size, _) in self.manifest.files.items()}:
            raise ArchiveError("its manifest names other files than it holds: it was tampered with")

    def verify(self, told: Progress) -> None:
        """Read all of it and compare every checksum; about 0.5 GB/s.

        Raises:
            ArchiveError: naming the first file that is not what it was.
        """
        for name, _ in self._read(told, None):
            self._compare(name)

    def extract(self, into: Path, told: Progress) -> None:
        """Write every file beneath a new, empty folder of ours, and compare every checksum again.

        Raises:
            ArchiveError: a file is not what the manifest says; or it cannot be written.
        """
        try:
            for name, _ in self._read(told, into):
                self._compare(name)
        except OSError as error:
            raise ArchiveError(f"it cannot be unpacked into {into}: {error.strerror}") from error

    def _read(self, told: Progress, into: Path | None) -> Iterator[tuple[str, Member]]:
        done, total = 0, self.manifest.total_bytes
        for name, (member, offset) in self._places.items():
            if name in (written.NAME, written.SEAL):
                continue
            self._digest = hashlib.sha256()
            self._file.seek(offset)
            with _sink(into, name) as sink:
                left = member.size
                while left:
                    piece = self._file.read(min(_CHUNK, left))
                    if not piece:
                        raise ArchiveError(f"{name}: it is cut off")
                    self._digest.update(piece)
                    if sink is not None:
                        sink.write(piece)
                    left -= len(piece)
                    done += len(piece)
                    told(done, total)
            yield name, member

    def _compare(self, name: str) -> None:
        if self._digest.hexdigest() != self.manifest.files[name][1]:
            raise ArchiveError(f"{name} is damaged: its checksum is wrong; use another backup")

    def _content(self, name: str, most: int) -> bytes:
        member, offset = self._places[name]
        if member.size > most:
            raise ArchiveError(f"its {name} is longer than any that is written")
        self._file.seek(offset)
        return self._file.read(member.size)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An archive for reading; its headers and manifest are checked, its contents not yet.

    Raises:
        NotFoundError: there is no such file.
        ArchiveError: see `Archive`; the message names the file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ArchiveError(f"{path}: it cannot be read: {error.strerror}") from error
    known = os.fstat(handle)
    if not stat.S_ISREG(known.st_mode):
        os.close(handle)
        raise ArchiveError(f"{path}: it is no regular file")
    with os.fdopen(handle, "rb") as file:
        try:
            yield Archive(file, known.st_size)
        except ArchiveError as error:
            raise ArchiveError(f"{path}: {error}") from error
        except OSError as error:
            raise ArchiveError(f"{path}: it cannot be read: {error.strerror}") from error


def _scan(file: BinaryIO, size: int) -> Iterator[tuple[str, tuple[Member, int]]]:
    """Every member and where its content begins, up to the end, which has to be the file's."""
    seen: set[str] = set()
    offset = 0
    while True:
        file.seek(offset)
        member = read_header(file.read(BLOCK))
        if member is None:
            break
        if member.name in seen or len(seen) >= written.MOST_FILES + 2:
            raise ArchiveError(f"it holds {member.name} twice, or too many files: it is not one of ours")
        if not _PLACES.fullmatch(member.name):
            raise ArchiveError(f"it holds {member.name}, which no backup has")
        seen.add(member.name)
        if padded(member.size) > size - offset - BLOCK:
            raise ArchiveError(f"it is cut off in {member.name}")
        yield member.name, (member, offset + BLOCK)
        file.seek(offset + BLOCK + member.size)
        if file.read(padded(member.size) - member.size).strip(b"\0"):
            raise ArchiveError(f"it is damaged behind {member.name}")
        offset += BLOCK + padded(member.size)
    file.seek(offset)
    if file.read(len(END) + 1) != END:
        raise ArchiveError("it is cut off, or something was added at its end")


@contextmanager
def _sink(into: Path | None, name: str) -> Iterator[BinaryIO | None]:
    if into is None:
        yield None
        return
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file
