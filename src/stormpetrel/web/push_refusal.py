"""How a refused request is answered: the shape its protocol has for it, and when to come again."""

from __future__ import annotations

import orjson
from starlette.types import Send

from stormpetrel.errors import DecodeError, StormPetrelError
from stormpetrel.web.errors import RETRY_SECONDS, error_body, status_of

_JSON, _PROTOBUF = b"application/json", b"application/x-protobuf"


class PushRefusedError(StormPetrelError):
    """A request that is answered with an error of ours before or after decoding."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retryable = status in (429, 503)


def overloaded(what: str) -> PushRefusedError:
    """Too much at once: to be sent again."""
    return PushRefusedError(429, "overloaded", f"{what}; send it again later")


def refusal_of(error: StormPetrelError) -> PushRefusedError:
    """An error of the service as a refusal."""
    if isinstance(error, PushRefusedError):
        return error
    status = status_of(error)
    if isinstance(error, DecodeError) and status >= 500:
        status = 400  # a reason of its own is still the sender's fault
    return PushRefusedError(status, error.reason, str(error))


async def answer_refusal(send: Send, error: PushRefusedError, protocol: str, content_type: bytes) -> None:
    """Send it.

    Args:
        send: of the request.
        error: see `refusal_of`.
        protocol: the decoder's name.
        content_type: of the request.
    """
    body, media_type = refusal_body(error, protocol, content_type)
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if error.retryable:
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="stormpetrel", Basic realm="stormpetrel"'))
    if error.status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal_body(error: PushRefusedError, protocol: str, content_type: bytes) -> tuple[bytes, bytes]:
    """Body and content type of the answer.

    OTLP asks for a `google.rpc.Status` in the encoding of the request, whose `message` exporters log
    (https://opentelemetry.io/docs/specs/otlp/#failures-1); in JSON what is ours stands beside it. All other
    protocols leave the body to us.
    """
    message = str(error)
    ours = error_body(error.reason, message, error.retryable)
    if not protocol.startswith("otlp_"):
        return ours, _JSON
    if content_type.partition(b";")[0].strip().lower() == _PROTOBUF:
        return _status(message.encode("utf-8", "replace")), _PROTOBUF
    return orjson.dumps({"message": message, **orjson.loads(ours)}, default=str), _JSON


def _status(message: bytes) -> bytes:
    """A Status with nothing but its message, which is field 2: a message of one field needs no library."""
    size = bytearray()
    left = len(message)
    while left > 0x7F:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes((0x12, *size, left)) + message
