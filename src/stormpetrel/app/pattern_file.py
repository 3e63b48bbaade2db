"""Patterns on disk: a snapshot every few minutes, and the records since then from the store at a start."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import orjson
import structlog

from stormpetrel.app.patterns import PatternBook
from stormpetrel.model.query import LogQuery
from stormpetrel.model.time import Window, from_seconds, to_iso
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

FORMAT = 1
# Records mined again at a start, the newest: some ten seconds.
MAX_RECORDS = 2_000_000
# Of what was mined at about the time of the snapshot some is mined twice rather than not at all: counts of
# a pattern may be that much too high after a kill, its id never depends on it.
_MARGIN = from_seconds(30)
_CHUNK_SECONDS = 300.0
_BUCKETS = 240


class PatternFile:
    """Keeps a book in one file, `patterns.json.gz`, that is there whole or not at all.

    Ids are hashes of what patterns say, so even without the file a pattern would get its old id back once
    its lines come again; the file keeps what they became, their first sightings and their counts.

    Args:
        path: of the file; its folder is made.
        period_seconds: between two snapshots; 0 keeps none.
    """

    def __init__(self, path: Path, period_seconds: float) -> None:
        self._path = path
        self._period = from_seconds(period_seconds)
        self._next = 0
        self._missing: Window | None = None  # stored, and not mined in this process
        self._writing: threading.Thread | None = None
        self.trouble = ""

    def restore(self, book: PatternBook, now_unix_nano: int) -> None:
        """Put the file back; before anything new is mined. What was stored since is left to `catch_up`.

        A file that cannot be read is put aside and told in the log: patterns are learnt again.
        """
        since = now_unix_nano - from_seconds(86_400)
        if self._path.exists():
            try:
                plain = _read(self._path)
                book.restore(plain)
                since = min(max(since, int(plain["taken_unix_nano"]) - _MARGIN), now_unix_nano)
            # Whatever is wrong with a file, a start must not fail for it, at this start and every one after.
            except Exception:  # logged; the file is put aside
                book.forget()
                aside = self._path.with_suffix(".unreadable")
                self._path.replace(aside)
                log.exception("patterns_learnt_anew", file=str(aside))
        self._missing = Window(since, now_unix_nano)

    def catch_up(self, book: PatternBook, store: TelemetryStore) -> None:
        """Mine what was stored between the file and the start; before anything is judged, or all is news.

        Takes some ten seconds at most, in which new records are stored and mined as ever: ids depend on no
        order. Once it is done, or where it was not to be done, nothing happens; after a failure it goes on
        where it was.

        Raises:
            StoreError: the store cannot be read now.
        """
        if self._missing is None:
            return
        begun, mined = self._missing, 0
        window = self._room(store, begun)
        for batch in store.scan_logs(window, _CHUNK_SECONDS):
            book.mine(batch)
            mined += len(batch)
            reached = int(batch.records.column("time_unix_nano").to_numpy().max()) + 1
            self._missing = Window(min(reached, begun.end_unix_nano), begun.end_unix_nano)
            if mined >= 2 * MAX_RECORDS:
                break
        self._missing = None
        since = to_iso(window.start_unix_nano)
        log.info("patterns_restored", patterns=book.sizes().patterns, since=since, mined=mined)

    def _room(self, store: TelemetryStore, window: Window) -> Window:
        """The newest part of the window that holds no more than `MAX_RECORDS` records."""
        counts = store.count_logs(LogQuery(window), _BUCKETS)
        held = np.cumsum(counts.count.sum(axis=1)[::-1])
        fits = max(1, int(np.searchsorted(held, MAX_RECORDS, side="right")))
        if fits == len(held):
            return window
        start = int(counts.bucket_unix_nano[len(held) - fits])
        return Window(min(start, window.end_unix_nano), window.end_unix_nano)

    def tick(self, book: PatternBook, now_unix_nano: int) -> None:
        """Time has reached `now`: write when it is time and nothing is being written."""
        self._missing = None  # judging has begun, with or without it
        if not self._period or now_unix_nano < self._next or self._busy():
            return
        if self._next:
            plain = {"taken_unix_nano": now_unix_nano, **book.snapshot()}
            self._writing = threading.Thread(target=self._write, args=(plain,), name="patterns")
            self._writing.start()
        self._next = now_unix_nano + self._period

    def close(self, book: PatternBook, now_unix_nano: int) -> None:
        """Write the last one, when nothing is mined any more; half a past does not replace the old one."""
        if self._writing is not None:
            self._writing.join(60)
        if self._period and not self._busy() and self._missing is None:
            self._write({"taken_unix_nano": now_unix_nano, **book.snapshot()})

    def _busy(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _write(self, plain: dict[str, Any]) -> None:
        begun = perf_counter()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = self._path.with_suffix(".part")
            content = gzip.compress(orjson.dumps({"format": FORMAT, **plain}), 1)
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except (OSError, ValueError, TypeError) as error:
            self.trouble = f"patterns could not be written to {self._path}: {error}"
            log.error("patterns_not_written", error=str(error)[:300])
            return
        self.trouble = ""
        log.debug("patterns_written", bytes=len(content), seconds=round(perf_counter() - begun, 3))


def _read(path: Path) -> dict[str, Any]:
    plain: dict[str, Any] = orjson.loads(gzip.decompress(path.read_bytes()))
    if plain.get("format") != FORMAT:
        raise ValueError(f"{path.name} has format {plain.get('format')!r}, this program reads {FORMAT}")
    return plain
