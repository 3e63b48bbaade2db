"""7: no acting on what is stale, unknown, or a single voice."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known, listed
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class Evidence(Rule):
    """Refuses unless every triggering signal is fresh, and two are independent or an objective burns.

    A cause less certain than the runbook's floor asks.
    """

    number = 7
    name = "evidence quality"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny poor evidence, ask at low certainty."""
        del plan  # whatever it is
        signals = known(facts.signals, "the signals that triggered it")
        burns = known(facts.objective_burns, "whether an objective burns")
        confidence = known(facts.confidence, "the certainty of the cause")
        floor = known(facts.runbook, "the floor of the runbook").confidence_floor
        poor = [one for one in signals if one.state != "fresh"]
        if poor:
            return self.deny(f"{listed(f'{one.name} is {one.state}' for one in poor)}")
        sources = {one.source for one in signals}
        if not sources:
            return self.deny("no signal triggered it")
        if len(sources) < facts.limits.independent_signals and burns is not True:
            return self.deny(
                f"{len(sources)} independent signal and no burning objective, "
                f"{facts.limits.independent_signals} signals are needed"
            )
        if not floor <= confidence <= 1.0:
            return self.ask(f"the cause is certain to {confidence:.2f}, the floor is {floor:.2f}")
        return self.allow(f"{len(sources)} independent signals, all fresh; certain to {confidence:.2f}")
