"""4: a runbook goes as far as its level allows, and its record."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known
from stormpetrel.act.track import demoted, earned
from stormpetrel.model.action import Autonomy, Plan
from stormpetrel.model.facts import Facts, RunbookFacts
from stormpetrel.model.verdict import Verdict

REPLAY_DAYS = 7.0


class AutonomyLevel(Rule):
    """Refuses what is unsigned or may only observe; asks below `auto`, and at `auto` until it is earned.

    Without a flight report over seven days of this very version nothing counts as higher than `suggest`. An
    admin who raises a runbook early takes the place of its record, never of its failures: after two failed
    verifications in a row, or harm, a person is asked whoever raised it.
    """

    number = 4
    name = "autonomy"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny, ask or allow by level, signature, flight report and record."""
        runbook = known(facts.runbook, f"how far the runbook {plan.runbook} may go")
        if not runbook.signed_by or not runbook.version or runbook.version != plan.runbook_version:
            return self.deny(f"version {plan.runbook_version} of {plan.runbook} is not signed off")
        if runbook.autonomy is Autonomy.OBSERVE:
            return self.deny(f"{plan.runbook} may only observe")
        if not runbook.track.replay_days >= REPLAY_DAYS:
            return self.ask(
                f"the flight report of this version covers {runbook.track.replay_days:g} days, "
                f"{REPLAY_DAYS:g} are needed: {plan.runbook} may only suggest"
            )
        if runbook.autonomy is not Autonomy.AUTO:
            return self.ask(f"{plan.runbook} is at {runbook.autonomy.word}")
        return self._automatic(plan, facts, runbook)

    def _automatic(self, plan: Plan, facts: Facts, runbook: RunbookFacts) -> Verdict:
        """What holds at the level `auto`."""
        fallen = demoted(runbook.track, facts.limits, facts.now_unix_nano)
        if fallen:
            return self.ask(f"{plan.runbook} is at auto, but {fallen}")
        if earned(runbook.track, facts.limits, facts.now_unix_nano):
            return self.allow(f"its record: {runbook.track.useful} of {runbook.track.judged} useful, no harm")
        if runbook.raised_by:
            return self.allow(f"raised to auto by {runbook.raised_by} before its record did")
        return self.ask(
            f"its record ({runbook.track.useful} of {runbook.track.judged} useful) does not earn auto yet"
        )
