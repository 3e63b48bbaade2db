"""What was stored and is not judged yet: first in, first out, bounded in batches and in bytes."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class Backlog(Generic[Entry]):
    """Thread-safe. An entry larger than the bound is taken when nothing waits.

    Args:
        most: entries that may wait.
        most_bytes: what they may take together.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._entries: deque[tuple[Entry, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._entries)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._entries

    def put(self, entry: Entry, size_bytes: int, timeout: float) -> bool:
        """Add at the end; false when there was no room within `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(size_bytes), timeout):
                return False
            self._entries.append((entry, size_bytes))
            self._bytes += size_bytes
            self._changed.notify_all()
            return True

    def _has_room(self, size_bytes: int) -> bool:
        fits = len(self._entries) < self._most and self._bytes + size_bytes <= self._most_bytes
        return fits or not self._entries

    def get(self, timeout: float) -> Entry | None:
        """Take the oldest; None when there was none within `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._entries) > 0, timeout):
                return None
            entry, size_bytes = self._entries.popleft()
            self._bytes -= size_bytes
            self._changed.notify_all()
            return entry

    def oldest(self) -> Entry | None:
        """The one that `get` would give, left where it is."""
        with self._changed:
            return self._entries[0][0] if self._entries else None
