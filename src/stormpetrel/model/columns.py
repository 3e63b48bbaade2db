"""Builders of log and span batches from plain columns: lists, arrays, or one value for every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, Unpack

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.model.signal import LOG_SCHEMA, SPAN_SCHEMA, LogBatch, SpanBatch

TextColumn: TypeAlias = str | Sequence[str] | pa.Array
NumberColumn: TypeAlias = int | Sequence[int] | NDArray[np.integer[Any]] | pa.Array


class LogRest(TypedDict, total=False):
    """The columns of `build_logs` that may be left out."""

    observed_unix_nano: NumberColumn  # the time of the record
    entity: TextColumn  # ""
    severity_number: NumberColumn  # 0, unset
    attributes: TextColumn  # "{}"; JSON objects as text
    trace_id: TextColumn  # ""
    span_id: TextColumn  # ""
    request_token: NumberColumn  # 0, none
    pattern: NumberColumn  # 0, not mined


class SpanRest(TypedDict, total=False):
    """The columns of `build_spans` that may be left out."""

    source: TextColumn  # ""
    entity: TextColumn  # ""
    parent_span_id: TextColumn  # ""
    kind: NumberColumn  # 0, unspecified
    status_code: NumberColumn  # 0, unset
    attributes: TextColumn  # "{}"; JSON objects as text
    request_token: NumberColumn  # 0, none


def build_logs(
    time_unix_nano: NumberColumn, body: TextColumn, *, source: TextColumn, **rest: Unpack[LogRest]
) -> LogBatch:
    """A log batch from columns; a column given as one `str` or `int` holds for every row.

    The columns that are not single values give the number of rows (all single: one row).

    Args:
        time_unix_nano: event time in UTC nanoseconds, int64[n].
        body: the message, text[n].
        source: who it came from, text or text[n].
        rest: see `LogRest`; what is left out takes the default named there.

    Raises:
        ValueError: columns differ in length, or a text is not valid Unicode (a lone surrogate): decode
            with `errors="replace"` first.

    >>> build_logs([1, 2], ["up", "down"], source="file", severity_number=9).records.num_rows
    2
    """
    columns: dict[str, Any] = {
        "observed_unix_nano": time_unix_nano,
        "entity": "",
        "severity_number": 0,
        "attributes": "{}",
        "trace_id": "",
        "span_id": "",
        "request_token": 0,
        "pattern": 0,
        **rest,
        "time_unix_nano": time_unix_nano,
        "body": body,
        "source": source,
    }
    return LogBatch(record_batch(columns, LOG_SCHEMA))


def build_spans(
    start_unix_nano: NumberColumn,
    end_unix_nano: NumberColumn,
    name: TextColumn,
    trace_id: TextColumn,
    span_id: TextColumn,
    **rest: Unpack[SpanRest],
) -> SpanBatch:
    """A span batch from columns; a column given as one `str` or `int` holds for every row.

    Args:
        start_unix_nano: int64[n], UTC nanoseconds.
        end_unix_nano: int64[n], UTC nanoseconds.
        name: the operation, text[n].
        trace_id: 32 hex digits, text[n].
        span_id: 16 hex digits, text[n].
        rest: see `SpanRest`; what is left out takes the default named there.

    Raises:
        ValueError: columns differ in length, or a text is not valid Unicode.

    >>> len(build_spans([1], [2], "GET /", "0" * 32, "0" * 16))
    1
    """
    columns: dict[str, Any] = {
        "source": "",
        "entity": "",
        "parent_span_id": "",
        "kind": 0,
        "status_code": 0,
        "attributes": "{}",
        "request_token": 0,
        **rest,
        "start_unix_nano": start_unix_nano,
        "end_unix_nano": end_unix_nano,
        "name": name,
        "trace_id": trace_id,
        "span_id": span_id,
    }
    return SpanBatch(record_batch(columns, SPAN_SCHEMA))


def record_batch(columns: Mapping[str, Any], schema: pa.Schema) -> pa.RecordBatch:
    """Columns as a record batch of `schema`; one `str` or `int` holds for every row (all single: one row).

    Raises:
        ValueError: columns differ in length, a text is not valid Unicode, or a number does not fit.
    """
    lengths = {len(column) for column in columns.values() if not isinstance(column, int | str)}
    if len(lengths) > 1:
        raise ValueError(f"the columns differ in length: {sorted(lengths)}")
    rows = lengths.pop() if lengths else 1
    arrays = [_array(columns[field.name], field.type, rows) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(column: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if isinstance(column, int | str):
        return pa.repeat(pa.scalar(column, kind), rows)
    if isinstance(column, pa.Array):
        return column if column.type.equals(kind) else column.cast(kind)
    return pa.array(column, kind)
