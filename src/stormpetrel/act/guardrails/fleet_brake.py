"""13: where much of a group is ill, its members are not the cause."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, groups_touched
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class FleetBrake(Rule):
    """Refuses, and pages, when too much of a group of two or more is unhealthy: the cause is shared."""

    number = 13
    name = "fleet brake"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny and page when the cause is shared."""
        for group, _ in groups_touched(plan, facts):
            members = set(group.members)
            ill = len(members - set(group.healthy))
            if len(members) > 1 and not ill / len(members) <= facts.limits.fleet_brake_ratio:
                return self.deny(
                    f"{ill} of the {len(members)} of {group.name} are unhealthy: the cause is shared, "
                    "acting on members is wrong",
                    page=True,
                )
        return self.allow("most members of each group are healthy")
