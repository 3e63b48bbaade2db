"""Runbooks in the control store: their versions, who signed them, their level, what people say of them."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from stormpetrel.adapters.store.automation_facts import runbook_version, track_of
from stormpetrel.adapters.store.automation_rows import (
    OpinionRow,
    RunbookTable,
    RunbookVersionRow,
    RunRow,
    run_of,
)
from stormpetrel.adapters.store.control_ledger import LedgerTables
from stormpetrel.adapters.store.control_track import demotion
from stormpetrel.errors import NotFoundError, StateError, StoreError
from stormpetrel.model import canonical
from stormpetrel.model.action import Autonomy
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.runbook import Runbook
from stormpetrel.ports.automation import RunbookRow
from stormpetrel.ports.clock import Clock

OPINIONS = ("useful", "useless", "harmful")
MACHINE = "petrel"


class RunbookTables(LedgerTables):
    """The part of `ports.automation.AutomationStore` that is about runbooks and their track."""

    _clock: Clock

    @abstractmethod
    def _exclusive(self) -> AbstractContextManager[Session]: ...

    def save_runbook(self, runbook: Runbook, by: str, time_unix_nano: int) -> RunbookRow:
        """Keep a version as the newest; the first one starts at `SUGGEST`, or lower where the file says so.

        The version that is signed stays the one that runs.
        """
        with self._exclusive() as session:
            row = session.get(RunbookTable, runbook.name)
            if row is None:
                first = min(Autonomy.SUGGEST, runbook.autonomy)
                row = RunbookTable(
                    name=runbook.name, newest="", signed_version="", signed_by="", autonomy=int(first),
                    raised_by="", harmful_unix_nano=0, failed_in_a_row=0,
                )  # fmt: skip
                session.add(row)
            if row.newest != runbook.version:
                self._add_version(session, row, runbook, by, time_unix_nano)
            return _row(session, row)

    def _add_version(
        self, session: Session, row: RunbookTable, runbook: Runbook, by: str, time_unix_nano: int
    ) -> None:
        place = session.scalar(select(func.max(RunbookVersionRow.place))) or 0
        kept = session.get(RunbookVersionRow, (runbook.name, runbook.version))
        if kept is None:
            kept = RunbookVersionRow(
                name=runbook.name, version=runbook.version, content=canonical.text(runbook), replay_days=0.0
            )
            session.add(kept)
        kept.place, row.newest = place + 1, runbook.version
        body = {"loaded": runbook.version, "text": runbook.text}
        self._note(session, EntryKind.RUNBOOK, row.name, by, time_unix_nano, body)

    def runbooks(self) -> list[RunbookRow]:
        """All, by name."""
        with self._transaction() as session:
            rows = session.scalars(select(RunbookTable).order_by(RunbookTable.name))
            return [_row(session, row) for row in rows]

    def runbook_versions(self, name: str) -> list[Runbook]:
        """Newest first."""
        wanted = select(RunbookVersionRow.content).where(RunbookVersionRow.name == name)
        with self._transaction() as session:
            found = session.scalars(wanted.order_by(RunbookVersionRow.place.desc()))
            return [canonical.read(Runbook, content) for content in found]

    def sign_runbook(self, name: str, version: str, by: str, time_unix_nano: int) -> None:
        """Sign a version off: it may run from now on, at a level that its file allows.

        Another version than before has its track to earn: an admin's early raising and `AUTO` end with it.

        Raises:
            NotFoundError: there is no such version.
        """
        with self._exclusive() as session:
            row, kept = session.get(RunbookTable, name), runbook_version(session, name, version)
            if row is None or kept is None:
                raise NotFoundError(f"there is no version {version[:60]} of the runbook {name[:60]}")
            body = {"signed": version, "before": row.signed_version}
            self._note(session, EntryKind.RUNBOOK, name, by, time_unix_nano, body)
            level = min(Autonomy(row.autonomy), kept.autonomy)
            if row.signed_version not in ("", version):
                level, row.raised_by = min(level, Autonomy.APPROVE), ""
            row.signed_version, row.signed_by = version, by
            self._set_level(session, row, level, MACHINE, time_unix_nano, "another version was signed")

    def set_autonomy(self, name: str, level: Autonomy, by: str, time_unix_nano: int, reason: str) -> None:
        """Set the level, up or down, by a person or "petrel" (only down).

        Raises:
            NotFoundError: there is no such runbook.
            StateError: petrel would raise it, a person gives no reason for it, or its file asks for less.
        """
        with self._exclusive() as session:
            row = session.get(RunbookTable, name)
            if row is None:
                raise NotFoundError(f"there is no runbook {name[:60]}")
            shown = runbook_version(session, name, row.signed_version or row.newest)
            up = level > row.autonomy
            if up and (by == MACHINE or not by.strip() or not reason.strip()):
                raise StateError(f"the level of {name} is raised by a named person with a reason")
            if up and shown is not None and level > shown.autonomy:
                raise StateError(
                    f"the file of {name} allows no more than {shown.autonomy.word}; change it first"
                )
            if level is not Autonomy.AUTO:
                row.raised_by = ""
            elif up:
                row.raised_by = by
            self._set_level(session, row, level, by, time_unix_nano, reason)

    def _set_level(
        self, session: Session, row: RunbookTable, level: Autonomy, by: str, time_unix_nano: int, reason: str
    ) -> None:
        if level == row.autonomy:
            return
        body = {
            "from": Autonomy(row.autonomy).word, "to": level.word, "reason": reason,
            "version": row.signed_version,
        }  # fmt: skip
        row.autonomy = int(level)
        self._note(session, EntryKind.AUTONOMY, row.name, by, time_unix_nano, body)

    def add_opinion(self, run_id: str, by: str, opinion: str, time_unix_nano: int) -> None:
        """Keep what a person says of a proposal or run; a newer one of the same person replaces it.

        Raises:
            NotFoundError: there is no such run.
            StateError: it is none of "useful", "useless", "harmful".
        """
        if opinion not in OPINIONS:
            raise StateError(f"{opinion[:60]!r} is no opinion; say {', '.join(OPINIONS)}")
        with self._exclusive() as session:
            run_row = session.get(RunRow, run_id)
            if run_row is None:
                raise NotFoundError(f"there is no run {run_id[:60]}")
            plan = run_of(run_row).plan
            session.merge(
                OpinionRow(
                    run_id=run_id, person=by, opinion=opinion, runbook=plan.runbook,
                    runbook_version=plan.runbook_version, time_unix_nano=time_unix_nano,
                )
            )  # fmt: skip
            body = canonical.text({"opinion": opinion, "version": plan.runbook_version})
            notes = [LedgerNote(EntryKind.OPINION, run_id, plan.runbook, plan.incident_id, by, body)]
            row = session.get(RunbookTable, plan.runbook)
            if row is not None and opinion == "harmful":
                row.harmful_unix_nano = max(row.harmful_unix_nano, time_unix_nano)
                notes += demotion(row, run_id, f"{by} says that a run of it did harm")
            self._enter(session, notes, time_unix_nano)

    def set_replay_days(self, name: str, version: str, days: float) -> None:
        """A flight report of this version covers so many days; a shorter one takes nothing away."""
        with self._exclusive() as session:
            row = session.get(RunbookVersionRow, (name, version))
            if row is None:
                raise NotFoundError(f"there is no version {version[:60]} of the runbook {name[:60]}")
            row.replay_days = max(row.replay_days, float(days))
            body = {"version": version, "replay_days": row.replay_days, "flown_days": float(days)}
            self._note(session, EntryKind.RUNBOOK, name, MACHINE, self._clock.now_unix_nano(), body)

    def _note(
        self, session: Session, kind: EntryKind, name: str, by: str, time_unix_nano: int, body: object
    ) -> None:
        self._enter(session, [LedgerNote(kind, "", name, "", by, canonical.text(body))], time_unix_nano)


def _row(session: Session, row: RunbookTable) -> RunbookRow:
    newest = runbook_version(session, row.name, row.newest)
    if newest is None:
        raise StoreError(f"the runbook {row.name} lacks its version {row.newest}; load it again")
    track = track_of(session, row, row.signed_version or row.newest)
    return RunbookRow(newest, row.signed_version, row.signed_by, Autonomy(row.autonomy), row.raised_by, track)
