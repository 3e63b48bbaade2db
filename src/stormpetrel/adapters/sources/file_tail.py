"""One file being read: chunk after chunk, one at a time, each with a token that survives a crash."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import xxhash

from stormpetrel.adapters.sources.file_lines import read_line
from stormpetrel.adapters.sources.file_records import (
    FindTime,
    container_of,
    last_start,
    put_together,
    record_starts,
    unwrap,
)
from stormpetrel.errors import OverloadedError, StormPetrelError, UnstorableError
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch
from stormpetrel.ports.intake import Intake

CHUNK_BYTES = 1 << 20
MARK_BYTES = 256
TELLING_BYTES = 16  # as much of a mark must agree before another inode counts as the same file
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 10.0
HELD_SECONDS = 0.5  # silence after which the last record of a file is taken as whole


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read; this is what is remembered between runs.

    `[start, end)` is the chunk handed over and not yet acknowledged, empty when there is none. `mark` is
    a hash of the last `mark_bytes` bytes before `start`: a file where it does not fit is another one, or
    was truncated. `turn` counts the files seen under one path, so that a reused inode is no repetition.
    """

    device: int
    inode: int
    turn: int = 0
    start: int = 0
    end: int = 0
    token: int = 0
    skip: bool = False  # `start` is inside an over-long line whose rest is passed over
    mark: int = 0
    mark_bytes: int = 0

    @staticmethod
    def of(told: Mapping[str, Any]) -> Place:
        """A place as it was written; ValueError or TypeError when it is none."""
        if not all(isinstance(value, int) and value >= 0 for value in told.values()):
            raise ValueError("a place holds whole numbers")
        return Place(**told)


class Chunk(NamedTuple):
    """Bytes of whole lines at `[start, end)`, and the place once they are acknowledged."""

    content: bytes
    after: Place
    token: int


class Origin(NamedTuple):
    """What every record of a file has in common, and how its lines are read."""

    path: str
    entity: str
    source: str
    max_line_bytes: int
    find_time: FindTime
    join: bool = True  # lines that belong together are one record


class FileChangedError(StormPetrelError):
    """The file is no longer the one that was read: truncated, or replaced in place."""

    reason = "file_changed"


def content_at(descriptor: int, place: Place, length: int) -> bytes:
    """Up to `length` bytes at the place's start.

    Raises:
        FileChangedError: the bytes before are not those that were read before.
    """
    window = os.pread(descriptor, place.mark_bytes + length, place.start - place.mark_bytes)
    if xxhash.xxh64_intdigest(window[: place.mark_bytes]) != place.mark and place.mark_bytes:
        raise FileChangedError
    if len(window) < place.mark_bytes:
        raise FileChangedError
    return window[place.mark_bytes :]


def fits(descriptor: int, place: Place) -> bool:
    """Whether the open file is the one of the place, as far as was read and handed over."""
    try:
        content = content_at(descriptor, place, place.end - place.start)
    except (FileChangedError, OSError):
        return False
    return place.token == 0 or _token(place, content) == place.token


def near_end(descriptor: int, place: Place, before_bytes: int = 0) -> Place:
    """The place at most `before_bytes` before the present end; the rest of a line there is passed over."""
    start = max(0, os.fstat(descriptor).st_size - before_bytes)
    tail = os.pread(descriptor, min(MARK_BYTES, start), max(0, start - MARK_BYTES))
    inside_line = bool(tail) and not tail.endswith(b"\n")
    return _moved(place, max(0, start - MARK_BYTES) + len(tail), tail, inside_line)


def _moved(place: Place, start: int, before: bytes, skip: bool) -> Place:
    tail = before[-MARK_BYTES:]
    mark = xxhash.xxh64_intdigest(tail)
    return replace(place, start=start, end=start, token=0, skip=skip, mark=mark, mark_bytes=len(tail))


