"""Waves: how the targets of a step are taken one after another, and what of a run is still to be undone.

The first wave of a step with several targets is one target alone, the canary; only steps that read take all
at once. A wave is one order to one actuator, under one key that never changes: an order that is given again
after a crash is the same act to whoever keeps keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from stormpetrel.model.action import Action, EffectClass, Step, Target
from stormpetrel.model.run import ActOutcome, Run, StepRecord


@dataclass(frozen=True, slots=True)
class Wave:
    """Targets of one step that are acted on together; `number` 0 is the canary."""

    step: Step
    number: int
    action: Action


def waves(step: Step) -> tuple[Wave, ...]:
    """The waves of a step, in order; one for a single target.

    A step that does more than read and names no width takes one target at a time.
    """
    targets = step.action.targets
    if len(targets) <= 1 or (step.wave <= 0 and step.action.effect is EffectClass.READ):
        return (Wave(step, 0, step.action),)
    width = max(step.wave, 1)
    parts: list[tuple[Target, ...]] = [targets[:1]]
    parts += [targets[at : at + width] for at in range(1, len(targets), width)]
    return tuple(Wave(step, number, replace(step.action, targets=part)) for number, part in enumerate(parts))


def key_of(run: Run, wave: Wave, undo: bool = False) -> str:
    """The idempotency key of an order: the same for the same act, whoever gives it and however often."""
    return f"{run.run_id}:{wave.step.step_id}:{wave.number}" + (":undo" if undo else "")


def step_of(run: Run, record: StepRecord) -> Step:
    """The step of the plan that a record belongs to."""
    return next(step for step in run.plan.steps if step.step_id == record.step_id)


def open_record(run: Run) -> StepRecord | None:
    """The order whose answer is not on record, None without one. Only the last can be."""
    if run.records and run.records[-1].result is None:
        return run.records[-1]
    return None


def happened(record: StepRecord) -> bool:
    """Whether a record may have changed something: not by reading, nor when it is known not to be done."""
    known_undone = record.result is not None and record.result.outcome is ActOutcome.NOT_DONE
    return record.action.effect is not EffectClass.READ and not known_undone


def acted(run: Run) -> bool:
    """Whether anything may have been changed by the run."""
    return any(happened(record) for record in run.records)


def entities_acted(run: Run) -> tuple[str, ...]:
    """The entities that the run may have changed already, sorted."""
    found = {target.entity for record in run.records if happened(record) for target in record.action.targets}
    return tuple(sorted(found))


def next_wave(run: Run) -> Wave | None:
    """The first wave that is not on record as done; None when all are."""
    done = {
        (record.step_id, record.wave)
        for record in run.records
        if not record.undo and record.result is not None and record.result.outcome is ActOutcome.DONE
    }
    for step in run.plan.steps:
        for wave in waves(step):
            if (step.step_id, wave.number) not in done:
                return wave
    return None


def verifies(run: Run, record: StepRecord) -> bool:
    """Whether the numbers are asked after this act.

    Reads are not: they change nothing. A step of one wave with no time to settle prepares the next one (a
    drain before a restart) and is not judged by itself, unless nothing follows that is.
    """
    step = step_of(run, record)
    if step.action.effect is EffectClass.READ:
        return False
    acting = [one for one in run.plan.steps if one.action.effect is not EffectClass.READ]
    return step.settle_seconds > 0 or len(waves(step)) > 1 or acting[-1].step_id == step.step_id


def to_undo(run: Run) -> StepRecord | None:
    """The newest act that is still to be undone and can be; None when there is none left.

    An act is undone once: a record of its undoing that is done, or under way, takes it off the list.
    """
    undone = {
        (record.step_id, record.wave)
        for record in run.records
        if record.undo and (record.result is None or record.result.outcome is not ActOutcome.NOT_DONE)
    }
    for record in reversed(run.records):
        if record.undo or record.inverse is None or not happened(record):
            continue
        if (record.step_id, record.wave) not in undone:
            return record
    return None


def not_undoable(run: Run) -> tuple[StepRecord, ...]:
    """Acts that happened and for which nothing is known that would undo them."""
    return tuple(
        record for record in run.records if not record.undo and record.inverse is None and happened(record)
    )
