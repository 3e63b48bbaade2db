"""The book: what the calendar holds now, handed from whoever changes it to the stages that read it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

from stormpetrel.model.calendar import CalendarEntry, Decided


class EntryBook:
    """Entries by where they come from, and what people decided on learned slots. Thread-safe.

    Everything in it is a frozen value; `version` rises with each change, so that a stage sees in one
    comparison whether it has to look again. At most `max_entries` are taken of one source.
    """

    def __init__(self, max_entries: int = 2000) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, tuple[CalendarEntry, ...]] = {}
        self._decided: tuple[Decided, ...] = ()
        self._max = max_entries
        self.version = 0

    def put(self, source: str, entries: Iterable[CalendarEntry]) -> int:
        """The entries of one source, in place of those it had; how many were left out for want of room."""
        found = tuple(entries)
        with self._lock:
            if self._of.get(source) != found[: self._max]:
                self._of[source] = found[: self._max]
                self.version += 1
        return max(0, len(found) - self._max)

    def decide(self, decided: Iterable[Decided]) -> None:
        """Everything that people decided, in place of what was known."""
        with self._lock:
            self._decided = tuple(decided)
            self.version += 1

    def read(self) -> tuple[int, tuple[CalendarEntry, ...], tuple[Decided, ...]]:
        """Version, all entries in order of source, and all decisions, of one moment."""
        with self._lock:
            entries = tuple(entry for source in sorted(self._of) for entry in self._of[source])
            return self.version, entries, self._decided

    def of(self, source: str) -> tuple[CalendarEntry, ...]:
        """The entries of one source."""
        with self._lock:
            return self._of.get(source, ())

    def others(self, sources: Collection[str]) -> tuple[CalendarEntry, ...]:
        """The entries of all sources but these, in order of source."""
        with self._lock:
            known = sorted(one for one in self._of if one not in sources)
            return tuple(entry for source in known for entry in self._of[source])
