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
        self._writing: threading.Thread | None = None
        self.trouble = ""

    def restore(self, book: PatternBook, store: TelemetryStore, now_unix_nano: int) -> None:
        """Put the file back, then mine what was stored since; before anything new is mined.

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
        mined = 0
        for batch in store.scan_logs(self._room(store, Window(since, now_unix_nano)), _CHUNK_SECONDS):
            book.mine(batch)
            mined += len(batch)
            if mined >= 2 * MAX_RECORDS:
                break
        log.info("patterns_restored", patterns=book.sizes().patterns, since=to_iso(since), mined=mined)

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
        if not self._period or now_unix_nano < self._next or self._busy():
            return
        if self._next:
            plain = {"taken_unix_nano": now_unix_nano, **book.snapshot()}
            self._writing = threading.Thread(target=self._write, args=(plain,), name="patterns")
            self._writing.start()
        self._next = now_unix_nano + self._period

    def close(self, book: PatternBook, now_unix_nano: int) -> None:
        """Write the last one; when nothing is mined any more."""
        if self._writing is not None:
            self._writing.join(60)
        if self._period and not self._busy():
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
