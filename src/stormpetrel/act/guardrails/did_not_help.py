"""19: what did not help is not tried again without a person."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, acting_steps, known
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.run import Verification
from stormpetrel.model.verdict import Verdict


class DidNotHelp(Rule):
    """Asks when the same action failed for this incident, or twice on this cause.

    Refuses a fourth run on one incident: that is a person's from then on. A plan that only reads is none.
    """

    number = 19
    name = "did not help"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny after too many tries, ask after one that failed."""
        tries, limits = known(facts.tries, "what was tried before"), facts.limits
        kinds = {step.action.kind for step in acting_steps(plan)}
        if not kinds:
            return self.allow("it only reads")
        here = [one for one in tries if one.incident_id == plan.incident_id]
        runs = {one.run_id for one in here} - {facts.run_id}
        if not len(runs) < limits.tries_per_incident:
            return self.deny(f"{len(runs)} runs were tried on this incident: it is for a person now")
        failed = [one for one in tries if one.action in kinds and one.result != Verification.FIXED]
        for one in failed:
            if one.incident_id == plan.incident_id and one.run_id != facts.run_id:
                return self.ask(f"{one.action} was tried on this incident and was {one.result}")
        same = {one.run_id for one in failed if plan.cause and one.cause == plan.cause} - {facts.run_id}
        if not len(same) < limits.no_effect_tries:
            return self.ask(f"it did not help {len(same)} times against {plan.cause}")
        return self.allow("nothing of the kind has failed here")
