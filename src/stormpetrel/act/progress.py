"""What an answer makes of a run: the next version of it, with what is entered in the ledger. Pure.

Each function takes the run as it is on record and one answer (of an actuator, of the numbers, of a person)
and gives a `Move`. Whoever keeps runs takes a move only when the run is still at the version it was worked
out from, so an answer that comes twice, or to two drivers, counts once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from stormpetrel.act import waves
from stormpetrel.act.run import MAX_ASKED, Move
from stormpetrel.act.run_notes import begun_note, moved, result_note, verified_note
from stormpetrel.model.action import Action
from stormpetrel.model.facts import Limits
from stormpetrel.model.ledger import LedgerNote
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState, StepRecord, Verification
from stormpetrel.model.time import from_seconds

# Before a system that did not answer is asked again what is true; doubled each time.
ASK_AGAIN_SECONDS = 5.0
# Of samples after an act had time to settle: what is compared with as much from before it.
WINDOW_SECONDS = 120.0


class Decision(StrEnum):
    """What a person decides of a run that holds: go on, undo all of it, or stop and leave it as it is."""

    GO_ON = "go on"
    UNDO = "undo"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of an act.

    Attributes:
        result: one of the four words.
        reasons: a sentence with its numbers for each thing that was looked at.
    """

    result: Verification
    reasons: tuple[str, ...]


def begun(run: Run, record: StepRecord, inverse: Action | None, now_unix_nano: int) -> Move:
    """The order as it is put on record before it is given, with its inverse as captured just now."""
    order = replace(record, inverse=inverse, begun_unix_nano=now_unix_nano)
    records = run.records
    if records and records[-1].key == order.key:
        records = records[:-1]
    state = RunState.UNDOING if order.undo else RunState.ACTING
    after = replace(
        run, state=state, version=run.version + 1, records=(*records, order), wake_unix_nano=0,
        why=f"{'Undoing' if order.undo else 'Acting'}: {order.action.kind}",
    )  # fmt: skip
    return Move(after, (begun_note(run, order),))


def answered(
    run: Run, result: ActResult, now_unix_nano: int, resolved: bool, window_seconds: float = WINDOW_SECONDS
) -> Move:
    """The answer to the order that is open.

    Args:
        resolved: it was found out by asking what is true, after a crash or a time-out, and not by acting.
        window_seconds: of samples that are waited for after the step had time to settle.
    """
    record = waves.open_record(run)
    if record is None:
        raise ValueError(f"run {run.run_id} waits for no answer")
    told = result_note(run, record, result, resolved)
    if result.outcome is ActOutcome.IN_DOUBT and not resolved:
        after = replace(run, version=run.version + 1, wake_unix_nano=0, why=f"In doubt: {result.text}")
        return Move(after, (told,))
    until = record.begun_unix_nano + from_seconds(waves.step_of(run, record).timeout_seconds)
    on_its_way = record.begun_unix_nano <= now_unix_nano < until
    if resolved and on_its_way and result.outcome is not ActOutcome.DONE:
        # The order of a driver that died may still be on its way to the system: until its time is over.
        why = f"Of {record.action.kind} nothing is known yet; it may still be under way."
        return Move(*moved(run, run.state, why, now_unix_nano, wake_unix_nano=until))
    after = _closed(run, record, result, now_unix_nano)
    if result.outcome is ActOutcome.IN_DOUBT:
        why = f"It cannot be found out whether {record.action.kind} was done: {result.text}"
        return _and(told, moved(after, RunState.ESCALATED, why, now_unix_nano))
    if result.outcome is ActOutcome.NOT_DONE:
        return _not_done(after, record, result, told, now_unix_nano, resolved)
    return _done(after, after.records[-1], told, now_unix_nano, window_seconds)


def unanswered(run: Run, why: str, now_unix_nano: int) -> Move:
    """The system did not answer what is true: it is asked again a few times, then a person takes over."""
    record = waves.open_record(run)
    if record is None:
        raise ValueError(f"run {run.run_id} waits for no answer")
    asked = record.asked + 1
    if asked >= MAX_ASKED:
        doubt = ActResult(ActOutcome.IN_DOUBT, f"asked {asked} times: {why}")
        return answered(run, doubt, now_unix_nano, resolved=True)
    wake = now_unix_nano + from_seconds(ASK_AGAIN_SECONDS * 2 ** (asked - 1))
    records = (*run.records[:-1], replace(record, asked=asked))
    told = result_note(run, record, ActResult(ActOutcome.IN_DOUBT, f"no answer yet: {why}"), resolved=True)
    doubtful = replace(run, records=records)
    return _and(told, moved(doubtful, run.state, f"In doubt: {why}", now_unix_nano, wake_unix_nano=wake))


