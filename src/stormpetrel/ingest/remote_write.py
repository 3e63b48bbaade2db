"""Prometheus remote write, 1.0 and 2.0 on one path: the content type says which message a body holds.

Specifications: https://prometheus.io/docs/specs/prw/remote_write_spec/ and .../remote_write_spec_2_0/.
"""

from __future__ import annotations

from stormpetrel.errors import UnsupportedError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.remote_write_v1 import RemoteWriteV1
from stormpetrel.ingest.remote_write_v2 import RemoteWriteV2
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest

V1_MESSAGE, V2_MESSAGE = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"

_MEDIA_TYPES = ("", "application/x-protobuf", "application/protobuf", "application/octet-stream")


class RemoteWriteDecoder:
    """Decodes remote write requests, 1.0 (`RemoteWriteV1`) and 2.0 (`RemoteWriteV2`).

    Fails (DecodeError) on another content type, on what is not protobuf, and beyond stated limits; a
    series with bad labels, or a bad histogram, is refused alone. The success answer is 204 without a body;
    where a sample was refused it is 400 with the reasons, and the others are stored. 2.0 also asks for a
    count of what was written.

    Args:
        registry: gives the series their ids.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "remote_write"
    paths = ("/api/v1/write",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._limit = max_unpacked_bytes
        self._v1 = RemoteWriteV1(registry)
        self._v2 = RemoteWriteV2(registry)

    def decode(self, request: PushRequest) -> Decoded:
        """Samples of one request, O(bytes); thread-safe.

        Raises:
            UnsupportedError: a content type or encoding that is not spoken here.
            TooLargeError: more bytes, series or samples than a request may have.
            DecodeError: not the message that the content type says.
        """
        message = message_named(request.content_type)
        body = unpack(request.body, request.content_encoding, self._limit)
        reader = self._v2 if message == V2_MESSAGE else self._v1
        return reader.decode(body, request.source)


def message_named(content_type: str) -> str:
    """The protobuf message that a content type says; 1.0's where it says none.

    >>> message_named("application/x-protobuf")
    'prometheus.WriteRequest'
    >>> message_named('Application/X-Protobuf; proto="io.prometheus.write.v2.Request"')
    'io.prometheus.write.v2.Request'

    Raises:
        UnsupportedError: naming the type, and what is spoken here.
    """
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    pairs = (part.partition("=") for part in parameters)
    named = next(
        (value.strip(' "') for name, _, value in pairs if name.strip().lower() == "proto"), V1_MESSAGE
    )
    if media_type.lower() not in _MEDIA_TYPES or named not in (V1_MESSAGE, V2_MESSAGE):
        raise UnsupportedError(
            f"remote write is application/x-protobuf with proto={V1_MESSAGE} or proto={V2_MESSAGE}, "
            f"this is {content_type[:100]!r}"
        )
    return named
