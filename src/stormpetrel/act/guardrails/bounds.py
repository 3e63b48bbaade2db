"""14: no scaling in leaps, out of bounds, or in the dark."""

from __future__ import annotations

import math
from collections.abc import Iterator

from stormpetrel.act.guardrails.rule import Rule, known, one_of
from stormpetrel.model.action import Action, Plan
from stormpetrel.model.facts import Facts, Limits, LiveTarget
from stormpetrel.model.verdict import Clamp, Outcome, Verdict

WANTED = "replicas"


class Bounds(Rule):
    """Makes a scaling step smaller that leaps (above x2 or above +4) or leaves [least, most].

    Refuses where nothing sensible is left of it, and scaling in while an input is unknown. It works on
    actions `….scale` with an absolute number `replicas`; a scaling action without that is refused.
    """

    number = 14
    name = "step and bounds"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Allow, allow a smaller step, or deny."""
        clamps: list[Clamp] = []
        for step in plan.steps:
            if not scales(step.action):
                continue
            wanted = step.action.parameter(WANTED)
            if not isinstance(wanted, int) or isinstance(wanted, bool):
                return self.deny(f"step {step.step_id} scales, and says no whole number of {WANTED}")
            stand = list(standing(step.action, facts))
            others: set[int] = set()
            for now in stand:
                found = nearest(now, wanted, facts.limits)
                if isinstance(found, str):
                    return self.deny(f"step {step.step_id} on {now.entity}: {found}")
                others |= {found} - {wanted}
            if not others:
                continue
            suiting = min(others) if min(others) < wanted else max(others)
            if not all(suits(now, wanted, suiting, facts.limits) for now in stand):
                return self.deny(f"step {step.step_id}: no one number of {WANTED} suits all its targets")
            clamps.append(Clamp(step.step_id, WANTED, wanted, suiting))
        if clamps:
            said = ", ".join(f"step {one.step_id}: {one.to} {WANTED} instead of {one.was}" for one in clamps)
            return Verdict(
                self.number, self.name, Outcome.ALLOW, f"made smaller: {said}", clamps=tuple(clamps)
            )
        return self.allow("no step leaps or leaves its bounds")


def scales(action: Action) -> bool:
    """Whether it changes a number of things."""
    return action.kind.endswith(".scale") or action.field == WANTED


def standing(action: Action, facts: Facts) -> Iterator[LiveTarget]:
    """How the targets stand that this run has not scaled already."""
    for target in action.targets:
        if target.entity in facts.acted:
            continue
        live = known(facts.live, "how the targets stand")
        yield one_of((one for one in live if one.entity == target.entity), f"how {target.entity} stands")


def suits(now: LiveTarget, wanted: int, other: int, limits: Limits) -> bool:
    """Whether the other number is possible too, and does not lead away from the wanted one."""
    count = known(now.count, f"how many of {now.entity} there are")
    return min(count, wanted) <= other <= max(count, wanted) and nearest(now, other, limits) == other


def nearest(now: LiveTarget, wanted: int, limits: Limits) -> int | str:
    """The possible number nearest to the wanted one on the way from the present one; or why there is none."""
    count = known(now.count, f"how many of {now.entity} there are")
    least = known(now.least, f"the least of {now.entity}")
    most = known(now.most, f"the most of {now.entity}")
    inputs = known(now.inputs_known, f"whether all inputs for {now.entity} are known")
    if wanted < count and inputs is not True:
        return "scaling in while an input is unknown"
    if wanted >= count:
        possible = min(wanted, most, math.floor(count * limits.scale_factor), count + limits.scale_step)
    else:
        possible = max(wanted, least, math.ceil(count / limits.scale_factor), count - limits.scale_step)
    if not least <= possible <= most:
        return f"from {count} no step leads into [{least}, {most}]"
    if (possible > count) != (wanted > count) or (possible < count) != (wanted < count):
        return f"of {count} to {wanted} nothing is left within [{least}, {most}] and a step"
    return possible
