"""The live tail: log records as they are stored, to every page that looks, through its own filter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import LogBatch, LogRecord
from stormpetrel.model.view import TailMessage

# Per page and batch; a page cannot show more, and nobody can read more.
_MOST_RECORDS = 200
# Messages a slow page may be behind; then the oldest are skipped, and the page is told how many records.
_BACKLOG = 16
_MOST_PAGES = 50

_Queue = asyncio.Queue[TailMessage]


class LogTail:
    """Offers from any thread, delivers in each subscriber's event loop. Costs nothing while nobody looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[_Queue, tuple[asyncio.AbstractEventLoop, LogQuery]] = {}

    def offer(self, batch: LogBatch) -> None:
        """Hand stored records to every page whose filter they pass; never blocks."""
        with self._lock:
            pages = list(self._pages.items())
        for queue, (loop, query) in pages:
            try:
                found = matching(batch.records, query)
            # A filter that cannot be asked must cost nobody else a record: its page shows nothing.
            except (pa.ArrowException, OverflowError):
                continue
            if not found.num_rows:
                continue
            shown = found.slice(max(0, found.num_rows - _MOST_RECORDS))
            message = TailMessage(_records(shown), found.num_rows - shown.num_rows)
            with suppress(RuntimeError):  # a loop that closed: nobody is there to see it
                loop.call_soon_threadsafe(_put, queue, message)

    async def subscribe(self, query: LogQuery) -> AsyncIterator[TailMessage]:
        """Records from now on that match `query` (its window, limit and order do not count)."""
        queue: _Queue = asyncio.Queue(_BACKLOG)
        with self._lock:
            if len(self._pages) >= _MOST_PAGES:
                return
            self._pages[queue] = (asyncio.get_running_loop(), query)
        try:
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                del self._pages[queue]

    def __len__(self) -> int:
        return len(self._pages)


def matching(records: pa.RecordBatch, query: LogQuery) -> pa.RecordBatch:
    """The records that pass the filters of a query."""
    masks = []
    if query.min_severity:
        masks.append(pc.greater_equal(records.column("severity_number"), query.min_severity))
    for name, wanted in (("source", query.source), ("entity", query.entity), ("trace_id", query.trace_id)):
        if wanted:
            masks.append(pc.equal(records.column(name), wanted))
    if query.patterns:
        masks.append(pc.is_in(records.column("pattern"), pa.array(query.patterns, pa.int64())))
    if query.text:
        masks.append(pc.match_substring(records.column("body"), query.text, ignore_case=True))
    if not masks:
        return records
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.and_(mask, other)
    return records.filter(mask)


def _records(records: pa.RecordBatch) -> list[LogRecord]:
    return [
        LogRecord(
            row["time_unix_nano"],
            row["entity"],
            row["source"],
            row["severity_number"],
            row["body"],
            _attributes(row["attributes"]),
            row["trace_id"],
            row["span_id"],
            row["pattern"],
        )
        for row in records.to_pylist()
    ]


def _attributes(text: str) -> dict[str, str]:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(read, dict):
        return {}
    return {k: v if isinstance(v, str) else orjson.dumps(v).decode() for k, v in read.items()}


def _put(queue: _Queue, message: TailMessage) -> None:
    if queue.full():
        lost = queue.get_nowait()
        message = TailMessage(message.records, message.skipped + lost.skipped + len(lost.records))
    queue.put_nowait(message)
