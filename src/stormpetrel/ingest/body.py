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

# Snappy's framed format: how it begins, and its chunks that hold something.
_STREAM_IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"
_COMPRESSED, _UNCOMPRESSED, _CHECKSUM_BYTES = 0, 1, 4


def unpack(body: bytes, content_encoding: str, limit: int) -> bytes:
    """The body as it was before the sender compressed it.

    Knows identity (or empty), gzip, deflate (zlib or raw), zstd and snappy: the block format, which is what
    Prometheus sends, and the framed one, which collectors of OpenTelemetry send by either name. At most
    `limit` bytes, plus one chunk of 1 MiB, are ever held: snappy says its lengths first, the others are
    unpacked as streams and dropped where they pass the limit.

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
    if body.startswith(_STREAM_IDENTIFIER):  # no block begins so: its first copy would reach behind its start
        return _framed_snappy(body, limit)
    try:
        length = cramjam.snappy.decompress_raw_len(body)
        if length > limit:
            raise _too_large(limit, "snappy")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise DecodeError(f"the body is not snappy in block format: {error}") from None


def _framed_snappy(body: bytes, limit: int) -> bytes:
    """Chunks with a header of four bytes each; see framing_format.txt of snappy."""
    if not body:
        raise DecodeError("the snappy body is empty: the request was cut off")
    try:
        if _framed_length(body) > limit:
            raise _too_large(limit, "snappy")
        return bytes(cramjam.snappy.decompress(body))
    except cramjam.DecompressionError as error:
        raise DecodeError(f"the body is not snappy in its framed format: {error}") from None


def _framed_length(body: bytes) -> int:
    """What all chunks say they unpack to."""
    at, length = 0, 0
    while at < len(body):
        kind, size = body[at], int.from_bytes(body[at + 1 : at + 4], "little")
        start, at = at + 4, at + 4 + size
        if at > len(body):
            raise DecodeError("the snappy body ends too early: the request was cut off")
        if kind == _COMPRESSED:
            length += cramjam.snappy.decompress_raw_len(body[start + _CHECKSUM_BYTES : at])
        elif kind == _UNCOMPRESSED:
            length += max(0, size - _CHECKSUM_BYTES)
    return length


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,  # RFC 9110, 8.4.1.3: the same
    "deflate": _deflate,
    "zlib": _deflate,  # as collectors of OpenTelemetry call it
    "zstd": _zstd,
    "snappy": _snappy,
    "x-snappy-framed": _framed_snappy,
}
