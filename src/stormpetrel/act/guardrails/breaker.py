"""20: when automation keeps failing, people take over."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class Breaker(Rule):
    """Asks for everything while the breaker is open: 3 of the last 5 automatic runs failed verification."""

    number = 20
    name = "breaker"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Ask until a person closes it."""
        del plan  # whatever it is
        if known(facts.breaker_open, "whether the breaker is open") is not False:
            return self.ask(
                f"{facts.limits.breaker_failures} of the last {facts.limits.breaker_runs} automatic runs "
                "failed; a person has to close the breaker"
            )
        return self.allow("the breaker is closed")
