"""The decoder port: one pushed protocol, bytes to signals."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.push import Decoded, PushRequest


class Decoder(Protocol):
    """Decodes one protocol's requests; found by entry point (group `stormpetrel.decoders`).

    A class; it is constructed with (registry: SeriesRegistry, max_unpacked_bytes: int).

    Contract (run by `stormpetrel.testing.check_decoder`): any bytes give `Decoded` or `DecodeError`,
    never another exception, never more memory than a small multiple of `max_unpacked_bytes`; a request
    is either refused whole (`DecodeError`) or its refused parts are listed in `Decoded.rejected`.

    `paths` are receiving paths, answered to POST only. One that ends in `/*` takes everything beneath it
    with any method, for protocols whose senders ask before they send; such a decoder looks at
    `PushRequest.method` and answers an unknown question with `UnsupportedError`.
    """

    name: str
    paths: tuple[str, ...]

    def decode(self, request: PushRequest) -> Decoded:
        """Signals of one request. Safe from several threads at once."""
        ...
