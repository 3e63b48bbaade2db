"""The use-cases of the calendar, live."""

from __future__ import annotations

from stormpetrel.app.access import require
from stormpetrel.app.parts import Parts
from stormpetrel.errors import OverloadedError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.calendar import CalendarEntry, CalendarView, Decision, EntryDraft, JobSignal
from stormpetrel.model.record_columns import build_changes
from stormpetrel.model.records import ChangeKind, ChangeState

JOB_SOURCE = "jobs"
_STORED_SECONDS = 30.0
_STATES = {
    JobSignal.START: ChangeState.STARTED,
    JobSignal.FINISH: ChangeState.SUCCEEDED,
    JobSignal.FAIL: ChangeState.FAILED,
}


class CalendarUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    def calendar(self) -> CalendarView:
        """The page *Calendar*."""
        return self._is.calendar.view()

    def add_entry(self, draft: EntryDraft, source: str, by: Caller) -> CalendarEntry:
        """Make an entry."""
        return self._is.calendar.add(draft, source, by)

    def change_entry(self, entry_id: str, draft: EntryDraft, by: Caller) -> CalendarEntry:
        """Change an entry that was made here."""
        return self._is.calendar.change(entry_id, draft, by)

    def end_entry(self, entry_id: str, by: Caller) -> None:
        """End a window now, or take an entry out."""
        self._is.calendar.end(entry_id, by)

    def decide_proposal(self, proposal_id: str, decision: Decision, by: Caller) -> None:
        """Accept or reject a learned slot."""
        self._is.calendar.decide(proposal_id, decision, by)

    def tell_job(self, name: str, signal: JobSignal, by: Caller) -> None:
        """A heartbeat is a change record like any other: stored, shown, and judged in its turn."""
        if not by.scopes & {Scope.INGEST, Scope.CALENDAR}:
            require(by, Role.RESPONDER)
        now = self._is.clock.now_unix_nano()
        batch = build_changes(
            [now],
            [f"{name}:{now}"],
            [name],
            source=JOB_SOURCE,
            entity=f"job:{name}",
            kind=ChangeKind.JOB.value,
            state=_STATES[signal].value,
            actor=by.name,
        )
        try:
            self._is.writer.records(batch, JOB_SOURCE).result(timeout=_STORED_SECONDS)
        except TimeoutError:
            raise OverloadedError("the heartbeat was not stored in time; tell it again") from None
