"""Admission of plans in the control store: facts, verdicts, reservation and record, in one transaction."""

from __future__ import annotations

import json
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from stormpetrel.adapters.store.automation_facts import completed
from stormpetrel.adapters.store.automation_rows import LedgerRow, RunRow, run_values
from stormpetrel.adapters.store.control_runs import RunTables, note_of, reserve, state_note
from stormpetrel.errors import StateError
from stormpetrel.model.agreement import agreed
from stormpetrel.model.facts import Facts
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.run import Run, RunState
from stormpetrel.model.verdict import Judgement, Outcome, Verdict
from stormpetrel.ports.automation import BudgetLimits, Judge

_LONGEST_WHY = 500
_NOT_JUDGED = (RunState.ACTING, RunState.UNDOING)


class AdmissionTables(RunTables):
    """The part of `ports.automation.AutomationStore` that lets plans go."""

    def admit(
        self, plan_facts: Facts, judge: Judge, run: Run, budget: BudgetLimits
    ) -> tuple[Facts, Judgement]:
        """Complete the facts, judge, record and reserve; see the port. Some 10 ms, and a flush on SQLite.

        A judge that fails denies. The run is the same version as before where nothing of it changed: read it
        again.

        Raises:
            StateError: the run has moved on since, has ended, has an order whose end is not on record, or is
                new here and has begun already.
        """
        with self._exclusive() as session:
            row = session.get(RunRow, run.run_id)
            current = _new(run) if row is None else self._same(row, run)
            if current.ended or current.state in _NOT_JUDGED:
                raise StateError(f"the run {run.run_id} is {current.state.value}: it is not judged now")
            facts = completed(session, plan_facts, current, budget)
            judgement = _judged(judge, facts, current)
            notes = [_record(current, facts, judgement)]
            if row is None:
                row = _first_row(session, current)
                following = _following(current, (), facts, judgement)
                notes = [_proposed(current), *notes, state_note(current, following)]
            else:
                following = _following(current, _earlier(session, row, judgement), facts, judgement)
                if following != current:
                    following = replace(following, version=current.version + 1)
                    notes.append(state_note(current, following))
            if not following.ended and following.state is not RunState.WAITING:
                notes += reserve(session, row, following, facts.now_unix_nano, budget)
            self._keep(session, row, following, notes, facts.now_unix_nano)
            return facts, judgement


def _new(run: Run) -> Run:
    """A run that is not kept yet, as it may begin: nobody has let it go, and it has done nothing."""
    if run.state is not RunState.WAITING or run.records:
        raise StateError(
            f"the run {run.run_id} is not on record, and is {run.state.value} with "
            f"{len(run.records)} orders: a run begins by being judged"
        )
    return replace(run, automatic=False)


def _judged(judge: Judge, facts: Facts, run: Run) -> Judgement:
    try:
        return judge(facts)
    except Exception as error:  # noqa: BLE001 - a guardrail that fails must refuse, whatever it was
        said = f"the guardrails failed: {type(error).__name__}: {error}"[:_LONGEST_WHY]
        return Judgement(run.plan, run.plan_hash, (Verdict(0, "judge", Outcome.DENY, said),))


def _earlier(session: Session, row: RunRow, judgement: Judgement) -> tuple[int, ...]:
    """The moment at which answers may have counted instead of now: when a run that has acted was let go.

    Who agreed before it began has agreed to the whole of it: a plan in waves outlasts a quarter of an hour.
    But nobody has agreed to what was not asked: where a guardrail asks that did not when the first order was
    given, or where that is not on record, people are asked now. Cost: one entry of the ledger is read.
    """
    entries = select(LedgerRow.body).where(LedgerRow.run_id == row.run_id)
    orders = select(func.min(LedgerRow.seq)).where(
        LedgerRow.run_id == row.run_id, LedgerRow.kind == EntryKind.BEGUN.value
    )
    judged = entries.where(
        LedgerRow.kind == EntryKind.JUDGED.value, LedgerRow.seq < orders.scalar_subquery()
    ).order_by(LedgerRow.seq.desc())
    body = session.scalar(judged.limit(1)) if judgement.outcome is Outcome.ASK else None
    if body is None:
        return ()
    verdicts = json.loads(body)["judgement"]["verdicts"]
    asked = {(one["number"], one["guardrail"]) for one in verdicts if one["outcome"] == Outcome.ASK}
    asks = {(one.number, one.guardrail) for one in judgement.verdicts if one.outcome is Outcome.ASK}
    return (row.ready_unix_nano,) if asks <= asked else ()


def _following(run: Run, earlier: tuple[int, ...], facts: Facts, judgement: Judgement) -> Run:
    """The run after it was judged, of the same version; see `agreed` for the earlier moments."""
    acted = bool(run.records)
    found = replace(run, plan=judgement.plan, plan_hash=judgement.plan_hash)
    if judgement.outcome is Outcome.DENY:
        state = RunState.ESCALATED if acted else RunState.REFUSED
        why = _reasons(judgement, Outcome.DENY)
        return replace(found, state=state, why=why, ended_unix_nano=facts.now_unix_nano)
    alone = judgement.outcome is Outcome.ALLOW
    answers = facts.approvals or ()
    if not agreed(judgement, answers, facts.now_unix_nano, *earlier):
        why = "somebody said no" if alone else _reasons(judgement, Outcome.ASK)
        return replace(found, state=RunState.WAITING, why=why, automatic=False)
    # What a person agreed to is not the doing of automation alone, whatever the guardrails say by then: its
    # success would push a failure out of what the breaker looks at.
    theirs = any(one.agreed for one in answers) or (acted and not run.automatic)
    waits = run.state is RunState.WAITING
    return replace(
        found,
        state=RunState.READY if waits else run.state,
        automatic=not theirs,
        why=("all guardrails allow it" if alone else "enough people agreed") if waits else run.why,
    )


def _reasons(judgement: Judgement, outcome: Outcome) -> str:
    said = "; ".join(one.reason for one in judgement.verdicts if one.outcome is outcome)
    said = said or "nothing was judged"
    return said if len(said) <= _LONGEST_WHY else said[: _LONGEST_WHY - 1] + "…"


def _first_row(session: Session, run: Run) -> RunRow:
    row = RunRow(
        run_id=run.run_id, ready_unix_nano=0, reserved=False, spend=0.0, churn=0, result="", ended_seq=0,
        **run_values(run),
    )  # fmt: skip
    session.add(row)
    return row


def _proposed(run: Run) -> LedgerNote:
    plan = run.plan
    body = {
        "plan": plan,
        "plan_hash": run.plan_hash,
        "effect": plan.effect.word,
        "cost": plan.cost,
        "targets": [one.entity for one in plan.targets],
    }
    return note_of(EntryKind.PROPOSED, run, body, plan.requester)


def _record(run: Run, facts: Facts, judgement: Judgement) -> LedgerNote:
    """Everything that the decision stood on, so that it can be replayed."""
    body = {
        "plan": run.plan,
        "facts": facts,
        "judgement": judgement,
        "outcome": judgement.outcome.word,
    }
    return note_of(EntryKind.JUDGED, run, body)
