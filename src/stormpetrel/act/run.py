"""The run machine: what is to be done next for a run, worked out from the run and the clock alone. Pure.

`following` looks at a run as it is on record and says the one next thing to do; the functions of
`stormpetrel.act.progress` take the answer and give the next version of the run with its ledger notes. Neither
does anything itself. So a driver that dies between any two effects leaves a record from which any other
driver goes on, and a replay takes the same way.

    WAITING   people agree: READY; nobody does: EXPIRED; somebody refuses: REFUSED
    READY     judged again, and the order put on record: ACTING; every wave is done: FINISHED
    ACTING    done: SETTLING (or READY after a read); in doubt: the system is asked, then ESCALATED
    SETTLING  fixed: READY; no effect: FINISHED or ESCALATED; worse: UNDOING; inconclusive: HOLDING
    HOLDING   a person decides: READY, UNDOING or ESCALATED; nobody does: ESCALATED
    UNDOING   each act in reverse order: COMPENSATED; one cannot be undone: ESCALATED
"""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.act import waves
from stormpetrel.act.run_notes import moved
from stormpetrel.model.facts import Limits
from stormpetrel.model.ledger import LedgerNote
from stormpetrel.model.run import ActOutcome, Run, RunState, StepRecord
from stormpetrel.model.time import from_seconds

# How often the same order may be given: again only after the system said that it was not done.
MAX_ORDERED = 3
# How often a system that does not answer is asked what is true, before a person has to find out.
MAX_ASKED = 3


@dataclass(frozen=True, slots=True)
class Done:
    """The run has ended; nothing is ever to be done for it again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done before this time; `people`: an answer of a person may end the wait sooner."""

    until_unix_nano: int
    people: bool


@dataclass(frozen=True, slots=True)
class Order:
    """Judge again (an undoing is not), capture the inverse, put the order on record, then give it.

    Attributes:
        record: as it is to be begun, still without its inverse.
        capture: whether the actuator is asked for the inverse first; without one the order is not given.
    """

    record: StepRecord
    capture: bool


@dataclass(frozen=True, slots=True)
class Resolve:
    """The order was put on record and its answer was not: ask the system what is true. Never act again."""

    record: StepRecord


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask the numbers what became of this act."""

    record: StepRecord


@dataclass(frozen=True, slots=True)
class Move:
    """The run becomes `run`, with these entries in the ledger."""

    run: Run
    notes: tuple[LedgerNote, ...]


Instruction = Done | Wait | Order | Resolve | Verify | Move


def following(run: Run, now_unix_nano: int, limits: Limits) -> Instruction:
    """The one next thing to do for a run. Total: every state has an answer; O(steps x targets).

    Args:
        run: as it is on record.
        now_unix_nano: the clock, which may have jumped: no wait from before a jump back goes on for ever.
        limits: how long people may take.
    """
    if run.ended:
        return Done()
    record = waves.open_record(run)
    if record is not None:
        return _resolve(run, record, now_unix_nano, limits)
    waiting = _WAITING.get(run.state)
    if waiting is not None:
        return waiting(run, now_unix_nano, limits)
    if run.state is RunState.UNDOING:
        return _undo(run, now_unix_nano)
    return _next(run, now_unix_nano)


def last_time(run: Run) -> int:
    """The newest time on record of a run."""
    stamps = [run.begun_unix_nano, run.plan.created_unix_nano]
    stamps += [max(record.begun_unix_nano, record.ended_unix_nano) for record in run.records]
    return max(stamps)


def waits_until(run: Run, limits: Limits) -> int:
    """Until when people may answer a run that waits; one that asks half way gives them their time anew."""
    return max(last_time(run), run.wake_unix_nano) + from_seconds(limits.approval_seconds)


def _went_back(run: Run, now: int, limits: Limits) -> bool:
    return now < last_time(run) - from_seconds(limits.clock_skew_seconds)


def _resolve(run: Run, record: StepRecord, now: int, limits: Limits) -> Instruction:
    if now < run.wake_unix_nano and not _went_back(run, now, limits):
        return Wait(run.wake_unix_nano, people=False)
    return Resolve(record)


def _wait(run: Run, now: int, limits: Limits) -> Instruction:
    deadline = waits_until(run, limits)
    if now < deadline and not _went_back(run, now, limits):
        return Wait(deadline, people=True)
    why = f"nobody agreed within {limits.approval_seconds / 60:g} min"
    if now < deadline:
        why = "the clock went back while people were asked; what they would agree to is no longer certain"
    if waves.acted(run):
        return Move(*moved(run, RunState.ESCALATED, f"Stopped half way: {why}", now))
    return Move(*moved(run, RunState.EXPIRED, f"Not run: {why}", now))


def _settle(run: Run, now: int, limits: Limits) -> Instruction:
    if now < run.wake_unix_nano and not _went_back(run, now, limits):
        return Wait(run.wake_unix_nano, people=False)
    return Verify(run.records[-1])


def _hold(run: Run, now: int, limits: Limits) -> Instruction:
    if now < run.wake_unix_nano and not _went_back(run, now, limits):
        return Wait(run.wake_unix_nano, people=True)
    why = f"Nobody decided what is to become of it; it was left as it is. {run.why}"
    return Move(*moved(run, RunState.ESCALATED, why, now))


def _undo(run: Run, now: int) -> Instruction:
    last = run.records[-1]
    if last.undo and last.result is not None and last.result.outcome is ActOutcome.NOT_DONE:
        return _again(run, last, now)
    target = waves.to_undo(run)
    if target is None or target.inverse is None:
        return Move(*_undone(run, now))
    wave = waves.Wave(waves.step_of(run, target), target.wave, target.inverse)
    key = waves.key_of(run, wave, undo=True)
    return Order(StepRecord(key, target.step_id, target.wave, target.inverse, None, True, now), capture=False)


def _undone(run: Run, now: int) -> tuple[Run, tuple[LedgerNote, ...]]:
    left = waves.not_undoable(run)
    if left:
        names = ", ".join(sorted({record.action.kind for record in left}))
        why = f"It made things worse. What could be undone is undone; {names} cannot be."
        return moved(run, RunState.ESCALATED, why, now)
    return moved(run, RunState.COMPENSATED, "It made things worse, and all of it was undone.", now)


def _next(run: Run, now: int) -> Instruction:
    wave = waves.next_wave(run)
    if wave is None:
        return Move(*moved(run, RunState.FINISHED, _finished(run), now))
    key = waves.key_of(run, wave)
    last = run.records[-1] if run.records else None
    if last is not None and last.key == key:
        return _again(run, last, now)
    record = StepRecord(key, wave.step.step_id, wave.number, wave.action, None, False, now)
    return Order(record, capture=wave.step.inverse is not None)


def _again(run: Run, last: StepRecord, now: int) -> Instruction:
    """The system said that the order of a driver that died was not done: the same order, a few times."""
    if last.ordered >= MAX_ORDERED:
        why = f"{last.action.kind} was ordered {last.ordered} times and is not done."
        return Move(*moved(run, RunState.ESCALATED, why, now))
    step = waves.step_of(run, last)
    record = StepRecord(
        last.key, last.step_id, last.wave, last.action, None, last.undo, now, ordered=last.ordered + 1
    )
    return Order(record, capture=not last.undo and step.inverse is not None)


_WAITING = {RunState.WAITING: _wait, RunState.SETTLING: _settle, RunState.HOLDING: _hold}


def _finished(run: Run) -> str:
    judged = [record for record in run.records if record.verified is not None]
    if not judged:
        return "All of it was done; it only read."
    return f"All of it was done; the numbers say: {judged[-1].verified}."