def _token(place: Place, content: bytes) -> int:
    """Hash of the file's identity, the byte range and the bytes; never 0, which means none."""
    end = place.start + len(content)
    identity = f"{place.device},{place.inode},{place.turn},{place.start},{end}".encode()
    return xxhash.xxh64_intdigest(content, seed=xxhash.xxh64_intdigest(identity)) or 1


class Tail:
    """Reads one open file from a place on. At most one chunk is under way; the place moves when the
    intake acknowledged it, and is saved before a chunk is handed over and after.

    Args:
        descriptor: the open file, owned from now on; None when only `chunk` is left of it.
        place: where to start.
        origin: what its records have in common.
        save: makes the place durable.
        now: the time now, for lines that carry none.
    """

    def __init__(
        self,
        descriptor: int | None,
        place: Place,
        origin: Origin,
        save: Callable[[], None],
        now: Callable[[], int],
    ) -> None:
        self.descriptor = descriptor
        self.place = place
        self.leaving_since: float | None = None  # monotonic; rotated away, read to its end and left
        self._origin = origin
        self._save = save
        self._now = now
        self._chunk: Chunk | None = None
        self._batch: LogBatch | None = None
        self._future: Future[None] | None = None
        self._wait_seconds = 0.0
        self._not_before = 0.0
        self._held = (0, 0.0)  # length of what may still go on, and since when (monotonic)
        self._container = container_of(origin.path)

    @property
    def busy(self) -> bool:
        """Whether a chunk is under way."""
        return self._chunk is not None

    @property
    def waiting(self) -> bool:
        """Whether it tries again only later, after a failure."""
        return time.monotonic() < self._not_before

    def step(self, intake: Intake, last: bool = False) -> bool:
        """Take an answer, or hand over the next chunk; true when there was something to do.

        `last` also takes an unfinished last line. Raises `FileChangedError`.
        """
        if self._future is not None:
            if not self._future.done():
                return False
            self._answered(self._future, intake)
        if self.waiting:
            return False
        if self._chunk is None and not self._load(last):
            return False
        if self._batch is not None:
            self._hand_over(self._batch, intake)
        else:
            self._acknowledged()  # nothing but empty lines
        return True

    def _load(self, last: bool) -> bool:
        if self.descriptor is None:
            return False
        place = self.place
        if place.end > place.start:  # handed over before a crash: the very same range again
            content = content_at(self.descriptor, place, place.end - place.start)
            if _token(place, content) != place.token:
                raise FileChangedError
        else:
            content = self._whole_lines(content_at(self.descriptor, place, self._chunk_bytes()), last)
            if self._origin.join and not last:
                content = self._whole_records(content)
        if not content:
            return False
        self._chunk = self._chunk_of(content)
        self._batch = self._records(self._chunk)
        self.place = replace(place, end=place.start + len(content), token=self._chunk.token)
        if self._batch is not None:
            self._save()
        return True

    def _chunk_bytes(self) -> int:
        return max(CHUNK_BYTES, 2 * self._origin.max_line_bytes)

    def _whole_lines(self, content: bytes, last: bool) -> bytes:
        cut = content.rfind(b"\n") + 1
        if cut == 0 and (last or len(content) == self._chunk_bytes()):
            return content  # the end of a file that is left, or a piece of an over-long line
        return content[:cut]

    def _whole_records(self, content: bytes) -> bytes:
        """The content without its last record, which may go on, unless nothing came for a while."""
        if not content.endswith(b"\n") or self.place.skip:
            return content
        now = time.monotonic()
        if self._held[0] == len(content) and now - self._held[1] >= HELD_SECONDS:
            return content
        cut = last_start(content, self._origin.find_time, self._now())
        if cut == 0 and len(content) >= CHUNK_BYTES // 2:
            return content
        if self._held[0] != len(content) - cut:
            self._held = (len(content) - cut, now)
        return content[:cut]

    def _chunk_of(self, content: bytes) -> Chunk:
        place = self.place
        before = content
        if len(content) < MARK_BYTES and self.descriptor is not None:
            base = max(0, place.start + len(content) - MARK_BYTES)
            before = os.pread(self.descriptor, place.start - base, base) + content
        after = _moved(place, place.start + len(content), before, not content.endswith(b"\n"))
        return Chunk(content, after, _token(place, content))

    def _records(self, chunk: Chunk) -> LogBatch | None:
        """The lines of a chunk as records; None when there are none."""
        content = chunk.content
        if self.place.skip:
            content = content.partition(b"\n")[2]
        observed, longest = self._now(), self._origin.max_line_bytes
        raws = [unwrap(raw.strip(b"\r\0")) for raw in content.split(b"\n")]
        if self._origin.join:
            raws = put_together(raws, record_starts(raws, self._origin.find_time, observed))
        raws = [raw for raw in raws if raw.text.strip()]
        if not raws:
            return None
        texts = [raw.text[:longest].decode("utf-8", "replace") for raw in raws]
        read = [read_line(text, observed, self._origin.find_time) for text in texts]
        keys = [
            (one.process, len(raw.text) > longest, raw.stream) for one, raw in zip(read, raws, strict=True)
        ]
        attributes = {key: self._attributes(*key) for key in set(keys)}
        return build_logs(
            [
                self._time(raw.stamp, one.time_unix_nano, observed)
                for raw, one in zip(raws, read, strict=True)
            ],
            texts,
            source=self._origin.source,
            observed_unix_nano=observed,
            entity=self._entity(),
            severity_number=[one.severity_number for one in read],
            attributes=[attributes[key] for key in keys],
            request_token=chunk.token,
        )

    def _time(self, stamp: bytes, said: int, observed: int) -> int:
        """The wrapper's time, else what the line says."""
        found = self._origin.find_time(stamp, observed) if stamp else None
        return min(found[0], observed) if found else said

    def _entity(self) -> str:
        pod = self._container.get("k8s.pod.name")
        return f"pod:{pod}" if pod else self._origin.entity

    def _attributes(self, process: str, cut: bool, stream: str) -> str:
        told = {"log.file.path": self._origin.path, **self._container}
        if stream:
            told["log.iostream"] = stream
        if process:
            told["process"] = process
        if cut:
            told["log.truncated"] = "true"
        return json.dumps(told)

    def _hand_over(self, batch: LogBatch, intake: Intake) -> None:
        try:
            self._future = intake.logs(batch, self._origin.source)
        except OverloadedError as error:
            self.delay(error, intake)

    def _answered(self, future: Future[None], intake: Intake) -> None:
        self._future = None
        error = future.exception()
        if error is None:
            self._acknowledged()
        elif isinstance(error, UnstorableError):
            # It will not be taken the next time either: counted, and passed over.
            rows = len(self._batch) if self._batch is not None else 0
            intake.rejected(self._origin.source, error.reason, rows, f"{self._origin.path}: {error}"[:200])
            self._acknowledged()
        else:
            self.delay(error, intake)

    def _acknowledged(self) -> None:
        if self._chunk is not None:
            self.place = self._chunk.after
        self._chunk = self._batch = None
        self._wait_seconds = 0.0
        self._save()

    def delay(self, error: BaseException, intake: Intake) -> None:
        """Report a failure and try again later, later each time; nothing is given up."""
        reason = getattr(error, "reason", "error")
        intake.rejected(self._origin.source, reason, 0, f"{self._origin.path}: {error}"[:200])
        longer = max(FIRST_WAIT_SECONDS, 2 * self._wait_seconds)
        self._wait_seconds = min(longer, LONGEST_WAIT_SECONDS)
        self._not_before = time.monotonic() + self._wait_seconds

    def settle(self, intake: Intake, deadline: float) -> None:
        """Wait for the answer under way until `deadline` (monotonic), no longer."""
        while self._future is not None and not self._future.done() and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._future is not None and self._future.done():
            self._answered(self._future, intake)

    def close(self) -> None:
        """Close the file; a chunk under way stays remembered."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
