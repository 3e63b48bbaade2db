"""OTLP traces: requests to span batches."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from stormpetrel.ingest.otlp_request import answer, check_rows, read_request
from stormpetrel.ingest.otlp_values import (
    INT64_MAX,
    attribute_map,
    attributes_prefix,
    hex_id,
    joined,
    text_of,
)
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.columns import build_spans
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.resource import entity_of
from stormpetrel.model.signal import SpanBatch

# Start, end, name, trace id, span id, parent span id, entity, kind, status code, attributes.
_Row = tuple[int, int, str, str, str, str, str, int, int, str]


class OtlpTracesDecoder:
    """Decodes OTLP/HTTP trace requests, protobuf or JSON.

    A span without a valid trace id, span id and start is refused; an end that is missing is its start.
    The attributes are one JSON object: the resource's with `resource.` before their names, then the
    span's; its status message is `status.message`, its events and links are the arrays `events` and
    `links`, the scope's name is `scope.name`.

    Args:
        registry: not used by traces; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "otlp_traces"
    paths = ("/v1/traces",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Spans of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked.
            DecodeError: not an OTLP trace request.
        """
        parsed = read_request(request, ExportTraceServiceRequest(), self._limit)
        tally = RejectTally()
        rows: list[_Row] = []
        groups = parsed.message.resource_spans
        check_rows(sum(len(scope.spans) for group in groups for scope in group.scope_spans))
        for group in groups:
            resource = attribute_map(group.resource.attributes)
            entity = entity_of({name: text_of(value) for name, value in resource.items()})
            for scope in group.scope_spans:
                prefix = attributes_prefix(resource, scope.scope.name)
                for span in scope.spans:
                    row = _row(span, entity, prefix)
                    if isinstance(row, str):
                        tally.add(row, 1, span.name[:80])
                    else:
                        rows.append(row)
        spans = _batch(rows, request.source, parsed.token) if rows else None
        body = answer(ExportTraceServiceResponse(), "rejected_spans", tally, parsed.content_type)
        return Decoded(spans=spans, rejected=tally.rejected(), answer=body, answer_type=parsed.content_type)


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
    if span.events:
        attributes["events"] = [
            {
                "time_unix_nano": entry.time_unix_nano,
                "name": entry.name,
                "attributes": attribute_map(entry.attributes),
            }
            for entry in span.events
        ]
    if span.links:
        attributes["links"] = [
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": attribute_map(link.attributes),
            }
            for link in span.links
        ]
    return attributes


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
