"""OTLP traces: requests to span batches."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from stormpetrel.ingest.otlp_request import OtlpBody, OtlpDecoder, check_rows
from stormpetrel.ingest.otlp_scopes import scopes_of
from stormpetrel.ingest.otlp_values import INT64_MAX, attribute_map, hex_id, joined
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.columns import build_spans
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import SpanBatch

# Start, end, name, trace id, span id, parent span id, entity, kind, status code, attributes.
_Row = tuple[int, int, str, str, str, str, str, int, int, str]

# What a sender left out of a span before it sent it.
_DROPPED = ("dropped_attributes_count", "dropped_events_count", "dropped_links_count")


class OtlpTracesDecoder(OtlpDecoder):
    """Decodes OTLP trace requests, protobuf or JSON.

    A span without a valid trace id, span id and start is refused; an end that is missing is its start.
    The attributes are one JSON object: the resource's with `resource.` before their names, then the
    span's; its status message is `status.message`, its W3C trace state `trace_state`, its events and links
    are the arrays `events` and `links`, the scope's name is `scope.name`, and how many attributes, events
    and links the sender left out is `dropped_…_count` where it is not 0.
    """

    name = "otlp_traces"
    paths = ("/v1/traces",)
    _request = ExportTraceServiceRequest
    _response = ExportTraceServiceResponse
    _rejected_field = "rejected_spans"

    def _signals(self, request: PushRequest, opened: OtlpBody) -> tuple[Decoded, RejectTally]:
        tally = RejectTally()
        rows: list[_Row] = []
        groups = opened.parse(ExportTraceServiceRequest()).resource_spans
        counts = [len(scope.spans) for group in groups for scope in group.scope_spans]
        check_rows(sum(counts))
        for scope, entity, prefix in scopes_of(((g.resource, g.scope_spans) for g in groups), counts):
            for span in scope.spans:
                row = _row(span, entity, prefix)
                if isinstance(row, str):
                    tally.add(row, 1, span.name[:80])
                else:
                    rows.append(row)
        return Decoded(spans=_batch(rows, request.source, opened.token) if rows else None), tally


def _row(span: Any, entity: str, prefix: bytes) -> _Row | str:
    """The columns of a span, or the reason why it is refused."""
    trace_id, span_id = hex_id(span.trace_id, 16), hex_id(span.span_id, 8)
    if not trace_id or not span_id:
        return "bad_span_id"
    start, end = span.start_time_unix_nano, span.end_time_unix_nano or span.start_time_unix_nano
    if not 0 < start <= INT64_MAX or end > INT64_MAX:
        return "time_out_of_range"
    if end < start:
        return "ends_before_start"
    return (
        start,
        end,
        span.name,
        trace_id,
        span_id,
        hex_id(span.parent_span_id, 8),
        entity,
        span.kind if 0 < span.kind <= 5 else 0,
        span.status.code if 0 < span.status.code <= 2 else 0,
        joined(prefix, _attributes(span)),
    )


def _attributes(span: Any) -> dict[str, Any]:
    attributes = attribute_map(span.attributes)
    if span.status.message:
        attributes["status.message"] = span.status.message
    if span.trace_state:
        attributes["trace_state"] = span.trace_state
    if span.events:
        attributes["events"] = [_event(entry) for entry in span.events]
    if span.links:
        attributes["links"] = [_link(link) for link in span.links]
    for field in _DROPPED:
        count = getattr(span, field)
        if count:
            attributes[field] = count
    return attributes


def _event(entry: Any) -> dict[str, Any]:
    return {
        "time_unix_nano": entry.time_unix_nano,
        "name": entry.name,
        "attributes": attribute_map(entry.attributes),
    }


def _link(link: Any) -> dict[str, Any]:
    """Another span; ids that are none are empty, as everywhere."""
    told = {
        "trace_id": hex_id(link.trace_id, 16),
        "span_id": hex_id(link.span_id, 8),
        "attributes": attribute_map(link.attributes),
    }
    return {**told, "trace_state": link.trace_state} if link.trace_state else told


def _batch(rows: list[_Row], source: str, token: int) -> SpanBatch:
    start, end, name, trace, span, parent, entity, kind, status, attributes = zip(*rows, strict=True)
    return build_spans(
        start,
        end,
        name,
        trace,
        span,
        source=source,
        entity=entity,
        parent_span_id=parent,
        kind=kind,
        status_code=status,
        attributes=attributes,
        request_token=token,
    )
