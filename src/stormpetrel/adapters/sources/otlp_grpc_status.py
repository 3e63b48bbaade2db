"""How an OTLP/gRPC request is refused: a status code, a message, and when to come again.

Specification: https://opentelemetry.io/docs/specs/otlp/#failures and `#otlpgrpc-throttling`; the details are
google.rpc.Status with google.rpc.RetryInfo (googleapis, status.proto and error_details.proto), written here
by hand: two messages of two fields need no library more.
"""

from __future__ import annotations

import grpc

from stormpetrel.errors import DecodeError, OverloadedError, StormPetrelError

RETRY_SECONDS = 2

_MAX_MESSAGE = 1000  # trailers are headers: whole ones of more than some kilobytes are refused on the way
_RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"


class GrpcRefusedError(StormPetrelError):
    """A request that is answered with an error.

    Args:
        code: the status code.
        reason: a short constant for counting.
        message: what happened and what to do next.
        retry: the sender is told when to send the same again; without it, it must not (of codes that are
            retryable by themselves, it may).
    """

    def __init__(self, code: grpc.StatusCode, reason: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.retryable = retry

    def text(self) -> str:
        """The message as a header may carry it."""
        return str(self)[:_MAX_MESSAGE]

    def metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The trailing metadata: the status in full, for those who are to come again."""
        if not self.retryable:
            return ()
        retry_info = _field(1, b"\x08" + _varint(RETRY_SECONDS))
        packed = _field(1, _RETRY_INFO) + _field(2, retry_info)
        status = b"\x08" + _varint(self.code.value[0]) + _field(2, self.text().encode()) + _field(3, packed)
        # The second is where OpenTelemetry's Python exporter looks.
        return (("grpc-status-details-bin", status), ("google.rpc.retryinfo-bin", retry_info))


def refusal_of(error: StormPetrelError) -> GrpcRefusedError:
    """An error of decoding or of the intake as a refusal.

    Bytes that are no such request: INVALID_ARGUMENT. A full queue: RESOURCE_EXHAUSTED, to be sent again. A
    store that failed: UNAVAILABLE, likewise.
    """
    if isinstance(error, DecodeError):
        return GrpcRefusedError(grpc.StatusCode.INVALID_ARGUMENT, error.reason, str(error))
    full = isinstance(error, OverloadedError)
    code = grpc.StatusCode.RESOURCE_EXHAUSTED if full else grpc.StatusCode.UNAVAILABLE
    return GrpcRefusedError(code, error.reason, str(error), retry=True)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content
