"""OTLP/HTTP: log and span columns to the bytes of export requests."""

from __future__ import annotations

import gzip

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from stormpetrel.simulate.signals import LogColumns, SpanColumns

OTLP_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
_SEVERITY_TEXT = {9: "INFO", 13: "WARN", 17: "ERROR", 21: "FATAL"}


def logs_request(logs: LogColumns) -> bytes:
    """A gzipped `ExportLogsServiceRequest`, one resource for each (service, host).

    Time is both the record's and the observed time: in the estate nothing waits in between.
    """
    request = ExportLogsServiceRequest()
    scopes: dict[tuple[str, str], ScopeLogs] = {}
    severities = logs.severity_number.tolist()
    for row, at in enumerate(logs.time_unix_nano.tolist()):
        origin = (logs.service[row], logs.host[row])
        if origin not in scopes:
            block: ResourceLogs = request.resource_logs.add(resource=_resource(*origin))
            scopes[origin] = block.scope_logs.add()
        record = scopes[origin].log_records.add(
            time_unix_nano=at,
            observed_time_unix_nano=at,
            severity_number=severities[row],
            severity_text=_SEVERITY_TEXT.get(severities[row], ""),
            body=AnyValue(string_value=logs.body[row]),
        )
        record.attributes.extend(_attributes(logs.attributes[row]))
    return gzip.compress(request.SerializeToString(), compresslevel=1, mtime=0)


def spans_request(spans: SpanColumns) -> bytes:
    """A gzipped `ExportTraceServiceRequest`, one resource for each (service, host)."""
    request = ExportTraceServiceRequest()
    scopes: dict[tuple[str, str], ScopeSpans] = {}
    ends, kinds, states = spans.end_unix_nano.tolist(), spans.kind.tolist(), spans.status_code.tolist()
    for row, start in enumerate(spans.start_unix_nano.tolist()):
        origin = (spans.service[row], spans.host[row])
        if origin not in scopes:
            block: ResourceSpans = request.resource_spans.add(resource=_resource(*origin))
            scopes[origin] = block.scope_spans.add()
        span = scopes[origin].spans.add(
            trace_id=spans.trace_id[row],
            span_id=spans.span_id[row],
            parent_span_id=spans.parent_span_id[row],
            name=spans.name[row],
            kind=kinds[row],
            start_time_unix_nano=start,
            end_time_unix_nano=ends[row],
        )
        span.status.code = states[row]
    return gzip.compress(request.SerializeToString(), compresslevel=1, mtime=0)


def _resource(service: str, host: str) -> Resource:
    pairs = [("host.name", host)] if host else []
    if service:
        pairs.insert(0, ("service.name", service))
    return Resource(attributes=_attributes(tuple(pairs)))


def _attributes(pairs: tuple[tuple[str, str], ...]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in pairs]
