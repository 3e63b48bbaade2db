"""12: enough healthy members remain."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, groups_touched, known, one_of, others_busy
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class LastHealthy(Rule):
    """Refuses what would leave a group with fewer healthy members than its minimum.

    All targets of the plan count as out at once, but for those that this run has acted on already: their
    health is known; and so does whom other runs act on. Acting on members that are unhealthy takes nothing
    healthy away.
    """

    number = 12
    name = "last healthy one"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny when too few would remain."""
        for group, touched in groups_touched(plan, facts):
            healthy = set(group.healthy) & set(group.members)
            taken = {one for one in touched - set(facts.acted) if one in healthy or serves(facts, one)}
            remaining = len(healthy - taken - others_busy(group, facts))
            if taken and not remaining >= group.minimum:
                return self.deny(
                    f"{remaining} healthy of {group.name} would remain, its minimum is {group.minimum}"
                )
        return self.allow("enough healthy members remain")


def serves(facts: Facts, entity: str) -> bool:
    """Whether a target is healthy just now; UnknownFact when that is not known."""
    live = known(facts.live, "how the targets stand")
    now = one_of((one for one in live if one.entity == entity), f"how {entity} stands")
    return known(now.healthy, f"whether {entity} is healthy")
