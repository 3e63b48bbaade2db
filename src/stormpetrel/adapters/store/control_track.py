"""What follows from how runs turn out: a runbook's track, its demotion, and the breaker."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from stormpetrel.adapters.store.automation_facts import breaker_is_open
from stormpetrel.adapters.store.automation_rows import BreakerRow, RunbookTable, RunRow
from stormpetrel.model import canonical
from stormpetrel.model.action import Autonomy
from stormpetrel.model.facts import Limits
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.run import Run, Verification

FAILED = frozenset({Verification.NO_EFFECT, Verification.WORSE})
_FAILURES_IN_A_ROW = 2


def track_notes(session: Session, current: Run, following: Run, now_unix_nano: int) -> list[LedgerNote]:
    """Count what was verified just now, and take the level back at once where it must be.

    Inconclusive counts as neither: it does not fail, and does not make good what failed before.
    """
    row = session.get(RunbookTable, following.plan.runbook)
    known = [one.verified for one in current.records]
    fresh = [
        one.verified
        for was, one in zip(known, following.records, strict=True)
        if one.verified is not was and not one.undo
    ]
    if row is None or not fresh:
        return []
    for one in fresh:
        if one is Verification.FIXED:
            row.failed_in_a_row = 0
        elif one in FAILED:
            row.failed_in_a_row += 1
    if Verification.WORSE in fresh:
        row.harmful_unix_nano = max(row.harmful_unix_nano, now_unix_nano)
        return demotion(row, following.run_id, "a run of it made things worse")
    if row.failed_in_a_row >= _FAILURES_IN_A_ROW:
        return demotion(row, following.run_id, f"{row.failed_in_a_row} verifications in a row failed")
    return []


def demotion(row: RunbookTable, run_id: str, why: str) -> list[LedgerNote]:
    """Back to `APPROVE`, unless it is no higher; what an admin raised early is forgotten."""
    if row.autonomy <= Autonomy.APPROVE:
        return []
    body = {
        "from": Autonomy(row.autonomy).word,
        "to": Autonomy.APPROVE.word,
        "reason": why,
        "version": row.signed_version,
    }
    row.autonomy, row.raised_by = int(Autonomy.APPROVE), ""
    return [LedgerNote(EntryKind.AUTONOMY, run_id, row.name, "", "petrel", canonical.text(body))]


def breaker_notes(session: Session, limits: Limits, ended: RunRow) -> list[LedgerNote]:
    """Let the breaker fall when too many of the last automatic runs failed; the inconclusive tell nothing."""
    if not (ended.automatic and ended.acted) or breaker_is_open(session):
        return []
    row = session.get(BreakerRow, 1)
    wanted = (
        select(RunRow.result)
        .where(
            RunRow.automatic.is_(True),
            RunRow.acted.is_(True),
            RunRow.ended_seq > (0 if row is None else row.closed_seq),
            RunRow.result != Verification.INCONCLUSIVE.value,
        )
        .order_by(RunRow.ended_seq.desc())
        .limit(limits.breaker_runs)
    )
    results = list(session.scalars(wanted))
    failures = sum(Verification(one) in FAILED for one in results)
    if failures < limits.breaker_failures:
        return []
    session.merge(BreakerRow(only=1, is_open=True, closed_seq=0 if row is None else row.closed_seq))
    body = {"open": True, "failures": failures, "of": len(results)}
    return [
        LedgerNote(
            EntryKind.BREAKER, ended.run_id, ended.runbook, ended.incident_id, "petrel", canonical.text(body)
        )
    ]
