"""What an archive says of itself: where and when it was made, and the SHA-256 of every file."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stormpetrel.errors import ArchiveError

FORMAT, FORMAT_VERSION = "stormpetrel-backup", 1
NAME, SEAL = "manifest.json", "manifest.sha256"
MOST_FILES = 500_000
MOST_BYTES = 256 << 20  # of the manifest itself
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class About:
    """The moment that was kept.

    Attributes:
        version: of the program that made it.
        instance: name of the installation.
        moment_unix_nano: as which moment everything is in it.
        running: whether the server ran meanwhile.
        control_revision: schema of the control store; "" when it is another database's to keep.
        telemetry_schema: schema of the telemetry store; 0 when a server of its own keeps it.
        telemetry_rows: rows by table.
    """

    version: str
    instance: str
    moment_unix_nano: int
    running: bool
    control_revision: str
    telemetry_schema: int
    telemetry_rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of it. `files` is size in bytes and SHA-256 in hex by name."""

    about: About
    files: Mapping[str, tuple[int, str]]

    @property
    def total_bytes(self) -> int:
        """What all files take together."""
        return sum(size for size, _ in self.files.values())

    def to_json(self) -> bytes:
        """As it stands in the archive."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                **dataclasses.asdict(self.about),
                "files": [
                    {"name": name, "bytes": size, "sha256": digest}
                    for name, (size, digest) in self.files.items()
                ],
            },
            option=orjson.OPT_INDENT_2,
        )


def read_manifest(text: bytes) -> Manifest:
    """The manifest of an archive.

    Raises:
        ArchiveError: it cannot be read, or is of a format newer than this program.
    """
    try:
        tree = orjson.loads(text)
        if tree["format"] != FORMAT:
            raise ValueError("another format")
        version = tree["format_version"]
        if _is(int, version) and version > FORMAT_VERSION:
            raise ArchiveError(
                f"its format {version} is newer than this program, which reads {FORMAT_VERSION}:"
                " restore it with the version of petrel that made it"
            )
        return Manifest(_about(tree), _files(tree["files"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"its manifest cannot be read: {error}") from None


def about_of(text: bytes) -> About:
    """What is said of a moment that was not packed yet."""
    try:
        return _about(orjson.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"what is said of the snapshot cannot be read: {error}") from None


def _about(tree: Any) -> About:
    rows = tree["telemetry_rows"]
    texts = [tree[name] for name in ("version", "instance", "control_revision")]
    numbers = [tree["moment_unix_nano"], tree["telemetry_schema"], *rows.values()]
    if not all(_is(str, one) and len(one) <= 200 and one.isprintable() for one in [*texts, *rows]):
        raise ValueError("a text of it")
    if not all(_is(int, one) and 0 <= one < 1 << 63 for one in numbers) or len(rows) > 1000:
        raise ValueError("a number of it")
    return About(**{one.name: tree[one.name] for one in dataclasses.fields(About)})


def _files(listed: Any) -> dict[str, tuple[int, str]]:
    if len(listed) > MOST_FILES:
        raise ValueError(f"more than {MOST_FILES} files")
    files = {one["name"]: (one["bytes"], one["sha256"]) for one in listed}
    if len(files) != len(listed):
        raise ValueError("a file is named twice")
    for size, digest in files.values():
        if not _is(int, size) or not _is(str, digest) or not _SHA256.fullmatch(digest):
            raise ValueError("size or checksum of a file")
    return files


def _is(kind: type, value: Any) -> bool:
    """Of this very type: a bool is no number here."""
    return type(value) is kind
