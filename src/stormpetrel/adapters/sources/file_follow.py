"""One path being followed through rotation: what is at the path now, and what was there before.

Rotation by rename is seen by the inode at the path; the old file is read to its end through the open
descriptor for a while, because its writer may not have let go yet. Rotation by copy and truncation, and
any rotation while this program was down, is seen by the hash of the bytes before the place; what was not
read yet is looked for beside the path, in files whose content fits. A copy that was compressed at once is
not found.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from stormpetrel.adapters.sources.file_tail import (
    TELLING_BYTES,
    FileChangedError,
    Origin,
    Place,
    Tail,
    fits,
    near_end,
)
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import Positions

MAX_TAILS = 8  # of one path, beyond which rotated files are left as soon as they are read
MAX_LEFT = 8  # files read to their end that are remembered, in case they come back under another name
MAX_SIBLINGS = 1000


class Follow:
    """Follows one path; a list of tails, oldest first.

    Args:
        origin: the path and what its records have in common.
        positions: where the places are remembered, under `files:PATH`.
        clock: for lines that carry no time.
        linger_seconds: how long a rotated file is still read.
    """

    def __init__(self, origin: Origin, positions: Positions, clock: Clock, linger_seconds: float) -> None:
        self._origin = origin
        self._path = Path(origin.path)
        self._key = f"files:{origin.path}"
        self._positions = positions
        self._clock = clock
        self._linger = linger_seconds
        self._tails: list[Tail] = []
        self._left: list[Place] = []
        self._current: Tail | None = None
        self._turn = 0
        self._troubled = False

    @property
    def busy(self) -> bool:
        """Whether a chunk is under way."""
        return any(tail.busy for tail in self._tails)

    @property
    def empty(self) -> bool:
        """Whether nothing of this path is open."""
        return not self._tails

    def may_become(self, path: Path) -> bool:
        """Whether rotation may call a file of this path so: same directory, same beginning of the name."""
        return path.parent == self._path.parent and path.name.startswith(self._path.stem)

    def current(self) -> list[Place]:
        """The place in the file at the path now, if there is one."""
        return [self._current.place] if self._current is not None else []

    def leaving(self) -> list[Place]:
        """Places of files that were at the path and are still read."""
        return [tail.place for tail in self._tails if tail.leaving_since is not None]

    def left(self) -> list[Place]:
        """Ends of files that were at the path and have been read."""
        return list(self._left)

    # beginning ---------------------------------------------------------------------------------------
    def take_up(self, intake: Intake) -> bool:
        """Take up what was remembered of the path; false when it was never seen."""
        text = self._positions.get(self._key)
        if text is None:
            return False
        try:
            told = json.loads(text)
            places = [Place.of(place) for place in told["open"]]
            self._left = [Place.of(place) for place in told["left"]]
        except (ValueError, TypeError, KeyError):
            intake.rejected(self._origin.source, "position_damaged", 1, self._origin.path)
            return False
        for place in [*places, *self._left]:
            self._turn = max(self._turn, place.turn)
        for place in places:
            descriptor = self._find(place)
            if descriptor is None:
                intake.rejected(self._origin.source, "file_gone", 1, self._origin.path)
            else:
                self._add(descriptor, place)
        self.look(intake)
        self._save()
        return True

    def begin_at(self, place: Place, intake: Intake) -> None:
        """A path never seen, whose file was read up to a place under another name."""
        self._begin(intake, place)

    def begin(self, intake: Intake, from_start: bool, before_bytes: int = 0) -> None:
        """A path never seen: read from the start, or from at most `before_bytes` before the present end."""
        self._begin(intake, None if from_start else partial(near_end, before_bytes=before_bytes))

    def _save(self) -> None:
        places = {
            "open": [asdict(tail.place) for tail in self._tails],
            "left": [asdict(place) for place in self._left],
        }
        self._positions.put(self._key, json.dumps(places))

    # watching the path -------------------------------------------------------------------------------
    def look(self, intake: Intake) -> None:
        """See what is at the path now: nothing, the file known, or another one."""
        try:
            found = self._path.stat()
            regular = stat.S_ISREG(found.st_mode)
        except OSError:
            regular = False
        if not regular:
            self._leave_all()
            return
        current = self._current
        if current is not None and _is_open(current, found):
            return
        if current is None:  # just taken up: one of the tails may still be at the path
            candidates = (t for t in self._tails if t.leaving_since is None and _is_open(t, found))
            self._current = next(candidates, None)
        else:
            self._current = None
        self._leave_all(but=self._current)
        if self._current is None:
            self._begin(intake, None)

    def _begin(self, intake: Intake, where: Place | Callable[[int, Place], Place] | None) -> None:
        """Read what is at the path: from its start, from a known place, or from where a function says."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if not self._troubled:
                intake.rejected(self._origin.source, "unreadable", 1, str(error)[:200])
            self._troubled = True
            return
        self._troubled = False
        self._turn += 1
        found = os.fstat(descriptor)
        place = Place(found.st_dev, found.st_ino, self._turn)
        if isinstance(where, Place):
            place = where
        elif where is not None:
            place = where(descriptor, place)
        self._current = self._add(descriptor, place)
        self._save()

    def _add(self, descriptor: int, place: Place) -> Tail:
        tail = Tail(descriptor, place, self._origin, self._save, self._clock.now_unix_nano)
        self._tails.append(tail)
        return tail

    def _leave_all(self, but: Tail | None = None) -> None:
        for tail in self._tails:
            if tail is not but and tail.leaving_since is None:
                tail.leaving_since = time.monotonic()
        self._current = but

    # reading -----------------------------------------------------------------------------------------
    def step(self, intake: Intake, may_read: bool) -> bool:
        """Move every tail on; true when there was something to do."""
        moved = False
        for tail in list(self._tails):
            if not (tail.busy or may_read):
                continue
            try:
                moved |= self._step(tail, intake)
            except FileChangedError:
                self._truncated(tail, intake)
                moved = True
            except OSError as error:
                tail.delay(error, intake)
        return moved

    def _step(self, tail: Tail, intake: Intake) -> bool:
        since = tail.leaving_since
        crowded = len(self._tails) > MAX_TAILS
        due = since is not None and (crowded or time.monotonic() > since + self._linger)
        moved = tail.step(intake, last=due)
        if due and not moved and not tail.busy and not tail.waiting:
            tail.close()
            self._tails.remove(tail)
            self._left = [*self._left, tail.place][-MAX_LEFT:]
            self._save()
        return moved

    def _truncated(self, tail: Tail, intake: Intake) -> None:
        """The file was cut under us: go on in its copy if there is one, and begin the file anew."""
        tail.close()
        tail.descriptor = self._find(tail.place)
        was_current = tail is self._current
        if was_current:
            self._leave_all()
        if tail.descriptor is None:
            self._tails.remove(tail)
        if was_current:
            self._begin(intake, None)
        self._save()

    def _find(self, place: Place) -> int | None:
        """The file of a place, open: at the path, elsewhere by inode, or a copy by content."""
        for path in [self._path, *self._siblings(place)]:
            descriptor = open_if(path, place)
            if descriptor is not None:
                return descriptor
        return None

    def _siblings(self, place: Place) -> Iterator[Path]:
        """Files beside the path that may be its former self: by inode first, then by name, newest first."""
        try:
            entries = sorted(os.scandir(self._path.parent), key=lambda e: e.name)[:MAX_SIBLINGS]
            found = [(e, e.stat(follow_symlinks=False)) for e in entries if e.is_file(follow_symlinks=False)]
        except OSError:
            return
        others = [(e, s) for e, s in found if e.name != self._path.name]
        yield from (Path(e.path) for e, s in others if s.st_ino == place.inode)
        named = [(s.st_mtime_ns, e.path) for e, s in others if e.name.startswith(self._path.stem)]
        yield from (Path(path) for _, path in sorted(named, reverse=True))

    def close(self, intake: Intake, deadline: float) -> None:
        """Wait for answers under way until `deadline` (monotonic) and close the files."""
        for tail in self._tails:
            tail.settle(intake, deadline)
            tail.close()


def open_if(path: Path, place: Place) -> int | None:
    """The file at the path, open, when it is the file of the place or a copy of it; else None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    found = os.fstat(descriptor)
    same = (found.st_dev, found.st_ino) == (place.device, place.inode)
    # With hardly a byte read before, content cannot tell one file from another: only identity can.
    told_apart = same or place.mark_bytes >= TELLING_BYTES or place.token != 0
    if stat.S_ISREG(found.st_mode) and told_apart and fits(descriptor, place):
        return descriptor
    os.close(descriptor)
    return None


def _is_open(tail: Tail, found: os.stat_result) -> bool:
    if tail.descriptor is None:
        return False
    mine = os.fstat(tail.descriptor)
    return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)
