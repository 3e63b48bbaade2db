"""Content encodings: round trips, limits, and bytes that are none."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.body import unpack


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def framed_snappy(body: bytes) -> bytes:
    """With the identifier of the stream also where nothing follows."""
    return bytes(cramjam.snappy.compress(body)) or b"\xff\x06\x00\x00sNaPpY"


ENCODERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", lambda body: bytes(cramjam.zstd.compress(body))),
    ("snappy", lambda body: bytes(cramjam.snappy.compress_raw(body))),
    ("x-gzip", gzip.compress),
    ("zlib", zlib.compress),
    ("snappy", framed_snappy),  # as collectors wrote it until 2025
    ("x-snappy-framed", framed_snappy),
]


@given(st.binary(max_size=300), st.sampled_from(ENCODERS), st.integers(1, 3000))
def test_round_trip_up_to_the_very_limit(
    body: bytes, encoder: tuple[str, Callable[[bytes], bytes]], times: int
) -> None:
    name, encode = encoder
    whole = body * times
    packed = encode(whole)
    assert unpack(packed, name, len(whole)) == whole
    if whole:
        with pytest.raises(TooLargeError, match="send smaller"):
            unpack(packed, name, len(whole) - 1)


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd", "snappy", "x-snappy-framed"])
@given(body=st.binary(max_size=60))
def test_any_bytes_unpack_or_are_refused(name: str, body: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert len(unpack(body, name, 1 << 16)) <= 1 << 16


@pytest.mark.parametrize(("name", "encode"), ENCODERS[2:])
def test_a_body_cut_off_is_refused(name: str, encode: Callable[[bytes], bytes]) -> None:
    packed = encode(bytes(range(256)) * 20)
    for cut in range(0, len(packed) - 1, 7):
        with pytest.raises(DecodeError):
            unpack(packed[:cut], name, 1 << 16)


def test_members_in_a_row_are_one_body_but_not_without_end() -> None:
    assert unpack(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 2) == b"ab"
    with pytest.raises(TooLargeError):
        unpack(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 1)
    with pytest.raises(DecodeError, match="members"):
        unpack(gzip.compress(b"") * 101, "gzip", 10)


def test_a_snappy_length_that_lies_is_refused_before_anything_is_unpacked() -> None:
    with pytest.raises(TooLargeError):
        unpack(b"\xff\xff\xff\xff\x0f" + b"x" * 10, "snappy", 1 << 20)


def test_unknown_encodings_are_named() -> None:
    with pytest.raises(DecodeError, match=r"br.*send gzip"):
        unpack(b"", "br", 10)
