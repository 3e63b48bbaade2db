"""Plans and facts for the contract suite of guardrails: the best case, and each way not to know a thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from stormpetrel.act.scene import calm_action, calm_facts, calm_plan, calm_step, calm_target
from stormpetrel.model.action import EffectClass, Plan
from stormpetrel.model.facts import Facts

# What has a default stays as it is: it is not a fact that could be unknown.
_NEVER_UNKNOWN = frozenset({"now_unix_nano", "limits", "run_id", "me", "my_token", "notes", "acted"})


def sample_plans() -> Iterator[tuple[str, Plan]]:
    """Plans of every kind of effect, of several targets and steps, of scaling, and of nothing."""
    yield "restart", calm_plan()
    for effect in EffectClass:
        for stateful in (None, True, False):
            action = calm_action((calm_target(0, stateful),), effect)
            yield f"{effect.word} {stateful}", calm_plan(calm_step(action))
    many = calm_action(tuple(calm_target(number) for number in range(4)))
    yield "four at once", calm_plan(calm_step(many, wave=4))
    for wanted in (0, 3, 6, 40):
        scale = calm_action(
            (calm_target(),), EffectClass.REVERSIBLE, "service.scale", "replicas", {"replicas": wanted}
        )
        yield f"scale to {wanted}", calm_plan(calm_step(scale))
    words = calm_action((calm_target(),), EffectClass.READ, "command.run", "", {"command": "rm -rf /"})
    yield "words", calm_plan(calm_step(words))
    yield (
        "two steps",
        calm_plan(calm_step(many, "first"), calm_step(calm_action((calm_target(5),)), "second")),
    )
    yield "nothing", replace(calm_plan(), steps=())


def sample_facts() -> Iterator[tuple[str, Plan, Facts]]:
    """Each plan under facts that nobody objects to, in groups of several sizes."""
    for name, plan in sample_plans():
        for size in (1, 2, 10):
            yield f"{name}, group of {size}", plan, calm_facts(plan, size=size)


def unknowns(facts: Facts) -> Iterator[tuple[str, Facts]]:
    """The facts with each single thing unknown: whole facts, and what they hold."""
    for one in fields(facts):
        if one.name in _NEVER_UNKNOWN:
            continue
        hole: dict[str, Any] = {one.name: None}
        yield one.name, replace(facts, **hole)
    if facts.health is not None:
        for name, health in _holes(facts.health):
            yield f"health.{name}", replace(facts, health=health)
    for number, live in enumerate(facts.live or ()):
        for name, less in _holes(live):
            rows = list(facts.live or ())
            rows[number] = less
            yield f"live.{name}", replace(facts, live=tuple(rows))


def _holes(value: Any) -> Iterator[tuple[str, Any]]:
    """A frozen value with each of its fields that may be None set to None."""
    for one in fields(value) if is_dataclass(value) else ():
        if "None" in str(one.type):
            yield one.name, replace(value, **{one.name: None})
