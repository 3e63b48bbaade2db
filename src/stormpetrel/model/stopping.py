"""Which kill switches stop a plan: one answer for the guardrail, the store and whoever gives orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Switch

GLOBAL = "global"
_SERVICE, _RUNBOOK = "service:", "runbook:"


def scopes_of(plan: Plan) -> frozenset[str]:
    """The scopes that stop a plan: everything, its runbook, its targets and their groups.

    A service is stopped by `service:service:shop`, which is the rule, and by `service:shop` as well: whoever
    stops it in a hurry names it as it is called, and must not be told that it is stopped when it is not.
    """
    return frozenset({GLOBAL, f"{_RUNBOOK}{plan.runbook}", *_of_targets(plan)})


def _of_targets(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        for action in (step.action, step.inverse):
            for target in action.targets if action is not None else ():
                for name in (target.entity, target.group):
                    yield f"{_SERVICE}{name}"
                    if name.startswith(_SERVICE):
                        yield name


def stopping(switches: Iterable[Switch], plan: Plan) -> Switch | None:
    """The first switch that covers a plan, None when it may go on.

    One with a scope that nobody can read covers every plan: somebody meant to stop something.
    """
    mine = scopes_of(plan)
    return next(
        (one for one in switches if one.scope in mine or not one.scope.startswith((_SERVICE, _RUNBOOK))), None
    )
