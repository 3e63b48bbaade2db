"""Small folders to pack, and archives that nobody should trust."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Literal

from stormpetrel.app.backup.manifest import About

MOMENT = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
ABOUT = About("0.1.0", "web-1", MOMENT, False, "", 0, {"logs": 3})
FILES = {
    "files/ingest.token": b"petrel_secret\n",
    "files/models/models-1.npz": bytes(range(256)) * 700,
    "files/empty": b"",
    "outside/topology.yaml": b"nodes: []\n",
}


def quiet(done: int, total: int) -> None:
    """Progress that nobody looks at."""
    assert 0 <= done <= total


def make_tree(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """A folder with such files."""
    for name, content in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files beneath a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def manifest_of(held: dict[str, bytes], /, **changes: object) -> bytes:
    """A manifest that names these files, as an attacker writes it."""
    tree: dict[str, object] = {
        "format": "stormpetrel-backup", "format_version": 1, "version": "0.1.0", "instance": "web-1",
        "moment_unix_nano": MOMENT, "running": False, "control_revision": "", "telemetry_schema": 0,
        "telemetry_rows": {},
        "files": [
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in held.items()
        ],
    }  # fmt: skip
    return json.dumps({**tree, **changes}).encode()


def plain(name: str, content: bytes, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member as Python's tarfile writes it, with some fields changed."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry, content


def archive_of(
    path: Path,
    members: list[tuple[tarfile.TarInfo, bytes]],
    manifest: bytes | None = None,
    kind: Literal[0, 1, 2] = tarfile.USTAR_FORMAT,
) -> Path:
    """An archive of these members with a manifest and a seal that fit, written by somebody else."""
    text = manifest_of({entry.name: content for entry, content in members}) if manifest is None else manifest
    seal = hashlib.sha256(text).hexdigest().encode()
    raw = io.BytesIO()
    for entry, content in [*members, plain("manifest.json", text), plain("manifest.sha256", seal)]:
        raw.write(entry.tobuf(kind))
        raw.write(content + bytes(-len(content) % 512))
    raw.write(bytes(1024))
    path.write_bytes(raw.getvalue())
    return path
