"""11: a little at a time."""

from __future__ import annotations

from collections.abc import Iterator

from stormpetrel.act.guardrails.rule import Rule, acting_steps, groups_touched, others_busy
from stormpetrel.model.action import Plan, Step
from stormpetrel.model.facts import Facts, Group, Limits
from stormpetrel.model.verdict import Verdict


class BlastRadius(Rule):
    """Asks above a fifth of a group (one is always possible), three at once, a whole zone or a quorum.

    Refuses above half of a group. What other runs act on just now counts with it. A group of one has no
    radius. Reading touches nothing.
    """

    number = 11
    name = "blast radius"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny above half, ask above a fifth and its like."""
        wide = list(self._at_once(plan, facts.limits))
        for group, mine in groups_touched(plan, facts):
            size = len(set(group.members))
            if size < 2:
                continue
            touched = mine | others_busy(group, facts)
            share = len(touched) / size
            if not share <= facts.limits.group_deny_ratio:
                return self.deny(f"it touches {len(touched)} of the {size} of {group.name}")
            if len(touched) > 1 and not share <= facts.limits.group_ratio:
                wide.append(f"it touches {len(touched)} of the {size} of {group.name}")
            wide += parts_lost(group, touched)
        if wide:
            return self.ask("; ".join(wide))
        return self.allow("a small part of each group")

    @staticmethod
    def _at_once(plan: Plan, limits: Limits) -> Iterator[str]:
        for step in acting_steps(plan):
            count = widest_wave(step)
            if count > limits.targets_at_once:
                yield f"step {step.step_id} acts on {count} at once, more than {limits.targets_at_once}"


def widest_wave(step: Step) -> int:
    """How many targets a step acts on at once."""
    count = len({one.entity for one in step.action.targets})
    return min(step.wave, count) if step.wave > 0 else count


def parts_lost(group: Group, touched: frozenset[str]) -> list[str]:
    """Zones that would have nobody healthy left that is not touched, and a lost quorum, in words."""
    left = (set(group.healthy) & set(group.members)) - touched
    lost = []
    if len(group.zones) > 1:
        for zone, members in group.zones:
            if touched & set(members) and not left & set(members):
                lost.append(f"nobody healthy and untouched would remain of the zone {zone} of {group.name}")
    if len(left) < group.quorum:
        lost.append(f"{len(left)} of {group.name} would remain, its quorum is {group.quorum}")
    return lost
