"""Runs in the control store: orders go on record before they are given, and what was held is given back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from stormpetrel.adapters.store.automation_facts import (
    lease_of,
    purses_of,
    switches_of,
    tries_of,
)
from stormpetrel.adapters.store.automation_rows import LockRow, RunRow, TouchRow, run_of, run_values
from stormpetrel.adapters.store.automation_steps import (
    checked_advance,
    direction,
    lacking_notes,
    new_order,
    result_of,
    settled_cost,
    stopped_by,
)
from stormpetrel.adapters.store.control_ledger import LedgerTables
from stormpetrel.adapters.store.control_track import breaker_notes, track_notes
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model import canonical
from stormpetrel.model.action import EffectClass
from stormpetrel.model.facts import Limits, Purse, Try
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.run import Run, RunState, StepRecord
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.ports.clock import Clock

_TOUCHES_KEPT = 64  # of each entity


def note_of(kind: EntryKind, run: Run, body: object, actor: str = "petrel") -> LedgerNote:
    """A note about a run."""
    return LedgerNote(kind, run.run_id, run.plan.runbook, run.plan.incident_id, actor, canonical.text(body))


def state_note(current: Run, following: Run) -> LedgerNote:
    """The change of a run's state."""
    body = {
        "from": current.state, "to": following.state, "why": following.why, "automatic": following.automatic,
        "plan_hash": following.plan_hash, "ended_unix_nano": following.ended_unix_nano,
    }  # fmt: skip
    return note_of(EntryKind.STATE, following, body)


def reserve(
    session: Session, row: RunRow, run: Run, now_unix_nano: int, budget: BudgetLimits
) -> list[LedgerNote]:
    """Hold what a plan costs and whom it acts on, all together; nothing when it is held already."""
    cost = run.plan.cost
    acting = [one.action for one in run.plan.steps if one.action.effect is not EffectClass.READ]
    wanted = sorted({(target.entity, one.field) for one in acting for target in one.targets})
    held = session.execute(select(LockRow.entity, LockRow.field).where(LockRow.run_id == run.run_id))
    locks = sorted((entity, field) for entity, field in held)
    if row.reserved and locks == wanted and (row.spend, row.churn) == (float(cost.spend), cost.churn):
        return []
    release(session, row)
    for entity, field in wanted:
        session.add(LockRow(entity=entity, field=field, run_id=run.run_id))
    row.ready_unix_nano = now_unix_nano if not row.reserved else row.ready_unix_nano
    row.reserved, row.spend, row.churn = True, float(cost.spend), cost.churn
    body = {
        "spend": row.spend, "churn": row.churn, "locks": wanted, "ready_unix_nano": row.ready_unix_nano,
        "automatic": run.automatic, "budget": budget,
    }  # fmt: skip
    return [note_of(EntryKind.RESERVED, run, body)]


def release(session: Session, row: RunRow) -> None:
    """Give the targets back."""
    session.flush()
    session.execute(delete(LockRow).where(LockRow.run_id == row.run_id))


