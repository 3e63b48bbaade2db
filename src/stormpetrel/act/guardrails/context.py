"""8: freezes, maintenance, expected jobs and deploys in progress."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, acted_on, acting_steps, known, listed
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import ContextEntry, Facts
from stormpetrel.model.verdict import Verdict


class Context(Rule):
    """Asks while something of the calendar covers a target or a neighbour.

    One exemption: rolling back the very deploy that is in progress. It holds when every acting step is a
    rollback of the deployed entity alone whose parameter `change` names that deploy.
    """

    number = 8
    name = "context"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Ask while something covers it."""
        entries = known(facts.context, "what the calendar says; one of its sources was never read")
        covering = [one for one in entries if not rolls_back(plan, one)]
        if covering:
            return self.ask(listed(f"{one.kind} {one.title!r} covers {one.entity}" for one in covering))
        if entries:
            return self.allow("it rolls back the very deploy that is in progress")
        return self.allow("no freeze, maintenance, expected job or deploy covers it")


def rolls_back(plan: Plan, entry: ContextEntry) -> bool:
    """Whether all that the plan does is to take back this deploy."""
    if entry.kind != "deploy" or not entry.change_id:
        return False
    steps = list(acting_steps(plan))
    return (
        bool(steps)
        and set(acted_on(plan)) == {entry.entity}
        and all(
            step.action.kind.endswith(".rollback") and step.action.parameter("change") == entry.change_id
            for step in steps
        )
    )
