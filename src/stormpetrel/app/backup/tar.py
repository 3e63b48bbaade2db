"""Archives as plain tar files (POSIX ustar): writing a header, and reading one without trusting it.

Any `tar` lists and unpacks them. Reading is stricter than any `tar`: regular files only, short relative
names, nothing compressed, so that no archive can name another place, link to one, or unpack to more
than its own size. Python's tarfile follows extensions of the format that are not needed here and that
hostile archives are made of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stormpetrel.errors import ArchiveError

BLOCK = 512
END = bytes(2 * BLOCK)
LONGEST_NAME = 255
MODES = frozenset({0o600, 0o700})

_NAME, _PREFIX = 100, 155
_OCTAL_SIZE = 8**11
_PART = r"[A-Za-z0-9_@%+=,~#-][A-Za-z0-9_@%+=,~#.-]*"
_SAFE = re.compile(rf"{_PART}(/{_PART}){{0,15}}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive.

    Attributes:
        name: relative, with `/`, of letters that mean nothing to any shell or file system.
        size: in bytes.
        mode: 0o600, or 0o700.
        mtime_seconds: Unix seconds.
    """

    name: str
    size: int
    mode: int = 0o600
    mtime_seconds: int = 0


def padded(size: int) -> int:
    """What a content of so many bytes takes in the file.

    >>> padded(0), padded(1), padded(512)
    (0, 512, 512)
    """
    return -(-size // BLOCK) * BLOCK


def safe_name(name: str) -> bool:
    """Whether a name is one that archives may hold: relative, plain, no step up, nothing hidden.

    >>> safe_name("telemetry/samples/2026_1_1_0/data.bin"), safe_name("a/../x"), safe_name("/x")
    (True, False, False)
    """
    return len(name) <= LONGEST_NAME and _SAFE.fullmatch(name) is not None


def header(member: Member) -> bytes:
    """The 512 bytes before a file's content.

    Raises:
        ArchiveError: the name is none that an archive may hold.
    """
    if not safe_name(member.name):
        raise ArchiveError(f"{member.name[:100]!r} cannot be kept in an archive: rename that file")
    prefix, name = _split(member.name)
    fields = [
        name.ljust(_NAME, b"\0"),
        b"%07o\0" % member.mode,
        b"0000000\0" * 2,  # owner and group: whoever restores
        _number(member.size),
        b"%011o\0" % max(0, member.mtime_seconds),
        b" " * 8,  # the checksum counts as blanks
        b"0" + bytes(_NAME),
        b"ustar\x0000" + bytes(32 + 32) + b"0000000\0" * 2,
        prefix.ljust(_PREFIX, b"\0"),
    ]
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def read_header(block: bytes) -> Member | None:
    """The member of a header; None at the end of the archive.

    Raises:
        ArchiveError: damaged, or anything but a regular file under a plain relative name.
    """
    if block == bytes(BLOCK):
        return None
    if len(block) != BLOCK or block[257:263] != b"ustar\0":
        raise ArchiveError("it is no backup of Storm Petrel, or it is cut off")
    # To the byte: a digit that became a space would be the same number.
    if block[148:156] != b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:])):
        raise ArchiveError("it is damaged: the checksum of a header is wrong")
    if block[156:157] != b"0" or block[157:257].strip(b"\0"):
        raise ArchiveError(
            "it holds something else than regular files (a link, a device): it is not one of ours"
        )
    prefix, name = _text(block[345:500]), _text(block[:_NAME])
    full = f"{prefix}/{name}" if prefix else name
    if not safe_name(full):
        raise ArchiveError(f"it names {full[:100]!r}, which is no place inside a data directory")
    mode = _octal(block[100:108])
    if mode not in MODES:
        raise ArchiveError(f"{full}: its mode {mode:o} is none that a backup has")
    return Member(full, _size(block[124:136]), mode, _octal(block[136:148]))


def _split(name: str) -> tuple[bytes, bytes]:
    """A name as ustar's prefix and name; cut at the last `/` that makes both fit."""
    if len(name) <= _NAME:
        return b"", name.encode("ascii")
    cut = name.find("/", len(name) - _NAME - 1)
    if cut < 0 or cut > _PREFIX:
        raise ArchiveError(f"{name[:100]}… is too long to be kept in an archive: shorten it")
    return name[:cut].encode("ascii"), name[cut + 1 :].encode("ascii")


def _number(size: int) -> bytes:
    """A size in octal; from 8 GiB on in base 256, as GNU tar and others write it."""
    return b"%011o\0" % size if size < _OCTAL_SIZE else b"\x80" + size.to_bytes(11, "big")


def _size(field: bytes) -> int:
    return int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or not all(48 <= one < 56 for one in digits):
        raise ArchiveError("it is damaged: a number in a header cannot be read")
    return int(digits, 8)


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode("ascii", "replace")
