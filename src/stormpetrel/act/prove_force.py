"""Exhaustively: each of the twenty rows of the table is in force, by facts that it must object to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from stormpetrel.act.judge import judge
from stormpetrel.act.policy import Policy
from stormpetrel.act.prove_story import Proof, objections, told
from stormpetrel.act.scene import NOW, calm_action, calm_facts, calm_plan, calm_step, calm_target, member
from stormpetrel.model.action import Autonomy, Cost, EffectClass, Origin, Plan
from stormpetrel.model.facts import (
    ContextEntry,
    Facts,
    Owner,
    Purse,
    Rate,
    Switch,
    Touched,
    TriggerSignal,
    Try,
)
from stormpetrel.model.verdict import Approval, Outcome

Case = Callable[[Facts], tuple[Plan, Facts]]
_EMPTY = Purse(0.0, 0.0, 0.0, 0, 0, 0)


def _same(plan: Plan, change: Callable[[Facts], Facts]) -> Case:
    return lambda facts: (plan, change(facts))


def _plan(
    targets: int = 1, effect: EffectClass = EffectClass.DISRUPTIVE, origin: Origin = Origin.FACT
) -> Plan:
    made = tuple(calm_target(number, stateful=False, origin=origin) for number in range(targets))
    return calm_plan(calm_step(calm_action(made, effect), cost=Cost(1.0, 1)))


def _runbook(facts: Facts) -> Facts:
    runbook = facts.runbook
    return facts if runbook is None else replace(facts, runbook=replace(runbook, autonomy=Autonomy.SUGGEST))


def _ill(facts: Facts) -> Facts:
    groups = tuple(replace(one, healthy=one.healthy[:5]) for one in facts.groups or ())
    return replace(facts, groups=groups)


def _minimum(facts: Facts) -> Facts:
    groups = tuple(replace(one, healthy=one.members, minimum=len(one.members)) for one in facts.groups or ())
    return replace(facts, groups=groups)


def _leap() -> Plan:
    action = calm_action(
        (calm_target(),), EffectClass.REVERSIBLE, "service.scale", "replicas", {"replicas": "many"}
    )
    return calm_plan(calm_step(action))


def _moved(facts: Facts) -> Facts:
    return replace(facts, live=tuple(replace(one, generation="another") for one in facts.live or ()))


def _tried(facts: Facts) -> Facts:
    one = Try("r1", "service.restart", "incident-1", "", "no effect", automatic=True, ended_unix_nano=NOW)
    return replace(facts, tries=(one,))


CASES: dict[str, tuple[Outcome, Case]] = {
    "kill switch": (
        Outcome.DENY,
        _same(_plan(), lambda facts: replace(facts, switches=(Switch("global", "ada", NOW, "stop"),))),
    ),
    "leader": (Outcome.DENY, _same(_plan(), lambda facts: replace(facts, my_token=facts.my_token - 1))),
    "dead man": (Outcome.DENY, _same(_plan(), lambda facts: replace(facts, health=None))),
    "autonomy": (Outcome.ASK, _same(_plan(), _runbook)),
    "effect class": (Outcome.ASK, _same(_plan(1, EffectClass.DESTRUCTIVE), lambda facts: facts)),
    "identity": (Outcome.DENY, _same(_plan(origin=Origin.MODEL), lambda facts: facts)),
    "evidence quality": (
        Outcome.DENY,
        _same(_plan(), lambda facts: replace(facts, signals=(TriggerSignal("a", "b", "stale"),))),
    ),
    "context": (
        Outcome.ASK,
        _same(_plan(), lambda facts: replace(facts, context=(ContextEntry("freeze", "x", member(0)),))),
    ),
    "preconditions": (Outcome.DENY, _same(_plan(), _moved)),
    "backup": (
        Outcome.DENY,
        _same(_plan(1, EffectClass.DESTRUCTIVE), lambda facts: replace(facts, backups=())),
    ),
    "blast radius": (Outcome.ASK, _same(_plan(3), lambda facts: facts)),
    "last healthy one": (Outcome.DENY, _same(_plan(), _minimum)),
    "fleet brake": (Outcome.DENY, _same(_plan(), _ill)),
    "step and bounds": (Outcome.DENY, _same(_leap(), lambda facts: facts)),
    "budget": (Outcome.DENY, _same(_plan(), lambda facts: replace(facts, day=_EMPTY))),
    "rate": (Outcome.DENY, _same(_plan(), lambda facts: replace(facts, rate=Rate(99, 99, ())))),
    "cooldown and flapping": (
        Outcome.ASK,
        _same(_plan(), lambda facts: replace(facts, touched=(Touched(member(0), NOW - 1, 1, 0),))),
    ),
    "exclusion": (
        Outcome.DENY,
        _same(_plan(), lambda facts: replace(facts, owners=(Owner(member(0), "", "autoscaler"),))),
    ),
    "did not help": (Outcome.ASK, _same(_plan(), _tried)),
    "breaker": (Outcome.ASK, _same(_plan(), lambda facts: replace(facts, breaker_open=True))),
}
"""For each row: the mildest answer that will do, and facts under which nobody else objects as strictly."""

NAME = "each of the twenty guardrails is in force"
_HOW = "by one situation each, to which that guardrail alone objects"


def force(policy: Policy) -> Proof:
    """Each of the twenty guardrails is in force."""
    for number, (name, (least, case)) in enumerate(CASES.items(), 1):
        plan, _ = case(calm_facts(_plan(), policy.limits))
        plan, facts = case(calm_facts(plan, policy.limits))
        facts = replace(facts, approvals=(Approval("x", "ada", True, NOW, NOW + 1, "page"),))
        judgement = judge(plan, facts, policy.guardrails)
        if judgement.outcome < least:
            story = told(
                f"Facts to which number {number}, {name}, must say {least.word}.",
                objections(judgement),
                f"It says {judgement.outcome.word}: {name} is turned off or does not do what it should.",
            )
            return Proof(NAME, _HOW, number, story)
    return Proof(NAME, _HOW, len(CASES), None)
