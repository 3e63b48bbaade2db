"""16: so many runs an hour, one at a time on each target."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, entities, every_target, known, listed
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class Rate(Rule):
    """Refuses the fourth run of a runbook in an hour, the eleventh of all, and a second on a busy target."""

    number = 16
    name = "rate"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny what comes too often, or where another run is at work."""
        rate, limits = known(facts.rate, "how often automation ran"), facts.limits
        if not rate.runbook_hour + 1 <= limits.runs_per_runbook_hour:
            return self.deny(f"{plan.runbook} ran {rate.runbook_hour} times within the hour")
        if not rate.overall_hour + 1 <= limits.runs_per_hour:
            return self.deny(f"automation ran {rate.overall_hour} times within the hour")
        busy = set(entities(every_target(plan))) & set(rate.busy)
        if busy:
            return self.deny(f"another run is at work on {listed(busy)}")
        return self.allow(
            f"run {rate.runbook_hour + 1} of this runbook and {rate.overall_hour + 1} of all in the hour"
        )
