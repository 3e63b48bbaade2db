"""Request bodies: undo the content encoding, never beyond a stated limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import cramjam
import pyarrow as pa

from stormpetrel.errors import DecodeError, TooLargeError, UnsupportedError

_CHUNK = 1 << 20

# Joining empty gzip members costs a copy of the rest each; honest senders write one.
_MAX_MEMBERS = 100


def unpack(body: bytes, content_encoding: str, limit: int) -> bytes:
    """The body as it was before the sender compressed it.

    Knows identity (or empty), gzip, deflate (zlib or raw), zstd and snappy in its block format, which is
    what Prometheus sends. At most `limit` bytes, plus one chunk of 1 MiB, are ever held: snappy says its
    length first, the others are unpacked as streams and dropped where they pass the limit.

    Args:
        body: as it came over the wire.
        content_encoding: the header's value, any case; several encodings in a row are refused.
        limit: largest result in bytes.

    Raises:
        TooLargeError: the body unpacks to more than `limit`.
        UnsupportedError: an unknown encoding.
        DecodeError: the bytes are not of the encoding.

    >>> unpack(zlib.compress(b"abc"), "deflate", 10)
    b'abc'
    """
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise _too_large(limit, "identity")
        return bytes(body)
    unpacker = _UNPACKERS.get(encoding)
    if unpacker is None:
        raise UnsupportedError(
            f"unknown content encoding {content_encoding[:40]!r}: send {', '.join(_UNPACKERS)} or none"
        )
    return unpacker(body, limit)


def _too_large(limit: int, encoding: str) -> TooLargeError:
    return TooLargeError(f"the body ({encoding}) holds more than {limit} bytes: send smaller requests")


def _gzip(body: bytes, limit: int) -> bytes:
    return _zlib_stream(body, limit, 16 + zlib.MAX_WBITS, "gzip")


def _deflate(body: bytes, limit: int) -> bytes:
    # RFC 9110 means zlib's format; some senders send the raw stream, which has no such header.
    zlib_header = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _zlib_stream(body, limit, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, "deflate")


def _zlib_stream(body: bytes, limit: int, window_bits: int, encoding: str) -> bytes:
    """One or more members in a row (RFC 1952 allows it), at most `limit` bytes together."""
    parts: list[bytes] = []
    left = limit
    rest = body
    while rest or not parts:
        if len(parts) == _MAX_MEMBERS:
            raise DecodeError(f"the {encoding} body has more than {_MAX_MEMBERS} members: send one")
        stream = zlib.decompressobj(window_bits)
        try:
            part = stream.decompress(rest, left + 1)
        except zlib.error as error:
            raise DecodeError(f"the body is not {encoding}: {error}") from None
        if len(part) > left:
            raise _too_large(limit, encoding)
        if not stream.eof:
            raise DecodeError(f"the {encoding} body ends too early: the request was cut off")
        parts.append(part)
        left -= len(part)
        rest = stream.unused_data
    return b"".join(parts)


def _zstd(body: bytes, limit: int) -> bytes:
    if not body:
        raise DecodeError("the zstd body is empty: the request was cut off")
    parts: list[bytes] = []
    held = 0
    try:
        stream = pa.CompressedInputStream(pa.BufferReader(body), "zstd")
        while chunk := stream.read(_CHUNK):
            held += len(chunk)
            if held > limit:
                raise _too_large(limit, "zstd")
            parts.append(chunk)
    except (OSError, pa.ArrowException) as error:
        raise DecodeError(f"the body is not zstd: {error}") from None
    return b"".join(parts)


def _snappy(body: bytes, limit: int) -> bytes:
    try:
        length = cramjam.snappy.decompress_raw_len(body)
        if length > limit:
            raise _too_large(limit, "snappy")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise DecodeError(f"the body is not snappy in block format: {error}") from None


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "snappy": _snappy,
}
