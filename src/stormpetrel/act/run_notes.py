"""What a run enters in the ledger: one note for each order, answer, verification and change of state."""

from __future__ import annotations

from dataclasses import replace

from stormpetrel.act.canonical import plain, text
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.run import ENDS, ActResult, Run, RunState, StepRecord, Verification

PETREL = "petrel"


def note(run: Run, kind: EntryKind, body: dict[str, object], actor: str = PETREL) -> LedgerNote:
    """One note about a run; the body as canonical text."""
    return LedgerNote(kind, run.run_id, run.plan.runbook, run.plan.incident_id, actor, text(body))


def begun_note(run: Run, record: StepRecord) -> LedgerNote:
    """The order, before it is given: exactly what, on whom, how it would be undone."""
    kind = EntryKind.UNDO_BEGUN if record.undo else EntryKind.BEGUN
    body: dict[str, object] = {
        "key": record.key,
        "step": record.step_id,
        "wave": record.wave,
        "ordered": record.ordered,
        "action": plain(record.action),
        "inverse": plain(record.inverse),
    }
    return note(run, kind, body)


def result_note(run: Run, record: StepRecord, result: ActResult, resolved: bool) -> LedgerNote:
    """The answer. `resolved`: found out afterwards, by asking what is true."""
    kind = EntryKind.UNDO_RESULT if record.undo else EntryKind.RESULT
    body: dict[str, object] = {
        "key": record.key,
        "outcome": result.outcome.value,
        "text": result.text,
        "evidence": [list(pair) for pair in result.evidence],
        "inverse": plain(result.inverse),
        "resolved": resolved,
    }
    return note(run, kind, body)


def verified_note(run: Run, record: StepRecord, result: Verification, reasons: tuple[str, ...]) -> LedgerNote:
    """What the numbers said, and why."""
    body: dict[str, object] = {"key": record.key, "verification": result.value, "reasons": list(reasons)}
    return note(run, EntryKind.VERIFIED, body)


def moved(
    run: Run, state: RunState, why: str, now_unix_nano: int, actor: str = PETREL, wake_unix_nano: int = 0
) -> tuple[Run, tuple[LedgerNote, ...]]:
    """A run in another state, one version further. The store enters that; a person's part is told here."""
    ended = now_unix_nano if state in ENDS else 0
    after = replace(
        run,
        state=state,
        version=run.version + 1,
        why=why,
        wake_unix_nano=wake_unix_nano,
        ended_unix_nano=ended,
    )
    if actor == PETREL:
        return after, ()
    body: dict[str, object] = {"held": run.why, "decided": why}
    return after, (note(run, EntryKind.STATE, body, actor),)
