"""Policies that are broken in one place each, as somebody could break them, and the property that falls."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self

from stormpetrel.act.account import Account
from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.guardrails.backup import FreshBackup
from stormpetrel.act.guardrails.blast_radius import BlastRadius
from stormpetrel.act.guardrails.bounds import Bounds
from stormpetrel.act.guardrails.budget import Budget
from stormpetrel.act.guardrails.effect_class import Effect
from stormpetrel.act.policy import Policy
from stormpetrel.model.action import Cost, EffectClass, Plan
from stormpetrel.model.facts import Facts, Limits
from stormpetrel.model.verdict import Approval, Judgement, Outcome, Verdict
from stormpetrel.ports.algorithms import Guardrail
from stormpetrel.ports.automation import BudgetLimits

SOUND = Policy(Limits(), BudgetLimits(10.0, 50.0, 40, 200))
CONSENT, BUDGET, REACH, REFUSAL, FORCE = (
    "no destructive action without two approvers and a verified backup",
    "projected spend never exceeds the budget",
    "no plan touches more than the cap",
    "deny cannot be overridden by any set of approvals",
    "each of the twenty guardrails is in force",
)


def without(number: int) -> Policy:
    """One guardrail is turned off."""
    return replace(SOUND, guardrails=tuple(one for one in GUARDRAILS if one.number != number))


def instead(number: int, other: Guardrail) -> Policy:
    """One guardrail is replaced by another."""
    return replace(SOUND, guardrails=tuple(other if one.number == number else one for one in GUARDRAILS))


def limits(**numbers: float) -> Policy:
    """Numbers looser than their caps."""
    changed: dict[str, float] = dict(numbers)
    return replace(SOUND, limits=replace(SOUND.limits, **changed))  # type: ignore[arg-type]  # each of its own kind


class Gullible(Effect):
    """Believes what a command declares."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        declared = max(step.action.effect for step in plan.steps)
        return (
            super().decide(plan, facts) if declared is EffectClass.DESTRUCTIVE else self.allow("as declared")
        )


class Hopeful(FreshBackup):
    """Takes a backup that nobody has restored."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        backups = tuple(
            replace(one, restore_verified_unix_nano=one.finished_unix_nano) for one in facts.backups or ()
        )
        return super().decide(plan, replace(facts, backups=backups))


class ForgetsItself(Budget):
    """Looks whether there is money left, not whether there is enough."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        free = replace(plan, steps=tuple(replace(step, cost=Cost()) for step in plan.steps))
        return super().decide(free, facts)


class OneTooMany(Budget):
    """Compares off by one."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        assert facts.hour is not None
        assert facts.day is not None
        more = replace(facts.hour, churn_limit=facts.hour.churn_limit + 1)
        return super().decide(plan, replace(facts, hour=more, day=replace(facts.day, churn_limit=10**9)))


class OnlyAsks(Budget):
    """Lets a person overspend."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        found = super().decide(plan, facts)
        return self.ask(found.reason) if found.outcome is Outcome.DENY else found


class StepByStep(BlastRadius):
    """Counts each step for itself."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        every = [super(StepByStep, self).decide(replace(plan, steps=(step,)), facts) for step in plan.steps]
        return max(every, key=lambda one: one.outcome)


class UpToTheNext(Bounds):
    """Lets one more be started than there may be."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        live = tuple(replace(one, most=(one.most or 0) + 1) for one in facts.live or ())
        return super().decide(plan, replace(facts, live=live))


class LastTargetOnly(Bounds):
    """Looks at one of several targets."""

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        steps = tuple(
            replace(step, action=replace(step.action, targets=step.action.targets[-1:]))
            for step in plan.steps
        )
        return super().decide(replace(plan, steps=steps), facts)


@dataclass(frozen=True, slots=True)
class ReleasesTwice(Account):
    """Gives back what a run held each time that its end is told."""

    def release(self, run_id: str) -> Self:
        if self.holds(run_id):
            return replace(self, held=tuple(one for one in self.held if one[0] != run_id))
        return replace(self, held=self.held[1:])


@dataclass(frozen=True, slots=True)
class ResetBySuccess(Account):
    """Forgets what was spent when a run ends well."""

    def settle(self, run_id: str) -> Self:
        return replace(self.release(run_id), spent=Cost())


def votes(judgement: Judgement, approvals: Iterable[Approval], now_unix_nano: int) -> bool:
    """Lets four people outvote a refusal."""
    people = {one.approver for one in approvals if one.agreed}
    return len(people) > 4 or SOUND.agreed(judgement, approvals, now_unix_nano)


def hands(judgement: Judgement, approvals: Iterable[Approval], now_unix_nano: int) -> bool:
    """Counts approvals instead of people."""
    good = [
        one
        for one in approvals
        if one.plan_hash == judgement.plan_hash and one.expires_unix_nano > now_unix_nano
    ]
    return judgement.outcome is not Outcome.DENY and len(good) >= judgement.approvers


def any_plan(judgement: Judgement, approvals: Iterable[Approval], now_unix_nano: int) -> bool:
    """Takes a yes to another plan."""
    moved = [replace(one, plan_hash=judgement.plan_hash) for one in approvals]
    return SOUND.agreed(judgement, moved, now_unix_nano)


BROKEN: dict[str, tuple[Callable[[], Policy], str, str]] = {
    "the effect class is turned off": (lambda: without(5), CONSENT, "It runs"),
    "backups are turned off": (lambda: without(10), CONSENT, "there is none"),
    "one approver is enough": (lambda: limits(destructive_approvers=1), CONSENT, "ada agrees"),
    "declarations are believed": (lambda: instead(5, Gullible()), CONSENT, "words contradict"),
    "an unproven backup will do": (lambda: instead(10, Hopeful()), CONSENT, "never restored"),
    "approvals are counted, not people": (lambda: replace(SOUND, agreed=hands), CONSENT, "agree"),
    "a yes to another plan counts": (
        lambda: replace(SOUND, agreed=any_plan),
        CONSENT,
        "lee, for another plan",
    ),
    "the budget is turned off": (lambda: without(15), BUDGET, "a plan is admitted"),
    "a plan's own cost is forgotten": (lambda: instead(15, ForgetsItself()), BUDGET, "a plan is admitted"),
    "a comparison is off by one": (lambda: instead(15, OneTooMany()), BUDGET, "starts and stops"),
    "people may overspend": (lambda: instead(15, OnlyAsks()), BUDGET, "a plan is admitted"),
    "a failure releases twice": (lambda: replace(SOUND, account=ReleasesTwice()), BUDGET, "twice"),
    "success resets the budget": (lambda: replace(SOUND, account=ResetBySuccess()), BUDGET, "settled"),
    "a limit above the cap": (lambda: limits(group_deny_ratio=1.0), REACH, "group_deny_ratio is 1"),
    "half of a group at will": (lambda: limits(group_ratio=0.5), REACH, "runs by itself"),
    "ten at once": (lambda: limits(targets_at_once=10, group_ratio=0.2), REACH, "at once"),
    "each step counted for itself": (lambda: instead(11, StepByStep()), REACH, "step"),
    "the radius is turned off": (lambda: without(11), REACH, "none objects"),
    "one more than the most": (lambda: instead(14, UpToTheNext()), REACH, "out of its bounds"),
    "one of two targets is looked at": (lambda: instead(14, LastTargetOnly()), REACH, "a leap"),
    "leaps of eight": (lambda: limits(scale_step=8, scale_factor=4.0), REACH, "a leap"),
    "a refusal is outvoted": (lambda: replace(SOUND, agreed=votes), REFUSAL, "against a refusal"),
}
