"""What people say of a cause: how one statement follows another, and what of a diagnosis is kept with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.cause_verdict import (
    MAX_VERDICT_ENTITY,
    MAX_VERDICT_TEXT,
    CauseOutcome,
    CauseSaying,
    CauseStatement,
    CauseVerdict,
    ToldCause,
    ToldDiagnosis,
)

MOST_TOLD, MOST_RULED_OUT = 10, 20


def told_of(diagnosis: Diagnosis, time_unix_nano: int) -> ToldDiagnosis:
    """What is kept of a diagnosis: its ranking without the evidence; O(causes)."""
    return ToldDiagnosis(
        time_unix_nano=time_unix_nano,
        found=diagnosis.found and bool(diagnosis.causes),
        certainty=diagnosis.certainty,
        causes=tuple(
            ToldCause(cause.entity[:MAX_VERDICT_ENTITY], cause.cause_class, cause.score)
            for cause in diagnosis.causes[:MOST_TOLD]
        ),
        change_id=diagnosis.causes[0].change_id[:MAX_VERDICT_ENTITY] if diagnosis.causes else "",
    )


def replaces(new: ToldDiagnosis, before: ToldDiagnosis | None, resolved_unix_nano: int, judged: bool) -> bool:
    """Whether what is told now takes the place of what was told before.

    It does while the incident is under way, and once after it was resolved. Later its rows may be gone, or
    the ranking may be another program's: the first answer about the whole incident stays.

    Args:
        new: what is told now.
        before: what is kept, None when nothing is.
        resolved_unix_nano: of the incident, 0 while it is not.
        judged: whether a verdict on `before` counts after the incident was resolved.
    """
    if before is None:
        return True
    if not new.causes and before.causes:
        return False
    if resolved_unix_nano and (judged or before.time_unix_nano >= resolved_unix_nano):
        return False
    return replace(new, time_unix_nano=before.time_unix_nano) != before or bool(resolved_unix_nano)


def follow(before: CauseVerdict, statement: CauseStatement) -> CauseVerdict:
    """What holds after a statement; number, person and time are the caller's.

    Args:
        before: what held so far, with what was told; undecided or taken back when nothing did.
        statement: what is said now.

    Raises:
        NotFoundError: the entity is no hypothesis that was told.
        StateError: there is nothing in the statement, or it says "something else" of a hypothesis.
    """
    told, said = before.told, statement.said
    entity, text = statement.entity[:MAX_VERDICT_ENTITY].strip(), statement.text[:MAX_VERDICT_TEXT].strip()
    known = before
    if before.outcome is CauseOutcome.TAKEN_BACK:
        known = replace(before, outcome=CauseOutcome.UNDECIDED, entity="", text="", ruled_out=())
    if said is CauseSaying.NO_CAUSE:
        return replace(known, outcome=CauseOutcome.NO_CAUSE, entity="", text=text)
    if said is CauseSaying.SOMETHING_ELSE:
        return _something_else(known, entity, text)
    if not told.place(entity) and not (said is CauseSaying.NOT_IT and entity in known.ruled_out):
        raise NotFoundError(
            f"{entity[:80] or 'nothing'} is no hypothesis that was told; look at the page again, or say that"
            " it was something else"
        )
    without = tuple(one for one in known.ruled_out if one != entity)
    if said is CauseSaying.IT:
        return replace(known, outcome=CauseOutcome.IT, entity=entity, text=text, ruled_out=without)
    ruled = replace(known, ruled_out=(*without, entity)[-MOST_RULED_OUT:])
    if known.outcome is CauseOutcome.IT and known.entity == entity:
        return replace(ruled, outcome=CauseOutcome.UNDECIDED, entity="", text=text)
    return ruled


def _something_else(known: CauseVerdict, entity: str, text: str) -> CauseVerdict:
    if not entity and not text:
        raise StateError("say what the cause was, in words or by naming an entity")
    place = known.told.place(entity)
    if place:
        raise StateError(f"{entity[:80]} is hypothesis {place} that was told; say of it that it was it")
    return replace(known, outcome=CauseOutcome.SOMETHING_ELSE, entity=entity, text=text)


def taken_back(before: CauseVerdict) -> CauseVerdict:
    """Nothing holds any more; StateError when nothing did."""
    if before.outcome is CauseOutcome.TAKEN_BACK:
        raise StateError(f"nothing is said of the cause of {before.incident_id}: it was taken back before")
    return replace(before, outcome=CauseOutcome.TAKEN_BACK, entity="", text="", ruled_out=())


def counting(history: Sequence[CauseVerdict]) -> CauseVerdict | None:
    """The one that counts of statements, newest first; None when all is taken back."""
    newest = next(iter(history), None)
    return None if newest is None or newest.outcome is CauseOutcome.TAKEN_BACK else newest
