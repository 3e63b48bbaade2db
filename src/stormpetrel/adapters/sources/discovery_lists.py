"""Where lists of targets come from: files that are read again when they change, and a web service."""

from __future__ import annotations

import itertools
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stormpetrel.adapters.sources.discovery_targets import DiscoveryError, Group, read_json, read_yaml

MAX_FILES = 1000
MAX_FILE_BYTES = 8 << 20
MAX_LIST_BYTES = 16 << 20

_JSON_TYPE = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
_READERS = {".json": read_json, ".yml": read_yaml, ".yaml": read_yaml}

_Stamp = tuple[int, int, int]  # inode, size, time of change


@dataclass(slots=True)
class _File:
    stamp: _Stamp | None = None
    groups: list[Group] = field(default_factory=list)


class FileLists:
    """file_sd: the groups of all files that patterns match.

    A file whose inode, size or time changed is read again; one that cannot be read keeps the groups it
    had; one that is gone has none. Not thread-safe.

    Args:
        patterns: globs of `.json`, `.yml` and `.yaml` files.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._files: dict[str, _File] = {}
        self._bad: set[str] = set()  # patterns that are none

    def look(self) -> tuple[bool, list[DiscoveryError]]:
        """Whether any list changed, and what could not be read; a file that stays bad is told of once."""
        errors: list[DiscoveryError] = []
        found: set[str] = set()
        for pattern in self._patterns:
            try:
                found.update(_matching(pattern))
            except DiscoveryError as error:
                errors += [] if pattern in self._bad else [error]
                self._bad.add(pattern)
        paths = sorted(found)[:MAX_FILES]
        changed = not set(self._files) <= set(paths)
        self._files = {path: self._files.get(path, _File()) for path in paths}
        for path, known in self._files.items():
            try:
                changed |= _read_changed(path, known)
            except DiscoveryError as error:
                errors.append(error)
        return changed, errors

    def groups(self) -> list[Group]:
        """The groups of all files, in order of path."""
        return [group for file in self._files.values() for group in file.groups]


def _matching(pattern: str) -> list[str]:
    """Paths that a glob matches, at most `MAX_FILES`.

    Raises:
        DiscoveryError: it is no pattern.
    """
    root = Path(pattern).anchor
    try:
        found = Path(root or ".").glob(pattern[len(root) :])
        return [str(path) for path in itertools.islice(found, MAX_FILES)]
    # What pathlib raises for a pattern that it does not take (one with a drive, or absolute) is the last.
    except (OSError, ValueError, NotImplementedError) as error:
        raise DiscoveryError(f"{pattern!r} is no pattern of files: {error}") from None


def _read_changed(path: str, known: _File) -> bool:
    """Read the file if it is not as it was; true when its groups were read.

    Raises:
        DiscoveryError: it cannot be read; the stamp is taken, so it is read again once it changes.
    """
    reader = _READERS.get(Path(path).suffix.lower())
    try:
        seen = Path(path).stat()
        stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if stamp == known.stamp:
            return False
        known.stamp = stamp
        if reader is None or not stat.S_ISREG(seen.st_mode):
            raise DiscoveryError(f"{path}: a list of targets is a .json, .yml or .yaml file")
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DiscoveryError(f"{path}: {error.strerror}; the targets known before stay") from None
    if len(text) > MAX_FILE_BYTES:
        raise DiscoveryError(f"{path} has more than {MAX_FILE_BYTES} bytes; the targets known before stay")
    known.groups = reader(text, path)
    return True


def read_answer(body: bytes, content_type: str, url: str) -> list[Group]:
    """The groups of an http_sd answer.

    Raises:
        DiscoveryError: not JSON by its content type, or not a list of groups.
    """
    if not _JSON_TYPE.fullmatch(content_type.strip()):
        raise DiscoveryError(
            f"{url} answers {content_type[:60]!r}, not application/json; the targets known before stay"
        )
    return read_json(body, url)
