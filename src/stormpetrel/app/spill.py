"""The spill: inserts on disk while the store is away, oldest first, one file each, bounded in bytes.

A file is written under another name, flushed to the device, and only then gets its own name: when
`append` returned, the insert survives the death of this process and of the machine. What is left of one
that was cut off is deleted at the next start; nobody was told that it was kept.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from stormpetrel.app.inserts import Insert
from stormpetrel.app.spill_file import SpillDamagedError, decode, encode
from stormpetrel.errors import StoreError, StoreFullError

log = structlog.get_logger(__name__)

_SUFFIX = ".spill"
_ASIDE = ".aside"
_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    rows: int
    size_bytes: int


class Spill:
    """One thread appends, one other takes from the front; the figures may be read from any.

    Args:
        directory: made when missing; nothing else may write there.
        limit_bytes: what all files together may take, those set aside included; 0: nothing is taken.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._files: deque[_File] = deque()
        self._number = 0
        self._bytes = 0
        self._rows = 0
        self.aside_total = 0

    def __len__(self) -> int:
        """Inserts that wait."""
        return len(self._files)

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return self._rows

    @property
    def bytes(self) -> int:
        """Bytes on disk, what was set aside included."""
        return self._bytes

    @property
    def limit_bytes(self) -> int:
        """What may be on disk."""
        return self._limit

    # --------------------------------------------------------------------------------------- writing

    def append(self, insert: Insert) -> None:
        """Keep an insert behind those that wait; durable when it returns.

        Raises:
            StoreError: it does not fit, or cannot be written; nothing of it is kept.
        """
        content = encode(insert)
        if self._bytes + len(content) > self._limit:
            raise StoreError(
                f"the store is away, and the spill holds {self._bytes} of at most {self._limit} bytes: "
                "nothing was kept, send again later, or raise intake.spill_bytes"
            )
        path = self._directory / f"{self._number:012d}{_SUFFIX}"
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_durably(path, content)
        except OSError as error:
            path.with_suffix(_UNFINISHED).unlink(missing_ok=True)
            kind = StoreFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
            raise kind(f"the store is away, and {path} cannot be written: {error.strerror}") from error
        with self._lock:
            self._number += 1
            self._add(_File(path, len(insert), len(content)))

    def _add(self, file: _File) -> None:
        self._files.append(file)
        self._bytes += file.size_bytes
        self._rows += file.rows

    # --------------------------------------------------------------------------------------- reading

    def oldest(self) -> Insert | None:
        """The insert that waits longest; None when none does. Unreadable ones are set aside."""
        while self._files:
            try:
                return decode(self._files[0].path.read_bytes())
            except (OSError, SpillDamagedError) as error:
                self.set_aside_oldest(str(error))
        return None

    def drop_oldest(self) -> None:
        """The oldest is in the store: its file goes."""
        file = self._take()
        file.path.unlink(missing_ok=True)
        with self._lock:
            self._bytes -= file.size_bytes

    def set_aside_oldest(self, why: str) -> None:
        """The oldest cannot be stored: its file stays under another name, for a person to look at."""
        file = self._take()
        self._rename_aside(file.path, why)

    def _take(self) -> _File:
        with self._lock:
            file = self._files.popleft()
            self._rows -= file.rows
        return file

    def _rename_aside(self, path: Path, why: str) -> None:
        self.aside_total += 1
        aside = path.with_suffix(_ASIDE)
        log.error("spilled_insert_set_aside", file=str(aside), why=why)
        try:
            path.replace(aside)
        except OSError as error:  # the next start reads it again
            log.error("spilled_insert_not_moved", file=str(path), error=str(error))

    # ---------------------------------------------------------------------------------------- a start

    def recover(self) -> Iterator[Insert]:
        """Take up what an earlier process left; gives each insert once, in order, and keeps its file.

        To be read to its end before anything else is called. What cannot be read is set aside.
        """
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.iterdir()):
            number = path.stem
            if path.suffix == _UNFINISHED:
                with suppress(OSError):  # it only takes room
                    path.unlink()
            if path.suffix not in (_SUFFIX, _ASIDE) or not number.isdigit():
                continue
            self._number = max(self._number, int(number) + 1)
            size = path.stat().st_size
            if path.suffix == _ASIDE:
                self._bytes += size
                continue
            try:
                insert = decode(path.read_bytes())
            except (OSError, SpillDamagedError) as error:
                self._bytes += size
                self._rename_aside(path, str(error))
                continue
            self._add(_File(path, len(insert), size))
            yield insert


def _write_durably(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(_UNFINISHED)
    with unfinished.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
