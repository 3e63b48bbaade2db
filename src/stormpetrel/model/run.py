"""Runs: the durable execution of a plan, step by step, as far as it has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.action import Action, Plan


class RunState(StrEnum):
    """Where a run stands. The last five are ends: exactly one of them is reached, exactly once.

    `WAITING`: for people to agree. `READY`: may go on. `ACTING`: a step was begun and its end is not on
    record. `SETTLING`: acted, not yet verified. `HOLDING`: inconclusive, a person decides.
    `UNDOING`: it made things worse, its steps are undone in reverse order.
    """

    WAITING = "waiting"
    READY = "ready"
    ACTING = "acting"
    SETTLING = "settling"
    HOLDING = "holding"
    UNDOING = "undoing"
    FINISHED = "finished"
    COMPENSATED = "compensated"
    ESCALATED = "escalated"
    REFUSED = "refused"
    EXPIRED = "expired"


# A person is asked: to agree, or to decide.
AWAITED = (RunState.WAITING, RunState.HOLDING)
ENDS = frozenset(
    {RunState.FINISHED, RunState.COMPENSATED, RunState.ESCALATED, RunState.REFUSED, RunState.EXPIRED}
)


class Verification(StrEnum):
    """What the numbers say of an act, after it had time to show. An exit code of 0 is none of these."""

    FIXED = "fixed"
    NO_EFFECT = "no effect"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


class ActOutcome(StrEnum):
    """What an actuator says of an act. `IN_DOUBT`: it cannot tell whether it happened."""

    DONE = "done"
    NOT_DONE = "not_done"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True)
class ActResult:
    """The answer of an actuator.

    Attributes:
        outcome: see `ActOutcome`.
        text: what happened, in words; never a secret.
        inverse: how to undo exactly this, where it is known only now; None: as planned, or not at all.
        evidence: short named facts for the ledger, e.g. ("pid", "4711").
    """

    outcome: ActOutcome
    text: str
    inverse: Action | None = None
    evidence: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One act on one wave of targets, or its undoing.

    Attributes:
        key: the idempotency key, unique in all runs: the actuator acts once for it.
        step_id, wave: which step, and which of its waves (the first is the canary).
        action: exactly what was ordered: the step's, with the targets of this wave.
        inverse: how it is undone; captured before acting.
        undo: whether this is the undoing of the record with the same step and wave.
        begun_unix_nano, ended_unix_nano: when the order was put on record, and its answer; 0: not yet.
        result: the answer.
        verified: what the numbers said; None: not yet.
        ordered: how often the order was given: again only when the system said that it was not done.
        asked: how often the system was asked what is true of it, and did not answer.
    """

    key: str
    step_id: str
    wave: int
    action: Action
    inverse: Action | None
    undo: bool
    begun_unix_nano: int
    ended_unix_nano: int = 0
    result: ActResult | None = None
    verified: Verification | None = None
    ordered: int = 1
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A plan on its way. `version` grows by one with each change: two drivers cannot both change it.

    Attributes:
        run_id: the plan's id.
        plan_hash: of the plan as it was admitted.
        records: acts in the order of their beginning.
        wake_unix_nano: nothing is to be done before; 0: at once.
        automatic: nobody had to agree.
        why: why it is where it is, in one sentence.
        begun_unix_nano, ended_unix_nano: of the whole run; 0: not ended.
    """

    run_id: str
    plan: Plan
    plan_hash: str
    state: RunState
    version: int
    records: tuple[StepRecord, ...]
    wake_unix_nano: int
    automatic: bool
    why: str
    begun_unix_nano: int
    ended_unix_nano: int = 0

    @property
    def ended(self) -> bool:
        """Whether it has reached its end."""
        return self.state in ENDS
