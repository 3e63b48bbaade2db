"""3: who cannot trust what it sees does not act."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class DeadMan(Rule):
    """Refuses while telemetry is old, the clock is off or went back, or ledger or store are unhealthy."""

    number = 3
    name = "dead man"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny unless all five are known to be well."""
        del plan  # whatever it is
        health, limits = known(facts.health, "how this process fares"), facts.limits
        age = known(health.telemetry_age_seconds, "the age of the newest sample")
        skew = known(health.clock_skew_seconds, "the skew of the clock")
        if not -limits.clock_skew_seconds <= age <= limits.telemetry_stale_seconds:
            return self.deny(
                f"the newest sample is {age:g} s old, more than {limits.telemetry_stale_seconds:g} s or ahead"
            )
        if not -limits.clock_skew_seconds <= skew <= limits.clock_skew_seconds:
            return self.deny(f"the clock is off by {skew:g} s, more than {limits.clock_skew_seconds:g} s")
        if known(health.clock_went_back, "whether the clock went back") is not False:
            return self.deny("the clock went back lately")
        if known(health.ledger_ok, "whether the ledger is whole") is not True:
            return self.deny("the ledger is not whole")
        if known(health.store_ok, "whether the stores answer") is not True:
            return self.deny("a store does not answer")
        return self.allow(
            f"telemetry is {age:.1f} s old, the clock is off by {skew:.1f} s, ledger and stores are well"
        )