def verified(run: Run, found: Verified, now_unix_nano: int, limits: Limits, tries: int) -> Move:
    """What the numbers say of the last act.

    Args:
        tries: earlier tries of this incident, this run not counted.
    """
    record = replace(run.records[-1], verified=found.result)
    after = replace(run, records=(*run.records[:-1], record))
    told = verified_note(run, record, found.result, found.reasons)
    why = " ".join(found.reasons) or found.result.value
    if found.result is Verification.FIXED:
        # From now on people have their time to answer, should the next order need them.
        return _and(told, moved(after, RunState.READY, why, now_unix_nano, wake_unix_nano=now_unix_nano))
    if found.result is Verification.WORSE:
        if waves.to_undo(after) is None:
            why = f"It made things worse and cannot be undone. {why}"
            return _and(told, moved(after, RunState.ESCALATED, why, now_unix_nano))
        return _and(told, moved(after, RunState.UNDOING, why, now_unix_nano))
    if found.result is Verification.INCONCLUSIVE:
        wake = now_unix_nano + from_seconds(limits.approval_seconds)
        return _and(told, moved(after, RunState.HOLDING, why, now_unix_nano, wake_unix_nano=wake))
    left = limits.tries_per_incident - tries - 1
    if left > 0:
        why = f"It had no effect; {left} more {'tries are' if left > 1 else 'try is'} left. {why}"
        return _and(told, moved(after, RunState.FINISHED, why, now_unix_nano))
    why = (
        f"It had no effect, and was the last of {limits.tries_per_incident} tries: a person takes over. {why}"
    )
    return _and(told, moved(after, RunState.ESCALATED, why, now_unix_nano))


def decided(run: Run, decision: Decision, by: str, reason: str, now_unix_nano: int) -> Move:
    """What a person decided of a run that holds."""
    why = f"{by} decided: {decision.value}" + (f" ({reason})" if reason else "")
    if decision is Decision.GO_ON:
        return Move(*moved(run, RunState.READY, why, now_unix_nano, by, wake_unix_nano=now_unix_nano))
    if decision is Decision.UNDO and waves.to_undo(run) is not None:
        return Move(*moved(run, RunState.UNDOING, why, now_unix_nano, by))
    if decision is Decision.UNDO:
        why += "; nothing of it can be undone"
    return Move(*moved(run, RunState.ESCALATED, why, now_unix_nano, by))


def stopped(run: Run, why: str, now_unix_nano: int) -> Move:
    """The run may not go on: refused when it has changed nothing yet, else a person takes over."""
    state = RunState.ESCALATED if waves.acted(run) else RunState.REFUSED
    return Move(*moved(run, state, why, now_unix_nano))


def locked(tries: int, limits: Limits) -> bool:
    """Whether an incident has had all its tries: nothing more is tried, a person takes over."""
    return tries >= limits.tries_per_incident


def _closed(run: Run, record: StepRecord, result: ActResult, now: int) -> Run:
    """The run with its open order answered; an inverse known only now takes the place of the planned."""
    inverse = record.inverse
    if result.inverse is not None and not record.undo and waves.step_of(run, record).inverse is not None:
        inverse = result.inverse
    closed = replace(record, result=result, ended_unix_nano=now, inverse=inverse)
    return replace(run, records=(*run.records[:-1], closed))


def _not_done(
    run: Run, record: StepRecord, result: ActResult, told: LedgerNote, now: int, resolved: bool
) -> Move:
    """After a crash it may be ordered again; an actuator that declines an order declines it for good."""
    if resolved:
        state = RunState.UNDOING if record.undo else RunState.READY
        why = f"{record.action.kind} was ordered and not done: {result.text}"
        return _and(told, moved(run, state, why, now))
    why = f"{record.action.kind} was declined: {result.text}"
    if record.undo:
        why = f"It made things worse, and undoing it failed: {why}"
    return _and(told, moved(run, RunState.ESCALATED, why, now))


def _and(told: LedgerNote, move: tuple[Run, tuple[LedgerNote, ...]]) -> Move:
    run, notes = move
    return Move(run, (told, *notes))


def _done(run: Run, record: StepRecord, told: LedgerNote, now: int, window_seconds: float) -> Move:
    """An order that is done: what is waited for next."""
    if record.undo:
        return _and(told, moved(run, RunState.UNDOING, "Undoing what made things worse.", now))
    if not waves.verifies(run, record):
        return _and(told, moved(run, RunState.READY, f"Done: {record.action.kind}", now))
    settle = waves.step_of(run, record).settle_seconds
    wake = now + from_seconds(settle + window_seconds)
    why = f"{record.action.kind} is done; it is verified after {settle + window_seconds:g} s."
    return _and(told, moved(run, RunState.SETTLING, why, now, wake_unix_nano=wake))
