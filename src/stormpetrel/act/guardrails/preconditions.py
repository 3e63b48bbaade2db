"""9: what was planned for is still there."""

from __future__ import annotations

from dataclasses import replace

from stormpetrel.act.guardrails.rule import Rule, every_target, known, one_of
from stormpetrel.model.action import Plan, Target
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class Preconditions(Rule):
    """Refuses a plan that is stale: the symptom is gone, or a target is gone or another than was planned for.

    It also refuses a plan that is not well made: without steps or targets, one entity described in two ways,
    an undoing of what the step does not touch. What this very run has acted on already (`Facts.acted`) may
    have changed: that was its purpose.
    """

    number = 9
    name = "preconditions"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny what is stale or ill made."""
        wrong = ill_made(plan)
        if wrong:
            return self.deny(wrong)
        live = known(facts.live, "how the targets stand")
        named = [target for step in plan.steps for target in step.action.targets]
        for target in {one.entity: one for one in named}.values():
            if target.entity in facts.acted:
                continue
            now = one_of((one for one in live if one.entity == target.entity), f"how {target.entity} stands")
            if known(now.exists, f"whether {target.entity} exists") is not True:
                return self.deny(f"{target.entity} is gone", replan=True)
            generation = known(now.generation, f"the generation of {target.entity}")
            if generation != target.generation:
                return self.deny(
                    f"{target.entity} has changed: {generation!r} now, {target.generation!r} in the plan",
                    replan=True,
                )
            if known(now.symptom_fires, f"whether the symptom of {target.entity} still shows") is not True:
                return self.deny(f"the symptom of {target.entity} is gone", replan=True)
        return self.allow("the targets are as planned and the symptom still shows")


def ill_made(plan: Plan) -> str:
    """What is wrong with the make of a plan; "" for nothing."""
    if not plan.steps:
        return "the plan has no steps"
    if len({step.step_id for step in plan.steps}) != len(plan.steps):
        return "two steps have one name"
    described: dict[str, Target] = {}
    for target in every_target(plan):
        first = described.setdefault(target.entity, target)
        # How a target will stand once it was acted on nobody knows: what undoes the act names no generation.
        if target != first and target != replace(first, generation=""):
            return f"{target.entity} is described in two ways"
    for step in plan.steps:
        own = {one.entity for one in step.action.targets}
        if not own:
            return f"step {step.step_id} has no target"
        if step.inverse is not None and not {one.entity for one in step.inverse.targets} <= own:
            return f"undoing step {step.step_id} would touch what the step does not"
    return ""
