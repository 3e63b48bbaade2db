"""The use-cases of the calendar, one part of `app.service`."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Caller
from stormpetrel.model.calendar import CalendarEntry, CalendarView, Decision, EntryDraft, JobSignal


class CalendarService(Protocol):
    """What the page *Calendar* and its API ask and do."""

    def calendar(self) -> CalendarView:
        """What is going on, what comes, where entries come from, jobs, and what was learned."""
        ...

    def add_entry(self, draft: EntryDraft, source: str, by: Caller) -> CalendarEntry:
        """Make an entry; `source` is `page` or `api`. AuthError, StateError."""
        ...

    def change_entry(self, entry_id: str, draft: EntryDraft, by: Caller) -> CalendarEntry:
        """Change an entry that was made here. AuthError, StateError, NotFoundError."""
        ...

    def end_entry(self, entry_id: str, by: Caller) -> None:
        """End a window now, or take an entry out of the calendar. AuthError, NotFoundError."""
        ...

    def decide_proposal(self, proposal_id: str, decision: Decision, by: Caller) -> None:
        """Accept or reject a learned slot. AuthError, NotFoundError."""
        ...

    def tell_job(self, name: str, signal: JobSignal, by: Caller) -> None:
        """A job tells that it starts, finishes or fails; stored when it returns. AuthError, StoreError."""
        ...
