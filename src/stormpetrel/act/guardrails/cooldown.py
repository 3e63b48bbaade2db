"""17: what was just acted on is left alone, and longer each time."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, acted_on, known, listed
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts, Limits, Touched
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Verdict

_MOST_DOUBLINGS = 16


class Cooldown(Rule):
    """Asks while a target was acted on within its cooldown, which doubles each time, or flaps."""

    number = 17
    name = "cooldown and flapping"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Ask while it cools, or after it was turned back and forth."""
        touched, mine = known(facts.touched, "what was acted on lately"), acted_on(plan)
        wrong = [
            said
            for one in touched
            if one.entity in mine and (said := warm(one, facts.limits, facts.now_unix_nano))
        ]
        return self.ask(listed(wrong)) if wrong else self.allow("no target was acted on lately")


def warm(touched: Touched, limits: Limits, now_unix_nano: int) -> str:
    """Why an entity is to be left alone; "" when it is not."""
    if touched.reversals_hour >= limits.reversals_per_hour:
        return f"{touched.entity} was turned back {touched.reversals_hour} times within the hour"
    doublings = min(max(touched.in_a_row, 1) - 1, _MOST_DOUBLINGS)
    wait_seconds = limits.cooldown_seconds * 2**doublings
    age = now_unix_nano - touched.last_unix_nano
    if touched.last_unix_nano > 0 and not age >= from_seconds(wait_seconds):
        return f"{touched.entity} was acted on within the last {wait_seconds:g} s"
    return ""
