"""15: what automation may spend and churn."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known
from stormpetrel.model.action import Cost, Plan
from stormpetrel.model.facts import Facts, Purse
from stormpetrel.model.verdict import Verdict


class Budget(Rule):
    """Refuses when this plan plus all that runs would exceed the hour's or the day's money or churn."""

    number = 15
    name = "budget"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny what would go beyond."""
        if any(not step.cost.spend >= 0 or not step.cost.churn >= 0 for step in plan.steps):
            return self.deny("a step costs less than nothing")
        cost = plan.cost
        for span, purse in (("hour", facts.hour), ("day", facts.day)):
            wrong = beyond(known(purse, f"the budget of the {span}"), cost)
            if wrong:
                return self.deny(f"{wrong} of the {span}")
        return self.allow(
            f"spends {cost.spend:g} and churns {cost.churn}, within the hour's and the day's budget"
        )


def beyond(purse: Purse, cost: Cost) -> str:
    """Which budget would not hold; "" when all do."""
    if (
        not purse.spent >= 0
        or not purse.reserved >= 0
        or not purse.churned >= 0
        or not purse.churn_reserved >= 0
    ):
        return "less than nothing is spent in the books"
    spend = purse.spent + purse.reserved + cost.spend
    churn = purse.churned + purse.churn_reserved + cost.churn
    if not spend <= purse.spend_limit:
        return f"it would spend {spend} with all that runs, above the {purse.spend_limit}"
    if not churn <= purse.churn_limit:
        return f"it would start and stop {churn} with all that runs, above the {purse.churn_limit}"
    return ""
