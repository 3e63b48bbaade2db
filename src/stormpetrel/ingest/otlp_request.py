"""OTLP: what the three signals share: opening a request, parsing it, answering it.

Specification: https://opentelemetry.io/docs/specs/otlp/.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
import xxhash
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

from stormpetrel.errors import DecodeError, TooLargeError, UnsupportedError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.otlp_bound import check_size
from stormpetrel.ingest.otlp_json import fill_json
from stormpetrel.ingest.otlp_mend import parse_mended
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded, PushRequest

# Rows of one request: a row of text columns takes about a kilobyte while the batch is built.
MAX_ROWS = 500_000

# A text column holds 2 GiB, and JSON makes up to six bytes out of one.
MAX_BODY_BYTES = 256 << 20

PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass(frozen=True, slots=True)
class OtlpBody:
    """An opened request: its bytes unpacked, the token of source and bytes (never 0), and its encoding."""

    content: bytes
    token: int
    content_type: str

    def parse(self, message: Message) -> Any:
        """Fill an empty export message from the bytes; text that is no UTF-8 is replaced.

        Raises:
            DecodeError: the bytes are not such a message.
        """
        if self.content_type == JSON:
            fill_json(message, self.content)
            return message
        try:
            message.ParseFromString(self.content)
        except ProtobufError:
            mended = parse_mended(message, self.content)
            if mended is None:
                raise DecodeError(
                    f"the body is not an OTLP {message.DESCRIPTOR.name}: it does not parse as protobuf; "
                    "check the path (/v1/metrics, /v1/logs, /v1/traces) and the content type"
                ) from None
            return mended
        return message


class OtlpDecoder(ABC):
    """What the three OTLP decoders have in common: how they are made, how requests are opened and answered.

    Args:
        registry: gives series their ids; not used by logs and traces, every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed; at most 256 MiB are ever taken.
    """

    name: str
    paths: tuple[str, ...]
    # The export messages, and the field of the answer's partial success that counts.
    _request: ClassVar[type[Message]]
    _response: ClassVar[type[Message]]
    _rejected_field: ClassVar[str]

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = min(max_unpacked_bytes, MAX_BODY_BYTES)

    def decode(self, request: PushRequest) -> Decoded:
        """Signals of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many objects or rows in them.
            DecodeError: not an OTLP request of this signal.
        """
        opened = open_body(request, self._request(), self._limit)
        decoded, tally = self._signals(request, opened)
        return dataclasses.replace(
            decoded,
            rejected=tally.rejected(),
            answer=answer(self._response(), self._rejected_field, tally, opened.content_type),
            answer_type=opened.content_type,
        )

    @abstractmethod
    def _signals(self, request: PushRequest, opened: OtlpBody) -> tuple[Decoded, RejectTally]:
        """The signals of an opened request, and what of it was refused."""


def open_body(request: PushRequest, message: Message, limit: int) -> OtlpBody:
    """Unpack a request, and look whether it may be parsed into such a message.

    Raises:
        TooLargeError: beyond `limit` bytes once unpacked, or beyond a bound on the objects in it.
        DecodeError: an unknown content type or encoding.
    """
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type not in (PROTOBUF, JSON, ""):
        raise UnsupportedError(f"OTLP is {PROTOBUF} or {JSON}, this is {request.content_type[:60]!r}")
    body = unpack(request.body, request.content_encoding, limit)
    check_size(body, message.DESCRIPTOR, json=media_type == JSON)
    return OtlpBody(body, _token(request.source, body), media_type or PROTOBUF)


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
