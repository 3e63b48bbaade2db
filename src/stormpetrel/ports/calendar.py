"""The calendar's part of the control store: entries that people made, and what they said of learned ones."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.calendar import CalendarEntry, Decided


class CalendarStore(Protocol):
    """Small and transactional, like the control store that it is a part of; safe from any thread."""

    def save_entry(self, entry: CalendarEntry) -> None:
        """Insert or replace an entry by id."""
        ...

    def list_entries(self) -> list[CalendarEntry]:
        """All entries that people made, in order of their making, then id."""
        ...

    def delete_entry(self, entry_id: str) -> None:
        """Forget an entry; NotFoundError when there is none."""
        ...

    def save_decision(self, decided: Decided) -> None:
        """Insert or replace what was said of a proposal."""
        ...

    def list_decisions(self) -> list[Decided]:
        """Everything that was said, newest first."""
        ...
