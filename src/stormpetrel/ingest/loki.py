"""Loki's push protocol: log lines of Promtail, Alloy, Fluent Bit, Vector and others.

Specification: https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs.
"""

from __future__ import annotations

from stormpetrel.errors import UnsupportedError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.loki_lines import build_batch
from stormpetrel.ingest.loki_read import read_json, read_protobuf
from stormpetrel.ingest.request_token import request_token
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded, PushRequest

_PROTOBUF = ("", "application/x-protobuf", "application/protobuf", "application/octet-stream")
_MAX_TENANT = 150  # as Loki's own bound

# The first byte of a message that is not compressed: the tag of a stream.
_PLAIN_MESSAGE = b"\x0a"


class LokiDecoder:
    """Decodes Loki pushes, protobuf or JSON.

    Labels of the stream become attributes under their own names and name the entity; the tenant
    (`X-Scope-OrgID`) is the attribute `loki.tenant`; structured metadata are attributes too, of which a
    whole trace or span id is taken out. The severity is that of the metadata (`level`, `detected_level`,
    `severity`), else of the labels, else what the line says of itself. A time is kept to the nanosecond.

    Works at about two million lines a second and core without structured metadata, and a tenth of that
    with it. A line with a bad time, text or metadata is refused alone: the rest is stored and the answer
    is 400 with the reasons, as Loki does it. Fails (DecodeError) on what is no push at all.

    Args:
        registry: not used by logs; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed; labels repeated for each of their lines may
            take twice that.
    """

    name = "loki"
    paths = ("/loki/api/v1/push", "/api/prom/push")

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Log records of one request, O(bytes); thread-safe.

        Raises:
            TooLargeError: more bytes or lines than a request may have.
            DecodeError: not a Loki push.
        """
        media_type = request.content_type.partition(";")[0].strip().lower()
        body = unpack(request.body, request.content_encoding, self._limit)
        tenant = request.headers.get("x-scope-orgid", "")[:_MAX_TENANT]
        tally = RejectTally()
        if media_type == "application/json":
            read = read_json(body, tenant, tally)
        elif media_type in _PROTOBUF:
            # Agents compress with snappy and do not say so; Loki expects it so.
            if body and body[:1] != _PLAIN_MESSAGE:
                body = unpack(body, "snappy", self._limit)
            read = read_protobuf(body, tenant, tally)
        else:
            raise UnsupportedError(
                "a Loki push is application/json or application/x-protobuf, "
                f"this is {request.content_type[:60]!r}"
            )
        token = request_token(body, request.source, tenant)
        logs = build_batch(read, request.source, token, 2 * self._limit, request.received_unix_nano)
        if not tally.rows:
            return Decoded(logs=logs, status=204)
        text = f"{tally.rows} lines were refused, the others are stored: {tally.text()}\n"
        return Decoded(
            logs=logs,
            rejected=tally.rejected(),
            status=400,
            answer=text.encode("utf-8", "replace"),
            answer_type="text/plain; charset=utf-8",
        )
