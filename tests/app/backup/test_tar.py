"""The headers of archives: what is written is read again, by us and by others, and nothing else is taken."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stormpetrel.app.backup.tar import BLOCK, Member, header, read_header, safe_name
from stormpetrel.errors import ArchiveError

parts = st.text("abcXYZ019_@%+=,~#-.", min_size=1, max_size=60).filter(lambda part: not part.startswith("."))
names = st.lists(parts, min_size=1, max_size=8).map("/".join)


@settings(deadline=None)
@given(names, st.integers(0, 1 << 60), st.sampled_from([0o600, 0o700]), st.integers(0, 1 << 32))
def test_what_is_written_is_read_again(name: str, size: int, mode: int, seconds: int) -> None:
    member = Member(name, size, mode, seconds)
    try:
        block = header(member)
    except ArchiveError:
        assert len(name) > 100  # longer names fit only where a folder ends in the right place
        return
    assert len(block) == BLOCK
    assert read_header(block) == member


@settings(deadline=None)
@given(names.filter(lambda name: len(name) <= 100), st.integers(0, 1 << 40))
def test_others_read_it_too(name: str, size: int) -> None:
    entry = tarfile.TarInfo.frombuf(header(Member(name, size)), "ascii", "strict")
    assert (entry.name, entry.size, entry.mode, entry.isreg()) == (name, size, 0o600, True)


@settings(deadline=None)
@given(st.binary(min_size=BLOCK, max_size=BLOCK))
def test_any_bytes_are_refused(block: bytes) -> None:
    if block != bytes(BLOCK):
        with pytest.raises(ArchiveError):
            read_header(block)


@settings(deadline=None)
@given(names, st.integers(0, BLOCK * 8 - 1))
@example("0", 154 * 8 + 5)  # the end of the checksum, a space then
def test_no_flipped_bit_goes_through(name: str, bit: int) -> None:
    try:
        block = bytearray(header(Member(name, 77, 0o600, 5)))
    except ArchiveError:
        return
    block[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ArchiveError):
        read_header(bytes(block))


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/", "a/.ssh", "a\\b", "a\nb", "a\0b", "ä", "a b",
     "$HOME", "~/../x", "-" * 256, "a/" * 17 + "a"],
)  # fmt: skip
def test_names_that_are_no_place_inside(name: str) -> None:
    assert not safe_name(name)
    with pytest.raises(ArchiveError):
        header(Member(name, 0))
    entry = tarfile.TarInfo("x")
    entry.mode = 0o600
    block = bytearray(entry.tobuf(tarfile.USTAR_FORMAT))
    block[:100] = name.encode()[:100].ljust(100, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    if len(name) <= 100 and "\0" not in name:
        with pytest.raises(ArchiveError):
            read_header(bytes(block))


@pytest.mark.parametrize(
    "kind", [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"x", b"g", b"L", b"K", b"S", b"\0"]
)
def test_only_regular_files_are_taken(kind: bytes) -> None:
    entry = tarfile.TarInfo("files/x")
    entry.type, entry.mode = kind, 0o600
    with pytest.raises(ArchiveError, match="regular files"):
        read_header(entry.tobuf(tarfile.USTAR_FORMAT))


@pytest.mark.parametrize("mode", [0o644, 0o4600, 0o777, 0])
def test_no_mode_but_the_owners(mode: int) -> None:
    entry = tarfile.TarInfo("files/x")
    entry.mode = mode
    with pytest.raises(ArchiveError, match="mode"):
        read_header(entry.tobuf(tarfile.USTAR_FORMAT))


def test_a_size_below_nothing_is_refused() -> None:
    block = bytearray(header(Member("files/x", 1 << 40)))
    block[124:136] = b"\xff" * 12  # -1 to some programs
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(ArchiveError):
        read_header(bytes(block))


def test_a_large_file_is_written_as_others_expect_it() -> None:
    block = header(Member("files/x", 9 << 30))
    with tarfile.open(fileobj=io.BytesIO(block + bytes(1024)), ignore_zeros=True) as archive:
        entry = archive.next()
    assert entry is not None
    assert entry.size == 9 << 30
