"""OTLP logs: requests to log batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from stormpetrel.ingest.otlp_request import answer, check_rows, read_request
from stormpetrel.ingest.otlp_values import (
    INT64_MAX,
    any_value,
    attribute_map,
    attributes_prefix,
    hex_id,
    joined,
    text_of,
)
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.severity import severity_of
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.resource import entity_of
from stormpetrel.model.signal import LogBatch

# Time, observed time, entity, severity, body, attributes, trace id, span id.
_Row = tuple[int, int, str, int, str, str, str, str]


class OtlpLogsDecoder:
    """Decodes OTLP/HTTP log requests, protobuf or JSON.

    A record's time is its own, else the observed one, else ours. The entity comes from the resource. The
    attributes are one JSON object: the resource's with `resource.` before their names, then the
    record's; an event name is `event.name`, a severity text that the number does not say is
    `severity_text`, the scope's name is `scope.name`. A body that is no text is JSON.

    Args:
        registry: not used by logs; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "otlp_logs"
    paths = ("/v1/logs",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Log records of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked.
            DecodeError: not an OTLP log request.
        """
        parsed = read_request(request, ExportLogsServiceRequest(), self._limit)
        tally = RejectTally()
        rows: list[_Row] = []
        groups = parsed.message.resource_logs
        check_rows(sum(len(scope.log_records) for group in groups for scope in group.scope_logs))
        for group in groups:
            resource = attribute_map(group.resource.attributes)
            entity = entity_of({name: text_of(value) for name, value in resource.items()})
            for scope in group.scope_logs:
                prefix = attributes_prefix(resource, scope.scope.name)
                rows += [_row(record, entity, prefix) for record in scope.log_records]
        logs = _batch(rows, request, parsed.token, tally) if rows else None
        body = answer(ExportLogsServiceResponse(), "rejected_log_records", tally, parsed.content_type)
        return Decoded(logs=logs, rejected=tally.rejected(), answer=body, answer_type=parsed.content_type)


def _row(record: Any, entity: str, prefix: bytes) -> _Row:
    attributes = attribute_map(record.attributes)
    severity = record.severity_number if 0 < record.severity_number <= 24 else 0
    if record.severity_text:
        said = severity_of(record.severity_text)
        severity = severity or said
        if severity != said:
            attributes["severity_text"] = record.severity_text
    if record.event_name:
        attributes["event.name"] = record.event_name
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


def _batch(rows: list[_Row], request: PushRequest, token: int, tally: RejectTally) -> LogBatch | None:
    times, observed, entity, severity, body, attributes, trace, span = zip(*rows, strict=True)
    received = np.uint64(request.received_unix_nano)
    seen = np.array(observed, np.uint64)
    seen = np.where(seen == 0, received, seen)
    time = np.array(times, np.uint64)
    time = np.where(time == 0, seen, time)
    good = (time <= INT64_MAX) & (seen <= INT64_MAX)
    refused = len(rows) - int(good.sum())
    tally.add("time_out_of_range", refused)
    logs = build_logs(
        time.view(np.int64),
        body,
        source=request.source,
        observed_unix_nano=seen.view(np.int64),
        entity=entity,
        severity_number=severity,
        attributes=attributes,
        trace_id=trace,
        span_id=span,
        request_token=token,
    )
    if not refused:
        return logs
    return LogBatch(logs.records.filter(pa.array(good))) if good.any() else None
