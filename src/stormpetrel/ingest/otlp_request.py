"""OTLP over HTTP: what the three signals share: reading a request, answering it.

Specification: https://opentelemetry.io/docs/specs/otlp/#otlphttp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import xxhash
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

from stormpetrel.errors import DecodeError, TooLargeError, UnsupportedError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.otlp_bound import check_size
from stormpetrel.ingest.otlp_json import fill_json
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import PushRequest

# Rows of one request: a row of text columns takes about a kilobyte while the batch is built.
MAX_ROWS = 500_000

PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass(frozen=True, slots=True)
class OtlpRequest:
    """A parsed request: the message, the token of source and unpacked bytes (never 0), and its encoding."""

    message: Any
    token: int
    content_type: str


def read_request(request: PushRequest, message: Message, limit: int) -> OtlpRequest:
    """Unpack and parse a request into an empty export message.

    Raises:
        TooLargeError: beyond `limit` bytes once unpacked, or beyond a bound on the objects in it.
        DecodeError: an unknown content type or encoding, or bytes that are not such a message.
    """
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type not in (PROTOBUF, JSON, ""):
        raise UnsupportedError(f"OTLP is {PROTOBUF} or {JSON}, this is {request.content_type[:60]!r}")
    body = unpack(request.body, request.content_encoding, limit)
    check_size(body, message.DESCRIPTOR, json=media_type == JSON)
    if media_type == JSON:
        fill_json(message, body)
    else:
        try:
            message.ParseFromString(body)
        except ProtobufError:
            raise DecodeError(
                f"the body is not an OTLP {message.DESCRIPTOR.name}: it does not parse as protobuf; "
                "check the path (/v1/metrics, /v1/logs, /v1/traces) and the content type"
            ) from None
    return OtlpRequest(message, _token(request.source, body), media_type or PROTOBUF)


def _token(source: str, body: bytes) -> int:
    """Two senders that say the same are two: the source counts too."""
    digest = xxhash.xxh64(f"{source}\0".encode())
    digest.update(body)
    return digest.intdigest() or 1


def check_rows(rows: int) -> None:
    """Refuse a request of more than `MAX_ROWS` log records or spans.

    Raises:
        TooLargeError: naming the limit.
    """
    if rows > MAX_ROWS:
        raise TooLargeError(f"the request holds {rows} rows, at most {MAX_ROWS} are taken: send smaller ones")


def answer(response: Any, count_field: str, tally: RejectTally, content_type: str) -> bytes:
    """The success body in the request's encoding, with the partial success filled if rows were refused.

    Args:
        response: an empty Export…ServiceResponse message.
        count_field: the field of its partial success that counts, in snake case.
        tally: what was refused.
        content_type: `PROTOBUF` or `JSON`.
    """
    if not tally.rows:
        return b"{}" if content_type == JSON else b""
    if content_type == JSON:
        head, *tail = count_field.split("_")
        count = head + "".join(part.capitalize() for part in tail)
        # A 64-bit number is text in protobuf's JSON mapping.
        return orjson.dumps({"partialSuccess": {count: str(tally.rows), "errorMessage": tally.text()}})
    setattr(response.partial_success, count_field, tally.rows)
    response.partial_success.error_message = tally.text()
    return bytes(response.SerializeToString())