class RunTables(LedgerTables):
    """The part of `ports.automation.AutomationStore` that is about runs on their way."""

    _clock: Clock
    _limits: Limits

    @abstractmethod
    def _exclusive(self) -> AbstractContextManager[Session]: ...

    def begin_step(self, run: Run, next_run: Run, token: int, notes: Sequence[LedgerNote]) -> Run:
        """Put one order on record before it is given; see the port."""
        with self._exclusive() as session:
            row, current = self._current(session, run)
            if not row.reserved:
                raise StateError(f"the run {run.run_id} is {current.state.value}: it was not let go")
            order = new_order(current, next_run)
            said = stopped_by(switches_of(session), lease_of(session), token, next_run, order)
            if said:
                raise StateError(said)
            following = replace(next_run, version=current.version + 1)
            kind = EntryKind.UNDO_BEGUN if order.undo else EntryKind.BEGUN
            entered = list(notes)
            if not any(one.kind is kind for one in notes):
                entered.append(note_of(kind, following, {"order": order, "token": token}))
            at = self._keep(session, row, following, entered, self._clock.now_unix_nano())
            _touch(session, following, order, at)
            return following

    def advance_run(self, run: Run, next_run: Run, notes: Sequence[LedgerNote]) -> Run:
        """Replace a run by its next version; see the port. `Track`, the breaker and levels follow from it."""
        with self._exclusive() as session:
            row, current = self._current(session, run)
            checked_advance(current, next_run, row.reserved)
            now = self._clock.now_unix_nano()
            following = replace(next_run, version=current.version + 1)
            if following.ended and not following.ended_unix_nano:
                following = replace(following, ended_unix_nano=now)
            entered = [*notes, *lacking_notes(current, following, notes)]
            if following.state is not current.state:
                entered.append(state_note(current, following))
            entered += track_notes(session, current, following, now)
            self._keep(session, row, following, entered, now)
            return following

    def run(self, run_id: str) -> Run | None:
        """One run."""
        with self._transaction() as session:
            row = session.get(RunRow, run_id)
            return None if row is None else run_of(row)

    def list_runs(
        self, states: Sequence[RunState] = (), incident_id: str = "", limit: int = 100, offset: int = 0
    ) -> list[Run]:
        """Runs, newest first, ties by id."""
        wanted = select(RunRow).order_by(RunRow.begun_unix_nano.desc(), RunRow.run_id)
        if states:
            wanted = wanted.where(RunRow.state.in_([one.value for one in states]))
        if incident_id:
            wanted = wanted.where(RunRow.incident_id == incident_id)
        with self._transaction() as session:
            return [run_of(row) for row in session.scalars(wanted.limit(limit).offset(offset))]

    def purses(self, now_unix_nano: int, budget: BudgetLimits) -> tuple[Purse, Purse]:
        """The hour's and the day's."""
        with self._transaction() as session:
            return purses_of(session, now_unix_nano, budget)

    def tries(self, incident_id: str, limit: int = 50) -> list[Try]:
        """Ended runs of an incident that did something, newest first; one for each kind of action."""
        with self._transaction() as session:
            return list(tries_of(session, incident_id, 0, limit))

    def _current(self, session: Session, run: Run) -> tuple[RunRow, Run]:
        row = session.get(RunRow, run.run_id)
        if row is None:
            raise NotFoundError(f"there is no run {run.run_id[:60]}")
        current = self._same(row, run)
        if current.ended:
            raise StateError(f"the run {run.run_id} has ended: it is {current.state.value}")
        return row, current

    @staticmethod
    def _same(row: RunRow, run: Run) -> Run:
        if row.version != run.version:
            raise StateError(
                f"the run {run.run_id} has moved on: it is at version {row.version}, not {run.version};"
                " read it again"
            )
        return run_of(row)

    def _keep(
        self, session: Session, row: RunRow, following: Run, notes: list[LedgerNote], now_unix_nano: int
    ) -> int:
        """Write a run down, give back what it holds no more, enter the notes; the ledger's last number."""
        for name, value in run_values(following).items():
            setattr(row, name, value)
        idle = following.state is RunState.WAITING and not following.records
        if row.reserved and (following.ended or idle):
            cost = settled_cost(following)
            body = {
                "spend": cost.spend, "churn": cost.churn, "released_spend": row.spend - cost.spend,
                "released_churn": row.churn - cost.churn, "acted": row.acted,
                "ended_unix_nano": following.ended_unix_nano,
            }  # fmt: skip
            notes = [*notes, note_of(EntryKind.SETTLED, following, body)]
            release(session, row)
            row.reserved, row.spend, row.churn = False, cost.spend, cost.churn
        last = self._enter(session, notes, now_unix_nano)
        if following.ended:
            row.result, row.ended_seq = result_of(following), last
            session.flush()
            last = self._enter(session, breaker_notes(session, self._limits, row), now_unix_nano)
        return last


def _touch(session: Session, run: Run, order: StepRecord, seq: int) -> None:
    if order.action.effect is EffectClass.READ:
        return
    way = direction(run, order)
    for target in order.action.targets:
        session.add(
            TouchRow(
                seq=seq, entity=target.entity, run_id=run.run_id, time_unix_nano=order.begun_unix_nano,
                direction=way,
            )
        )  # fmt: skip
        session.flush()
        kept = select(TouchRow.seq).where(TouchRow.entity == target.entity).order_by(TouchRow.seq.desc())
        oldest = session.scalar(kept.offset(_TOUCHES_KEPT))
        if oldest is not None:
            session.execute(delete(TouchRow).where(TouchRow.entity == target.entity, TouchRow.seq <= oldest))
