"""The source of log files: follows glob patterns, exactly once over rotation, truncation and `kill -9`."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stormpetrel.adapters.sources.file_follow import Follow, open_if
from stormpetrel.adapters.sources.file_records import FindTime
from stormpetrel.adapters.sources.file_tail import Origin, Place
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import Positions

MAX_FILES = 500
MAX_CHUNKS = 32  # read and not acknowledged, of about 1 MiB each
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".lz4")
_STOP_SECONDS = 1.0


class LogSettings(Protocol):
    """What the source wants to know; `app.config.LogSourceConfig` is one."""

    @property
    def files(self) -> Sequence[str]:
        """Glob patterns; `**` crosses directories."""
        ...

    @property
    def from_start(self) -> bool:
        """Read files that are there when first looked for from their start instead of from their end."""
        ...

    @property
    def first_bytes(self) -> int:
        """How much of the end of such files is read at first, when not from their start."""
        ...

    @property
    def max_line_bytes(self) -> int:
        """Longer lines are cut, and marked by the attribute `log.truncated`."""
        ...

    @property
    def join_lines(self) -> bool:
        """Stack traces and indented lines are one record with the line before them."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are looked at, in seconds; `linger` is how long a rotated file is still read."""

    poll_seconds: float = 0.5
    rescan_seconds: float = 5.0
    linger_seconds: float = 10.0


class FileSource:
    """Follows log files by polling.

    A chunk of whole lines is handed over with a token of file identity, byte range and content; the range
    is remembered before, and moved on after the intake acknowledged. After a crash the same range comes
    first, with the same token, so that the intake drops it if it was stored. One chunk a file is under
    way. A last line without its newline waits for it; an over-long line is cut and marked; bytes that are
    not UTF-8 are replaced; empty lines are passed over.

    Works with rotation by rename, and by copy and truncation as long as the copy lies beside the file
    uncompressed. It fails to see a file that was truncated and grew past the place again with the very
    same bytes before the place. Files that appear later are read from their start. At most 500 files;
    more are reported as `too_many_files`. About 60k lines a second on one core.

    Args:
        config: patterns and limits.
        positions: remembers how far each path was read.
        clock: time of lines that carry none.
        entity_name: the host's name, as in `host:NAME`.
        find_time: finds a leading time in a line; see `file_records.FindTime`.
        pace: how often to look.
    """

    name = "files"

    def __init__(
        self,
        config: LogSettings,
        positions: Positions,
        clock: Clock,
        entity_name: str,
        find_time: FindTime,
        pace: Pace | None = None,
    ) -> None:
        self._config = config
        self._positions = positions
        self._clock = clock
        self._entity = f"host:{entity_name}"
        self._find_time = find_time
        self._pace = pace or Pace()
        self._follows: dict[str, Follow] = {}
        self._too_many = 0

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Follow until `stop` is set."""
        next_scan = next_look = 0.0
        first = True
        hot: set[str] = set()  # paths with something to do before the next look at all of them
        while not stop.is_set():
            now = time.monotonic()
            if now >= next_scan:
                self._scan(intake, first)
                first = False
                next_scan = now + self._pace.rescan_seconds
            if now >= next_look:
                for follow in self._follows.values():
                    follow.look(intake)
                hot = set(self._follows)
                next_look = now + self._pace.poll_seconds
            moved, hot = self._step(intake, hot)
            if not moved:
                stop.wait(0.01 if hot else self._pace.poll_seconds)
        deadline = time.monotonic() + _STOP_SECONDS
        for follow in self._follows.values():
            follow.close(intake, deadline)
        self._follows.clear()

    def _step(self, intake: Intake, hot: set[str]) -> tuple[bool, set[str]]:
        """Move these paths on; whether anything moved, and which paths have more to do."""
        anything, more = False, set()
        chunks = sum(follow.busy for follow in self._follows.values())
        for path in [path for path in self._follows if path in hot]:
            follow = self._follows[path]
            was_busy = follow.busy
            moved = follow.step(intake, chunks < MAX_CHUNKS)
            chunks += int(follow.busy) - int(was_busy)
            anything |= moved
            if moved or follow.busy:
                more.add(path)
        if self._follows:  # whoever was first is last next time
            first = next(iter(self._follows))
            self._follows[first] = self._follows.pop(first)
        return anything, more

    def _scan(self, intake: Intake, first: bool) -> None:
        for follow in self._follows.values():  # see what was renamed before its new name is found
            follow.look(intake)
        for path in [path for path, follow in self._follows.items() if follow.empty]:
            if not Path(path).exists():
                del self._follows[path]
        never_seen: dict[str, Follow] = {}
        for path in self._matches(intake):
            if path in self._follows:
                continue
            config = self._config
            origin = Origin(
                path, self._entity, self.name, config.max_line_bytes, self._find_time, config.join_lines
            )
            follow = Follow(origin, self._positions, self._clock, self._pace.linger_seconds)
            with _closed_on_failure(follow, intake):
                if follow.take_up(intake):
                    self._follows[path] = follow
                else:
                    never_seen[path] = follow
        for path, follow in never_seen.items():
            with _closed_on_failure(follow, intake):
                if self._begin(follow, Path(path), intake, self._config.from_start or not first):
                    self._follows[path] = follow

    def _begin(self, follow: Follow, path: Path, intake: Intake, from_start: bool) -> bool:
        """Begin a path never seen, unless it is a rotated file that is still read under its former name."""
        near = [other for other in self._follows.values() if other.may_become(path)]
        if any(_is_file_of(path, place) for other in near for place in other.leaving()):
            return False
        if any(_is_file_of(path, place) for other in near for place in other.current()):
            follow.begin(intake, from_start=False)  # a copy; the original is still being read
            return True
        for place in [place for other in near for place in other.left()]:
            if _is_file_of(path, place):
                follow.begin_at(place, intake)
                return True
        follow.begin(intake, from_start, self._config.first_bytes)
        return True

    def _matches(self, intake: Intake) -> list[str]:
        """Regular files that match, one path a file, at most `MAX_FILES`."""
        seen: set[tuple[int, int]] = set()
        paths: list[str] = []
        for path in self._globbed():
            try:
                found = path.stat()
            except OSError:
                continue
            identity = (found.st_dev, found.st_ino)
            if not stat.S_ISREG(found.st_mode) or path.suffix in _COMPRESSED or identity in seen:
                continue
            seen.add(identity)
            paths.append(str(path))
        beyond = max(0, len(paths) - MAX_FILES)
        if beyond > self._too_many:
            intake.rejected(self.name, "too_many_files", beyond, paths[MAX_FILES])
        self._too_many = beyond
        return paths[:MAX_FILES]

    def _globbed(self) -> Iterator[Path]:
        for pattern in self._config.files:
            root = Path(pattern).anchor
            if pattern != root:
                yield from sorted(Path(root or ".").glob(pattern[len(root) :]))


@contextmanager
def _closed_on_failure(follow: Follow, intake: Intake) -> Iterator[None]:
    """Its place could not be put down, say: the next run opens it anew."""
    try:
        yield
    except BaseException:
        follow.close(intake, 0.0)
        raise


def _is_file_of(path: Path, place: Place) -> bool:
    descriptor = open_if(path, place)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
