"""OTLP logs: requests to log batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from stormpetrel.ingest.otlp_logs_columns import read_columns
from stormpetrel.ingest.otlp_logs_json import read_rows
from stormpetrel.ingest.otlp_logs_rows import LogColumns, columns_of, message_rows
from stormpetrel.ingest.otlp_request import JSON, OtlpBody, OtlpDecoder
from stormpetrel.ingest.otlp_values import INT64_MAX
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import LogBatch


class OtlpLogsDecoder(OtlpDecoder):
    """Decodes OTLP log requests, protobuf or JSON.

    A record's time is its own, else the observed one, else ours. The entity comes from the resource. The
    attributes are one JSON object: the resource's with `resource.` before their names, then the
    record's; an event name is `event.name`, a severity text that the number does not say is
    `severity_text`, the scope's name is `scope.name`. A body that is no text is JSON.

    Protobuf is read by compiled kernels straight into columns, JSON from the tree that orjson makes. What
    either does not know goes the long way, through protobuf messages, with the same outcome.
    """

    name = "otlp_logs"
    paths = ("/v1/logs",)
    _request = ExportLogsServiceRequest
    _response = ExportLogsServiceResponse
    _rejected_field = "rejected_log_records"

    def _signals(self, request: PushRequest, opened: OtlpBody) -> tuple[Decoded, RejectTally]:
        tally = RejectTally()
        columns = _columns(opened)
        logs = None if columns is None else _batch(columns, request, opened.token, tally)
        return Decoded(logs=logs), tally


def _columns(opened: OtlpBody) -> LogColumns | None:
    """The records of a request; None when it has none."""
    if opened.content_type == JSON:
        rows = read_rows(opened.content)
    else:
        columns = read_columns(opened.content)
        if columns is not None:
            return columns
        rows = None
    if rows is None:
        rows = message_rows(opened.parse(ExportLogsServiceRequest()))
    return columns_of(rows) if rows else None


def _batch(columns: LogColumns, request: PushRequest, token: int, tally: RejectTally) -> LogBatch | None:
    received = np.uint64(request.received_unix_nano)
    seen = np.where(columns.observed == 0, received, columns.observed)
    time = np.where(columns.time == 0, seen, columns.time)
    good = (time <= INT64_MAX) & (seen <= INT64_MAX)
    refused = len(good) - int(good.sum())
    tally.add("time_out_of_range", refused)
    logs = build_logs(
        time.view(np.int64),
        columns.body,
        source=request.source,
        observed_unix_nano=seen.view(np.int64),
        entity=columns.entity,
        severity_number=columns.severity,
        attributes=columns.attributes,
        trace_id=columns.trace,
        span_id=columns.span,
        request_token=token,
    )
    if not refused:
        return logs
    return LogBatch(logs.records.filter(pa.array(good))) if good.any() else None
