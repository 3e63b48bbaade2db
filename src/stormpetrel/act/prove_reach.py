"""Exhaustively: no plan touches more than the cap, and no scaling leaves its bounds.

The domain: groups of 1 to 12 members and some large ones, every number of them touched, in one step or in
several, in waves of every width; and scaling from every number to every number under several bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import product

from stormpetrel.act.judge import judge
from stormpetrel.act.policy import Policy
from stormpetrel.act.prove_story import Hole, Proof, objections, told
from stormpetrel.act.scene import calm_action, calm_facts, calm_group, calm_plan, calm_step, calm_target
from stormpetrel.model.action import Cost, EffectClass, Plan, Step
from stormpetrel.model.facts import Facts, Limits
from stormpetrel.model.verdict import Judgement, Outcome

# (members, at most so many touched): small groups whole, some large ones as far as they differ
SIZES = (*((size, size) for size in range(1, 13)), (20, 7), (30, 7), (50, 12))
_WAVES = (0, 1, 2, 3, 4, 5)
_MOST_COUNT = 14
_MOST_PAIRED = 8
_BOUNDS = ((0, 12), (2, 8), (5, 5))
# Numbers that widen what a plan may touch; configuration may only make them smaller.
_WIDENING = (
    "group_ratio", "group_deny_ratio", "targets_at_once", "fleet_brake_ratio", "scale_factor", "scale_step",
)  # fmt: skip


def reach(policy: Policy) -> Proof:
    """No plan touches more than the cap."""
    cases = 0
    for size, most in SIZES:
        for touched in range(1, most + 1):
            for how, plan in _layouts(touched):
                cases += 1
                facts = replace(_facts(policy, plan, size), groups=(calm_group(size, size),))
                judgement = judge(plan, facts, policy.guardrails)
                wrong = _too_wide(judgement, policy.caps, size, touched)
                if wrong:
                    return Proof(_NAME, _HOW, cases, _story(policy, judgement, f"{how} of {size}", wrong))
    scaled, hole = _scaling(policy)
    if hole is None:
        paired, hole = _scaling_two(policy)
        scaled += paired
    return Proof(_NAME, _HOW, cases + scaled, hole)


_NAME = "no plan touches more than the cap"
_HOW = "exhaustively, over groups, targets, steps and waves, and over scaling from and to every number"


def _layouts(touched: int) -> Iterator[tuple[str, Plan]]:
    """Plans that touch so many members: at once, in waves, a step each."""
    targets = tuple(calm_target(number) for number in range(touched))
    for wave in _WAVES:
        if wave <= touched:
            width = "all at once" if wave == 0 else f"{wave} at a time"
            yield f"{touched} members, {width},", calm_plan(_free(calm_step(calm_action(targets), wave=wave)))
    if touched > 1:
        each = [_free(calm_step(calm_action((one,)), f"step {k + 1}")) for k, one in enumerate(targets)]
        yield f"{touched} members, a step each,", calm_plan(*each)
        half = touched // 2
        parts = [
            _free(calm_step(calm_action(part), part[0].entity)) for part in (targets[:half], targets[half:])
        ]
        yield f"{touched} members in two steps", calm_plan(*parts)


def _free(step: Step) -> Step:
    """Money is looked at elsewhere."""
    return replace(step, cost=Cost())


def _facts(policy: Policy, plan: Plan, size: int) -> Facts:
    return calm_facts(plan, policy.limits, size)


def _too_wide(judgement: Judgement, caps: Limits, size: int, touched: int) -> str:
    """What is wrong with letting it pass; told independently of the code that is proved."""
    if size > 1 and judgement.outcome is not Outcome.DENY and touched > caps.group_deny_ratio * size + 1e-9:
        return f"it may run once somebody agrees, above {caps.group_deny_ratio:.0%} of the group"
    if judgement.outcome is not Outcome.ALLOW:
        return ""
    if size > 1 and touched > max(1.0, caps.group_ratio * size + 1e-9):
        return f"it runs by itself, above {caps.group_ratio:.0%} of the group"
    for step in judgement.plan.steps:
        count = len(step.action.targets)
        if (min(step.wave, count) if step.wave > 0 else count) > caps.targets_at_once:
            return f"it runs by itself, on more than {caps.targets_at_once} at once"
    return ""


def _story(policy: Policy, judgement: Judgement, what: str, wrong: str) -> Hole:
    loose = [
        f"{one.name} is {getattr(policy.limits, one.name):g}, its cap is {getattr(policy.caps, one.name):g}"
        for one in fields(policy.limits)
        if one.name in _WIDENING and getattr(policy.limits, one.name) > getattr(policy.caps, one.name)
    ]
    return told(
        f"A plan acts on {what}." if loose == [] else f"A plan acts on {what}; {'; '.join(loose)}.",
        objections(judgement),
        f"So {wrong}.",
    )


def _scaling(policy: Policy) -> tuple[int, Hole | None]:
    """Scaling from every number to every number: what runs stays within bounds and steps."""
    cases = 0
    for count, wanted, bounds, known in product(
        range(_MOST_COUNT), range(_MOST_COUNT), _BOUNDS, (True, False, None)
    ):
        cases += 1
        action = calm_action(
            (calm_target(),), EffectClass.REVERSIBLE, "service.scale", "replicas", {"replicas": wanted}
        )
        plan = calm_plan(_free(calm_step(action)))
        facts = calm_facts(plan, policy.limits)
        live = tuple(
            replace(one, count=count, least=bounds[0], most=bounds[1], inputs_known=known)
            for one in facts.live or ()
        )
        judgement = judge(plan, replace(facts, live=live), policy.guardrails)
        if judgement.outcome is Outcome.DENY:
            continue
        to = judgement.plan.steps[0].action.parameter("replicas")
        wrong = _leaps(count, to, bounds, policy.caps) or (
            "" if known or to == count else _dark(count, to, known)
        )
        if wrong:
            story = told(
                f"There are {count} replicas, between {bounds[0]} and {bounds[1]}; a plan wants {wanted}.",
                objections(judgement),
                f"It goes to {to}: {wrong}.",
            )
            return cases, story
    return cases, None


def _scaling_two(policy: Policy) -> tuple[int, Hole | None]:
    """One number for two targets: what runs suits both."""
    cases = 0
    targets = (calm_target(0), calm_target(1))
    for counts, wanted in product(product(range(_MOST_PAIRED), repeat=2), range(_MOST_COUNT)):
        cases += 1
        action = calm_action(
            targets, EffectClass.REVERSIBLE, "service.scale", "replicas", {"replicas": wanted}
        )
        plan = calm_plan(_free(calm_step(action)))
        facts = calm_facts(plan, policy.limits)
        live = tuple(
            replace(one, count=count, least=0, most=12)
            for one, count in zip(facts.live or (), counts, strict=True)
        )
        judgement = judge(plan, replace(facts, live=live), policy.guardrails)
        to = judgement.plan.steps[0].action.parameter("replicas")
        for count in counts if judgement.outcome is not Outcome.DENY else ():
            wrong = _leaps(count, to, (0, 12), policy.caps)
            if wrong:
                story = told(
                    f"There are {counts[0]} replicas here, {counts[1]} there; a plan wants {wanted}.",
                    objections(judgement),
                    f"The one with {count} goes to {to}: {wrong}.",
                )
                return cases, story
    return cases, None


def _leaps(count: int, to: object, bounds: tuple[int, int], caps: Limits) -> str:
    if not isinstance(to, int) or not bounds[0] <= to <= bounds[1]:
        return "out of its bounds"
    if abs(to - count) > caps.scale_step or to > count * caps.scale_factor or to * caps.scale_factor < count:
        return f"a leap, above x{caps.scale_factor:g} or +{caps.scale_step}"
    return ""


def _dark(count: int, to: object, known: bool | None) -> str:
    if known is None:
        return "while it is not known whether its inputs are known"
    return "scaling in while an input is unknown" if isinstance(to, int) and to < count else ""
