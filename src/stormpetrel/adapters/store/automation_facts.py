"""What the control store adds to the facts of a plan: read in the transaction that admits it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from stormpetrel.adapters.store.automation_rows import (
    ApprovalRow,
    BreakerRow,
    LeaseRow,
    LockRow,
    OpinionRow,
    RunbookTable,
    RunbookVersionRow,
    RunRow,
    SwitchRow,
    TouchRow,
    run_of,
)
from stormpetrel.model import canonical
from stormpetrel.model.action import Autonomy, EffectClass
from stormpetrel.model.facts import (
    Facts,
    Lease,
    Limits,
    Owner,
    Purse,
    Rate,
    RunbookFacts,
    Switch,
    Touched,
    Track,
    Try,
)
from stormpetrel.model.run import Run
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Approval
from stormpetrel.ports.automation import BudgetLimits

_HOUR = from_seconds(3600.0)
_DAY = 24 * _HOUR
_TRIES_KEPT = 50


def completed(session: Session, facts: Facts, run: Run, budget: BudgetLimits) -> Facts:
    """The facts with everything that the store knows; what the run holds itself is not in its own way."""
    now, targets = facts.now_unix_nano, tuple(one.entity for one in run.plan.targets)
    hour, day = purses_of(session, now, budget, run.run_id)
    return replace(
        facts,
        switches=_with(facts.switches, switches_of(session)),
        lease=lease_of(session),
        runbook=_runbook_facts(session, run.plan.runbook, run.plan.runbook_version),
        approvals=approvals_of(session, run.run_id, run.plan_hash),
        hour=hour,
        day=day,
        rate=_rate(session, now, run),
        touched=tuple(_touched(session, entity, run.run_id, now, facts.limits) for entity in targets),
        owners=None if facts.owners is None else facts.owners + _run_owners(session, targets, run.run_id),
        tries=tries_of(session, run.plan.incident_id, facts.limits.breaker_runs),
        breaker_open=breaker_is_open(session),
    )


def _with(given: tuple[Switch, ...] | None, kept: tuple[Switch, ...]) -> tuple[Switch, ...]:
    """The engaged switches of the store, and those that the asker knows of, e.g. from the file."""
    return (*kept, *(one for one in given or () if one not in kept))


def switches_of(session: Session) -> tuple[Switch, ...]:
    """The engaged switches, by scope."""
    rows = session.scalars(select(SwitchRow).order_by(SwitchRow.scope))
    return tuple(Switch(row.scope, row.by, row.since_unix_nano, row.reason) for row in rows)


def lease_of(session: Session) -> Lease | None:
    """Who holds the lease, or held it last."""
    row = session.get(LeaseRow, 1)
    return None if row is None else Lease(row.holder, row.token, row.expires_unix_nano)


def breaker_is_open(session: Session) -> bool:
    """Whether it fell and nobody has closed it since."""
    row = session.get(BreakerRow, 1)
    return row is not None and row.is_open


def approvals_of(session: Session, run_id: str, plan_hash: str | None = None) -> tuple[Approval, ...]:
    """Answers to a run, in the order in which they were given; to one plan, where its hash is given."""
    wanted = select(ApprovalRow).where(ApprovalRow.run_id == run_id)
    if plan_hash is not None:
        wanted = wanted.where(ApprovalRow.plan_hash == plan_hash)
    rows = session.scalars(wanted.order_by(ApprovalRow.given_unix_nano, ApprovalRow.approver))
    return tuple(
        Approval(
            row.plan_hash, row.approver, row.agreed, row.given_unix_nano, row.expires_unix_nano, row.channel,
            row.reason,
        )
        for row in rows
    )  # fmt: skip


def purses_of(
    session: Session, now_unix_nano: int, budget: BudgetLimits, without_run: str = ""
) -> tuple[Purse, Purse]:
    """The hour's and the day's purse. What is held counts in every hour in which it is held; what was charged
    counts in the hour in which the run ended, and a clock that went back forgets none of it."""
    hour = now_unix_nano - now_unix_nano % _HOUR
    day = now_unix_nano - now_unix_nano % _DAY
    wanted = select(RunRow.reserved, RunRow.ended_unix_nano, RunRow.spend, RunRow.churn).where(
        or_(RunRow.reserved.is_(True), RunRow.ended_unix_nano >= day), RunRow.run_id != without_run
    )
    rows = session.execute(wanted).all()
    held = [row for row in rows if row.reserved]
    spend, churn = math.fsum(row.spend for row in held), sum(row.churn for row in held)

    def purse(since: int, spend_limit: float, churn_limit: int) -> Purse:
        charged = [row for row in rows if not row.reserved and row.ended_unix_nano >= since]
        spent = math.fsum(row.spend for row in charged)
        churned = sum(row.churn for row in charged)
        return Purse(float(spend_limit), spent, spend, churn_limit, churned, churn)

    return purse(hour, budget.spend_hour, budget.churn_hour), purse(day, budget.spend_day, budget.churn_day)


def _rate(session: Session, now_unix_nano: int, run: Run) -> Rate:
    """Runs that were let go within the hour and did something or may still; and who is held just now."""
    began = (
        select(func.count())
        .select_from(RunRow)
        .where(
            RunRow.ready_unix_nano > now_unix_nano - _HOUR,
            or_(RunRow.reserved.is_(True), RunRow.acted.is_(True)),
            RunRow.run_id != run.run_id,
        )
    )
    mine = session.scalars(began.where(RunRow.runbook == run.plan.runbook)).one()
    busy = select(LockRow.entity).where(LockRow.run_id != run.run_id).distinct()
    return Rate(mine, session.scalars(began).one(), tuple(sorted(session.scalars(busy))))


def _run_owners(session: Session, targets: Sequence[str], run_id: str) -> tuple[Owner, ...]:
    rows = session.scalars(select(LockRow).where(LockRow.entity.in_(targets), LockRow.run_id != run_id))
    return tuple(sorted((Owner(row.entity, row.field, f"run:{row.run_id}") for row in rows), key=repr))


def _touched(session: Session, entity: str, run_id: str, now_unix_nano: int, limits: Limits) -> Touched:
    """What other runs did to an entity; acts of one run are one act."""
    wanted = select(TouchRow).where(TouchRow.entity == entity, TouchRow.run_id != run_id)
    rows = session.scalars(wanted.order_by(TouchRow.seq)).all()
    cooldown, in_a_row = from_seconds(limits.cooldown_seconds), min(len(rows), 1)
    for was, row in pairwise(rows):
        if row.run_id != was.run_id:
            near = row.time_unix_nano - was.time_unix_nano < cooldown << (in_a_row - 1)
            in_a_row = in_a_row + 1 if near else 1
    reversals = sum(
        row.direction != was.direction and row.time_unix_nano > now_unix_nano - _HOUR
        for was, row in pairwise(one for one in rows if one.direction)
    )
    newest = max((row.time_unix_nano for row in rows), default=0)
    return Touched(entity, newest, in_a_row, reversals)


def tries_of(session: Session, incident_id: str, automatic: int, limit: int = _TRIES_KEPT) -> tuple[Try, ...]:
    """Ended runs that changed something, newest first: of an incident, and the last automatic ones.

    A run whose steps are of several kinds is there once for each kind. One that only read has tried nothing:
    collecting evidence does not use up the tries of what would mend.
    """
    ended = select(RunRow).where(RunRow.ended_seq > 0, RunRow.acted.is_(True))
    ended = ended.order_by(RunRow.ended_seq.desc())
    rows = {
        row.run_id: row
        for row in session.scalars(ended.where(RunRow.incident_id == incident_id).limit(limit))
    }
    for row in session.scalars(ended.where(RunRow.automatic.is_(True)).limit(automatic)):
        rows[row.run_id] = row
    found = sorted(rows.values(), key=lambda row: -row.ended_seq)
    return tuple(one for row in found for one in _tries(row))


def _tries(row: RunRow) -> list[Try]:
    run = run_of(row)
    kinds = dict.fromkeys(
        one.action.kind for one in run.records if not one.undo and one.action.effect is not EffectClass.READ
    )
    return [
        Try(
            run.run_id, kind, run.plan.incident_id, run.plan.cause, row.result, run.automatic,
            run.ended_unix_nano,
        )
        for kind in kinds
    ]  # fmt: skip


def runbook_version(session: Session, name: str, version: str) -> Runbook | None:
    """One version of a runbook."""
    row = session.get(RunbookVersionRow, (name, version))
    return None if row is None else canonical.read(Runbook, row.content)


def track_of(session: Session, row: RunbookTable, version: str) -> Track:
    """What became of a version's proposals; harm and failures are remembered whatever the version."""
    worst: dict[str, str] = {}
    wanted = select(OpinionRow).where(OpinionRow.runbook == row.name, OpinionRow.runbook_version == version)
    for one in session.scalars(wanted):
        worst[one.run_id] = min(worst.get(one.run_id, one.opinion), one.opinion, key=_WORST.index)
    kept = session.get(RunbookVersionRow, (row.name, version))
    return Track(
        judged=len(worst),
        useful=sum(one == "useful" for one in worst.values()),
        harmful_unix_nano=row.harmful_unix_nano,
        failed_in_a_row=row.failed_in_a_row,
        replay_days=0.0 if kept is None else kept.replay_days,
    )


_WORST = ("harmful", "useless", "useful")


def _runbook_facts(session: Session, name: str, version: str) -> RunbookFacts | None:
    row = session.get(RunbookTable, name)
    if row is None:
        return None
    shown = runbook_version(session, name, row.signed_version or row.newest)
    if shown is None:
        return None
    return RunbookFacts(
        version=row.signed_version,
        signed_by=row.signed_by,
        autonomy=Autonomy(row.autonomy),
        raised_by=row.raised_by,
        confidence_floor=shown.trigger.confidence_floor,
        track=track_of(session, row, version),
    )
