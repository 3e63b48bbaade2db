"""All guardrails over one plan: one judgement, which anybody can work out again from what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stormpetrel.act.canonical import plan_hash, read, text
from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.model.action import Action, Cost, Plan, Step
from stormpetrel.model.agreement import agreed
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Clamp, Judgement, Outcome, Verdict
from stormpetrel.ports.algorithms import Guardrail

__all__ = ["agreed", "judge", "replay"]

CLAMPING = 14
_MOST_REASON = 500


def judge(plan: Plan, facts: Facts, guardrails: Sequence[Guardrail] = GUARDRAILS) -> Judgement:
    """What all guardrails say, in their order, none left out after a refusal.

    A guardrail that raises, or answers with anything but a verdict of its own, denies. When one makes a
    parameter smaller, all judge the smaller plan again, and its verdict says what was made smaller; a plan
    that is made smaller twice is denied. Never raises. Cost: below a millisecond.

    Args:
        plan: as proposed, or as admitted before.
        facts: one whole snapshot.
        guardrails: the twenty, then anybody's; none at all denies.
    """
    verdicts = [_verdict(one, plan, facts) for one in guardrails]
    clamps = tuple(clamp for one in verdicts for clamp in one.clamps)
    if clamps:
        clamping = [one for one in verdicts if one.clamps]
        plan = made_smaller(plan, clamps)
        verdicts = [_verdict(one, plan, facts) for one in guardrails]
        verdicts = [_once(one, clamping) for one in verdicts]
    try:
        return Judgement(plan, plan_hash(plan), tuple(verdicts))
    except (ValueError, TypeError, RecursionError) as error:
        broken = Verdict(0, "judge", Outcome.DENY, f"the plan has no canonical text: {error}"[:_MOST_REASON])
        return Judgement(plan, "", (broken, *verdicts))


def _verdict(guardrail: Guardrail, plan: Plan, facts: Facts) -> Verdict:
    """Its verdict, or a refusal in its name."""
    number, name = guardrail.number, guardrail.name
    try:
        found: object = guardrail.judge(plan, facts)
        if not isinstance(found, Verdict) or not isinstance(found.outcome, Outcome):
            return Verdict(number, name, Outcome.DENY, "it gave no verdict")
        if found.clamps and number != CLAMPING:
            return Verdict(number, name, Outcome.DENY, "it may refuse a plan, not change it")
        return replace(found, number=number, guardrail=name, reason=found.reason[:_MOST_REASON])
    except Exception as error:  # noqa: BLE001 whatever it raises, a guardrail that fails refuses
        return Verdict(
            number, name, Outcome.DENY, f"it failed: {type(error).__name__}: {error}"[:_MOST_REASON]
        )


def _once(verdict: Verdict, clamping: Sequence[Verdict]) -> Verdict:
    """A verdict on the smaller plan, with what was made smaller; one that still wants it smaller denies."""
    if verdict.clamps:
        return replace(
            verdict,
            outcome=Outcome.DENY,
            clamps=(),
            reason="it would have to be made smaller again and again",
        )
    before = next((one for one in clamping if one.number == verdict.number), None)
    if before is None or verdict.outcome is Outcome.DENY:
        return verdict
    return replace(verdict, clamps=before.clamps, reason=before.reason)


def made_smaller(plan: Plan, clamps: Sequence[Clamp]) -> Plan:
    """The plan with these parameters; its cost stays as it was, which is never too little."""
    steps = []
    for step in plan.steps:
        mine = {one.parameter: one for one in clamps if one.step_id == step.step_id}
        steps.append(_smaller(step, mine) if mine else step)
    return replace(plan, steps=tuple(steps))


def _smaller(step: Step, clamps: dict[str, Clamp]) -> Step:
    action: Action = step.action
    parameters = tuple(
        replace(one, value=clamps[one.name].to) if one.name in clamps else one for one in action.parameters
    )
    said = ", ".join(f"{one.parameter} {one.to} instead of {one.was}" for one in clamps.values())
    return replace(
        step,
        action=replace(action, parameters=parameters),
        cost=Cost(step.cost.spend, step.cost.churn),
        predicted=f"{step.predicted} (made smaller: {said})",
    )


def replay(plan_text: str, facts_text: str, guardrails: Sequence[Guardrail] = GUARDRAILS) -> str:
    """The canonical text of the judgement, from the canonical texts of the plan as it was given to `judge`
    and of the facts: bit for bit what was decided then, as long as the guardrails are the same.

    Raises:
        ValueError: a text is no plan, or no facts.
    """
    return text(judge(read(Plan, plan_text), read(Facts, facts_text), guardrails))
