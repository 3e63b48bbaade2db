"""10: no risk to state without a backup that is known to restore."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known
from stormpetrel.act.words import action_effect
from stormpetrel.model.action import EffectClass, Plan, Step
from stormpetrel.model.facts import Backup, Facts
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Verdict


class FreshBackup(Rule):
    """Refuses disruptive acts on what holds state, and destructive acts on anything, without a good backup.

    Good is one younger than its recovery point objective whose restore was verified after it was made. What
    nobody said of being stateless counts as stateful. Undoing a step counts as much as doing it.
    """

    number = 10
    name = "backup"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny without one where one is needed."""
        needed = sorted({entity for step in plan.steps for entity in in_danger(step)})
        if not needed:
            return self.allow("no state is in danger")
        backups = known(facts.backups, "the backups")
        for entity in needed:
            if not any(one.entity == entity and good(one, facts.now_unix_nano) for one in backups):
                return self.deny(f"{entity} has no fresh backup whose restore was verified")
        return self.allow(f"{len(needed)} stateful targets, each with a fresh backup that restores")


def in_danger(step: Step) -> set[str]:
    """Entities whose state this step, or undoing it, could cost."""
    found = set()
    for action in (step.action, step.inverse):
        if action is None:
            continue
        effect = action_effect(action)
        if effect >= EffectClass.DISRUPTIVE:
            everything = effect is EffectClass.DESTRUCTIVE
            found |= {one.entity for one in action.targets if everything or one.stateful is not False}
    return found


def good(backup: Backup, now_unix_nano: int) -> bool:
    """Whether a backup is younger than its objective, and restored since it was made."""
    age = now_unix_nano - backup.finished_unix_nano
    return (
        0 < backup.finished_unix_nano <= backup.restore_verified_unix_nano <= now_unix_nano
        and 0 < backup.objective_seconds < float("inf")
        and age < from_seconds(backup.objective_seconds)
    )
