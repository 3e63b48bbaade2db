"""OTLP log records as rows, one by one: what every way of decoding them agrees on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.otlp_request import check_rows
from stormpetrel.ingest.otlp_scopes import scopes_of
from stormpetrel.ingest.otlp_values import any_value, attribute_map, hex_id, joined, text_of
from stormpetrel.ingest.severity import severity_of
from stormpetrel.model.columns import NumberColumn, TextColumn

# Time, observed time, entity, severity, body, attributes, trace id, span id.
LogRow: TypeAlias = tuple[int, int, str, int, str, str, str, str]


@dataclass(frozen=True, slots=True)
class LogColumns:
    """Log records as columns of one length, before times that are missing or impossible are dealt with."""

    time: NDArray[np.uint64]
    observed: NDArray[np.uint64]
    entity: TextColumn
    severity: NumberColumn
    body: TextColumn
    attributes: TextColumn
    trace: TextColumn
    span: TextColumn


def columns_of(rows: Sequence[LogRow]) -> LogColumns:
    """Rows, of which there is at least one, as columns."""
    time, observed, entity, severity, body, attributes, trace, span = zip(*rows, strict=True)
    times, seen = np.array(time, np.uint64), np.array(observed, np.uint64)
    return LogColumns(times, seen, entity, severity, body, attributes, trace, span)


def message_rows(message: Any) -> list[LogRow]:
    """The rows of an ExportLogsServiceRequest. About 5 microseconds a record.

    Raises:
        TooLargeError: more rows than are taken, or more than they may repeat of their resource.
    """
    counts = [len(scope.log_records) for group in message.resource_logs for scope in group.scope_logs]
    check_rows(sum(counts))
    shared = scopes_of(((group.resource, group.scope_logs) for group in message.resource_logs), counts)
    return [row_of(one, entity, prefix) for scope, entity, prefix in shared for one in scope.log_records]


def row_of(record: Any, entity: str, prefix: bytes) -> LogRow:
    """The row of a LogRecord message."""
    attributes = attribute_map(record.attributes)
    severity = completed(attributes, record.severity_number, record.severity_text, record.event_name)
    return (
        record.time_unix_nano,
        record.observed_time_unix_nano,
        entity,
        severity,
        text_of(any_value(record.body)),
        joined(prefix, attributes),
        hex_id(record.trace_id, 16),
        hex_id(record.span_id, 8),
    )


def completed(attributes: dict[str, Any], number: int, text: str, event_name: str) -> int:
    """The severity of a record; the attributes get what no column says: its text if it differs, the name."""
    severity = number if 0 < number <= 24 else 0
    if text:
        said = severity_of(text)
        severity = severity or said
        if not said or severity != said:
            attributes["severity_text"] = text
    if event_name:
        attributes["event.name"] = event_name
    return severity
