"""How the tables of guardrails are read: one plan, facts in which one thing differs, and the answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.scene import calm_action, calm_facts, calm_plan, calm_step, calm_target
from stormpetrel.model.action import Action, Cost, EffectClass, Plan, Scalar, Step
from stormpetrel.model.facts import Facts, LiveTarget
from stormpetrel.model.verdict import Outcome, Verdict

ALLOW, ASK, DENY = Outcome.ALLOW, Outcome.ASK, Outcome.DENY
Change = Callable[[Facts], Facts]


def verdict(number: int, plan: Plan, facts: Facts) -> Verdict:
    """Of one guardrail; it must be the one of that number and keep its name and number."""
    guardrail = GUARDRAILS[number - 1]
    assert guardrail.number == number
    found = guardrail.judge(plan, facts)
    assert (found.number, found.guardrail) == (number, guardrail.name)
    assert found.reason
    assert not found.page or "the cause is shared" in found.reason
    assert not found.replan or number == 9
    assert (found.approvers >= 1) == (found.outcome is ASK)
    return found


def said(number: int, plan: Plan | None = None, **changes: Any) -> Verdict:
    """Of the calm scene with these facts changed."""
    plan = plan or calm_plan()
    return verdict(number, plan, replace(calm_facts(plan), **changes))


def limited(
    number: int, plan: Plan | None = None, limits: dict[str, Any] | None = None, **changes: Any
) -> Verdict:
    """As `said`, with other numbers."""
    plan = plan or calm_plan()
    facts = calm_facts(plan)
    return verdict(number, plan, replace(facts, limits=replace(facts.limits, **(limits or {})), **changes))


def acting_on(
    *numbers: int,
    effect: EffectClass = EffectClass.DISRUPTIVE,
    wave: int = 1,
    stateful: bool | None = False,
    kind: str = "service.restart",
    cost: Cost | None = None,
    **parameters: Scalar,
) -> Plan:
    """A plan of one step on these members."""
    targets = tuple(calm_target(number, stateful) for number in numbers)
    return calm_plan(
        calm_step(calm_action(targets, effect, kind, "process", parameters), wave=wave, cost=cost)
    )


def with_step(plan: Plan, **changes: Any) -> Plan:
    """The plan with its first step changed."""
    return replace(plan, steps=(replace(plan.steps[0], **changes), *plan.steps[1:]))


def with_action(plan: Plan, **changes: Any) -> Plan:
    """The plan with the action of its first step changed."""
    return with_step(plan, action=replace(plan.steps[0].action, **changes))


def with_target(plan: Plan, **changes: Any) -> Plan:
    """The plan with its first target changed."""
    first, *rest = plan.steps[0].action.targets
    return with_action(plan, targets=(replace(first, **changes), *rest))


def standing(facts: Facts, **changes: Any) -> tuple[LiveTarget, ...]:
    """How the targets stand, with the first changed."""
    assert facts.live
    return (replace(facts.live[0], **changes), *facts.live[1:])


__all__ = ["ALLOW", "ASK", "DENY", "Action", "Step", "acting_on", "limited", "said", "standing", "verdict",
           "with_action", "with_step", "with_target"]  # fmt: skip
