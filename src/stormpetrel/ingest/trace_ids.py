"""Trace and span ids of log records that say them in their text instead of in their fields.

Where a record has no `trace_id` or no `span_id`, its attributes and then its body are searched for the
names under which loggers write them (`trace_id`, `traceId`, `trace.id`, `dd.trace_id`, `otelTraceID`,
`X-B3-TraceId`, `traceparent` …), as JSON or as key=value. Taken over are the forms of W3C Trace Context
(32 and 16 hexadecimal digits), UUIDs, 64-bit trace ids of B3 (zeros go before), and the decimal ids of
Datadog. An id of zeros is none.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stormpetrel.ingest.literals import Literal, literal_table, scan
from stormpetrel.ingest.text_columns import over_distinct
from stormpetrel.model.signal import LOG_SCHEMA, LogBatch

# What a scan says of each row of columns, by their names.
Scanned = Mapping[str, NDArray[np.uint32]]

# Above the bits of `redact_scan`, which looks for these literals too.
_TRACE, _SPAN, _PARENT = 1 << 28, 1 << 29, 1 << 30
TRACE_LITERALS = (
    *(Literal(f"trace{glue}id", True, True, _TRACE) for glue in ("", "_", "-", ".")),
    *(Literal(f"span{glue}id", True, True, _SPAN) for glue in ("", "_", "-", ".")),
    Literal("traceparent", True, True, _PARENT),
)
_TABLE = literal_table(TRACE_LITERALS)

# What may stand before the name: nothing, or a logger's own word. A parent's span is another span.
_OF = r"(?:^|[^a-z0-9_.-])(?P<of>dd[._]|otel[._]?|x-b3-|x_b3_|b3[._-]?|x-|mdc\.|" + (
    r"context\.|trace\.|attributes\.|resource\.)?"
)
_AFTER = r"\\*[\"']?\s*[=:]\s*\\*[\"']?"
_END = r"(?:[^0-9a-z_-]|$)"
_TRACE_ID = rf"(?i){_OF}trace[_.-]?id{_AFTER}(?P<id>[0-9a-f-]{{16,36}}|[0-9]{{1,20}}){_END}"
_SPAN_ID = rf"(?i){_OF}span[_.-]?id{_AFTER}(?P<id>[0-9a-f]{{16}}|[0-9]{{1,20}}){_END}"
_TRACEPARENT = (
    rf"(?i)traceparent{_AFTER}[0-9a-f]{{2}}-(?P<trace>[0-9a-f]{{32}})-(?P<span>[0-9a-f]{{16}})-[0-9a-f]{{2}}"
)


def with_trace_ids(batch: LogBatch, found: Scanned | None = None) -> LogBatch:
    """The batch with the ids that its records say in their text; the very same one when there are none.

    Fields that are set stay as they are. Cost: one compiled pass over the texts of records without ids,
    about a nanosecond a byte; some microseconds for a record that has some.

    Args:
        batch: log records.
        found: what `redact.scan_batch` says of the batch; without it the texts are looked through here.
    """
    records = batch.records
    missing = pc.or_(pc.equal(records.column("trace_id"), ""), pc.equal(records.column("span_id"), ""))
    rows = np.flatnonzero(missing.to_numpy(zero_copy_only=False))
    if not len(rows):
        return batch
    trace: dict[int, str] = {}
    span: dict[int, str] = {}
    for name in ("attributes", "body"):
        texts = records.column(name)
        bits = over_distinct(texts, _scanned) if found is None else found[name]
        _search(texts, rows, bits[rows], trace, span)
    return _filled(batch, trace, span) if trace or span else batch


def _scanned(texts: pa.Array) -> NDArray[np.uint32]:
    return scan(texts, _TABLE)


def _search(
    texts: pa.Array,
    rows: NDArray[np.int64],
    found: NDArray[np.uint32],
    trace: dict[int, str],
    span: dict[int, str],
) -> None:
    """Add what the texts of these rows say to what earlier ones said."""
    for bits, pattern, names in (
        (_PARENT, _TRACEPARENT, (("trace", trace), ("span", span))),
        (_TRACE, _TRACE_ID, (("id", trace),)),
        (_SPAN, _SPAN_ID, (("id", span),)),
    ):
        places = rows[np.flatnonzero(found & np.uint32(bits))]
        if not len(places):
            continue
        matches = pc.extract_regex(texts.take(pa.array(places)), pattern=pattern)
        for row, match in zip(places.tolist(), matches.to_pylist(), strict=True):
            if match is None:
                continue
            for group, ids in names:
                if not ids.get(row):
                    length = 32 if ids is trace else 16
                    ids[row] = _as_id(match[group], (match.get("of") or "").lower(), length)


def _as_id(text: str, of: str, length: int) -> str:
    """The id in hexadecimal, `length` digits; "" when the text is none.

    >>> _as_id("4BF92F35-77B3-4DA6-A3CE-929D0E0E4736", "", 32)
    '4bf92f3577b34da6a3ce929d0e0e4736'
    >>> _as_id("1234567890123456789", "dd.", 16), _as_id("12345", "", 16)
    ('112210f47de98115', '')
    """
    digits = text.replace("-", "").lower()
    if of.startswith("dd") and len(digits) <= 20 and digits.isdigit():
        number = int(digits)
        digits = f"{number:016x}" if number < 1 << 64 else ""
    if len(digits) not in (16, length) or not digits.strip("0"):
        return ""
    return digits.rjust(length, "0")


def _filled(batch: LogBatch, trace: dict[int, str], span: dict[int, str]) -> LogBatch:
    records = batch.records
    columns = {name: records.column(name) for name in LOG_SCHEMA.names}
    changed = False
    for name, ids in (("trace_id", trace), ("span_id", span)):
        given = pc.equal(columns[name], "").to_numpy(zero_copy_only=False)
        new = {row: one for row, one in ids.items() if one and given[row]}
        if not new:
            continue
        changed = True
        mask = np.zeros(len(given), np.bool_)
        mask[list(new)] = True
        columns[name] = pc.replace_with_mask(
            columns[name], pa.array(mask), pa.array([new[row] for row in sorted(new)], pa.string())
        )
    if not changed:
        return batch
    return LogBatch(pa.RecordBatch.from_arrays(list(columns.values()), schema=LOG_SCHEMA))
