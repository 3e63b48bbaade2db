"""1: nothing runs while a kill switch covers it."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.stopping import stopping
from stormpetrel.model.verdict import Verdict


class KillSwitch(Rule):
    """Refuses while the global switch, the runbook's, or one of a target or its group is on.

    A switch with a scope that nobody can read stops everything: somebody meant to stop something.
    """

    number = 1
    name = "kill switch"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny while one covers the plan."""
        switch = stopping(known(facts.switches, "the kill switches"), plan)
        if switch is not None:
            return self.deny(f"the kill switch {switch.scope!r} is on, by {switch.by}: {switch.reason}")
        return self.allow("no kill switch covers it")
