"""Reading log records, spans, and what was stored lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormpetrel.adapters.store import rows
from stormpetrel.adapters.store.part import IN_WINDOW, StorePart, bounds, select, step_of
from stormpetrel.model.query import LogCounts, LogQuery, PatternRows
from stormpetrel.model.signal import LOG_SCHEMA, SPAN_SCHEMA, LogBatch, LogRecord, SpanBatch
from stormpetrel.model.time import NANOS_PER_SECOND, Window

_LOG_COLUMNS = ", ".join(LOG_SCHEMA.names)
_SPAN_COLUMNS = ", ".join(SPAN_SCHEMA.names)
_TIES = ", ".join(name for name in LOG_SCHEMA.names if name != "time_unix_nano")
_KEY = ("time_unix_nano", "entity", "source")  # of the table, see `schema`
_NO_KEY = tuple(name for name in LOG_SCHEMA.names if name not in _KEY)
_SEVERITIES = 25
_TOKEN_TABLES = ("logs", "spans", "flows", "alerts", "changes")


class LogReader(StorePart):
    """The reads of `TelemetryStore` that are about log records and spans."""

    def scan_logs(self, window: Window, chunk_seconds: float = 900.0) -> Iterator[LogBatch]:
        """All log records of the window ordered by time, ties by every other column."""
        for found in self._scan(
            _LOG_COLUMNS, "logs", f"ORDER BY time_unix_nano, {_TIES}", window, chunk_seconds
        ):
            yield LogBatch(rows.record_batch(found, LOG_SCHEMA))

    def read_logs(self, query: LogQuery) -> list[LogRecord]:
        """Log records that match; ties in the order of entity, source, and then every other column.

        A text of three letters or more is looked up in an index of trigrams. It is compared without
        regard to case, beyond ASCII only if it has such letters itself.
        """
        where, asked = _matching(query)
        order = "DESC" if query.newest_first else "ASC"
        # The table's key first, so that reading stops at the limit. Then the rest: whoever pages on gets
        # each of many records of one moment once.
        by = ", ".join(f"{name} {order}" for name in (*_KEY, *_NO_KEY))
        then = f"ORDER BY {by} LIMIT {{limit:UInt64}} OFFSET {{skip:UInt64}}"
        bounded = {"limit": max(0, query.limit), "skip": max(0, query.skip)}
        table = self._connections.query(select(_LOG_COLUMNS, "logs", where, then), {**asked, **bounded})
        return [rows.log_record(row) for row in table.to_pylist()]

    def count_logs(self, query: LogQuery, buckets: int) -> LogCounts:
        """Matching records in `buckets` equal parts of the window, by severity (beyond 24: as 24)."""
        where, asked = _matching(replace(query, before_unix_nano=0))
        step = step_of(query.window, buckets)
        sql = select(
            "intDiv(time_unix_nano - {start:Int64}, {step:Int64}) AS bucket,"
            " least(severity_number, 24) AS severity, count() AS held",
            "logs",
            where,
            "GROUP BY bucket, severity",
        )
        found = self._connections.query(sql, {**asked, "step": step})
        count = np.zeros((buckets, _SEVERITIES), np.int64)
        count[rows.column(found, "bucket", np.int64), rows.column(found, "severity", np.int64)] = rows.column(
            found, "held", np.int64
        )
        return LogCounts(query.window.start_unix_nano + step * np.arange(buckets, dtype=np.int64), count)

    def count_patterns(self, query: LogQuery, buckets: int) -> PatternRows:
        """Matching records by pattern, most first; O(records in the window), without their texts."""
        where, asked = _matching(replace(query, before_unix_nano=0))
        step = step_of(query.window, buckets)
        inner = select(
            "pattern, intDiv(time_unix_nano - {start:Int64}, {step:Int64}) AS bucket, count() AS held,"
            " max(severity_number) AS worst, min(time_unix_nano) AS oldest, max(time_unix_nano) AS newest,"
            " any(entity) AS who, any(source) AS whence, uniqState(entity) AS whos",
            "logs",
            where,
            "GROUP BY pattern, bucket",
        )
        outer = select(
            "pattern, sum(held) AS total, max(worst) AS severity, min(oldest) AS first, max(newest) AS last,"
            " any(who) AS entity, any(whence) AS source, uniqMerge(whos) AS entities,"
            " groupArray(bucket) AS places, groupArray(held) AS counts",
            f"({inner})",
            (),
            "GROUP BY pattern ORDER BY total DESC, pattern LIMIT {limit:UInt64}",
        )
        found = self._connections.query(outer, {**asked, "step": step, "limit": max(0, query.limit)})
        return rows.pattern_rows(found, buckets)

    def read_spans(self, window: Window, limit: int = 200, trace_id: str = "") -> SpanBatch:
        """Spans that start in the window, newest first."""
        where = ["start_unix_nano >= {start:Int64}", "start_unix_nano < {end:Int64}"]
        asked: dict[str, Any] = {**bounds(window), "limit": max(0, limit)}
        if trace_id:
            where.append("trace_id = {trace:String}")
            asked["trace"] = trace_id
        then = "ORDER BY start_unix_nano DESC, trace_id DESC, span_id DESC LIMIT {limit:UInt64}"
        table = self._connections.query(select(_SPAN_COLUMNS, "spans", where, then), asked)
        return SpanBatch(rows.record_batch(table, SPAN_SCHEMA))

    def recent_tokens(self, since_unix_nano: int) -> NDArray[np.uint64]:
        """Distinct request tokens of records of every kind stored in or after the second of `since`."""
        recent = ("toUnixTimestamp(stored) >= {since:Int64}", "request_token != 0")
        found = self._connections.query(
            " UNION DISTINCT ".join(select("request_token", table, recent) for table in _TOKEN_TABLES),
            {"since": since_unix_nano // NANOS_PER_SECOND},
        )
        return rows.column(found, "request_token", np.uint64)


def _matching(query: LogQuery) -> tuple[list[str], dict[str, Any]]:
    """The conditions of a log query and its parameters."""
    conditions = list(IN_WINDOW)
    asked: dict[str, Any] = dict(bounds(query.window))
    for name, wanted in (("entity", query.entity), ("source", query.source), ("trace_id", query.trace_id)):
        if wanted:
            conditions.append(f"{name} = {{{name}:String}}")
            asked[name] = wanted
    if query.min_severity > 0:
        conditions.append("severity_number >= {severity:UInt32}")
        asked["severity"] = query.min_severity
    if query.patterns:  # numbers, not text: nothing to quote
        conditions.append(f"pattern IN ({', '.join(str(int(one)) for one in query.patterns)})")
    if query.before_unix_nano > 0:
        conditions.append("time_unix_nano < {before:Int64}")
        asked["before"] = query.before_unix_nano
    if query.text.isascii() and query.text:
        conditions.append("lower(body) LIKE {text:String}")
        asked["text"] = f"%{_escaped(query.text.lower())}%"
    elif query.text:
        conditions.append("positionCaseInsensitiveUTF8(body, {text:String}) > 0")
        asked["text"] = query.text
    return conditions, asked


def _escaped(text: str) -> str:
    for sign in ("\\", "%", "_"):
        text = text.replace(sign, f"\\{sign}")
    return text
