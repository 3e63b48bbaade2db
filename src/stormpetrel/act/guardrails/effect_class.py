"""5: what destroys is never automatic."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, worst_effect
from stormpetrel.act.words import contradiction
from stormpetrel.model.action import EffectClass, Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class Effect(Rule):
    """Asks several people for a plan that is destructive: as declared, by its words, or by what undoes it."""

    number = 5
    name = "effect class"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Ask for what is destructive."""
        worst = worst_effect(plan)
        if worst is not EffectClass.DESTRUCTIVE:
            return self.allow(f"at worst {worst.word}")
        count = facts.limits.destructive_approvers
        return self.ask(f"destructive ({self._why(plan)}): {count} different people have to agree", count)

    @staticmethod
    def _why(plan: Plan) -> str:
        """Which step, and whether it says so or its words do."""
        for step in plan.steps:
            for action in (step.action, step.inverse):
                if action is None:
                    continue
                words = contradiction(action.parameters)
                if words:
                    return f"step {step.step_id}: {words}"
                if action.effect is EffectClass.DESTRUCTIVE:
                    return f"step {step.step_id} as declared"
        return "it has no steps"
