"""18: one owner at a time."""

from __future__ import annotations

from stormpetrel.act.guardrails.identity import every_action
from stormpetrel.act.guardrails.rule import Rule, acts, known
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class Exclusion(Rule):
    """Refuses where another run or controller owns a target, or the field of it that would be changed."""

    number = 18
    name = "exclusion"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny where somebody else owns what would be changed."""
        own = f"run:{facts.run_id}" if facts.run_id else None
        changes = [
            (target.entity, action.field)
            for action in every_action(plan)
            if acts(action)
            for target in action.targets
        ]
        for owner in known(facts.owners, "who owns the targets"):
            if owner.owner == own:
                continue
            for entity, field in changes:
                if owner.entity == entity and ("" in (owner.field, field) or owner.field == field):
                    return self.deny(f"{owner.owner} owns {owner.field or 'all'} of {entity}")
        return self.allow("nobody else owns what it changes")
