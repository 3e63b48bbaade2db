"""Guardrails 7 to 10: evidence, context, preconditions, backups."""

from dataclasses import replace
from typing import Any

import pytest
from tests.act.guardrails.table import (
    ALLOW,
    ASK,
    DENY,
    acting_on,
    limited,
    said,
    standing,
    with_action,
    with_step,
    with_target,
)

from stormpetrel.act.guardrails.preconditions import ill_made
from stormpetrel.act.scene import (
    NOW,
    SECOND,
    calm_action,
    calm_facts,
    calm_plan,
    calm_step,
    calm_target,
    member,
)
from stormpetrel.model.action import EffectClass, Plan
from stormpetrel.model.facts import Backup, ContextEntry, TriggerSignal
from stormpetrel.model.verdict import Outcome


def signals(*states: str, one_source: bool = False) -> tuple[TriggerSignal, ...]:
    return tuple(
        TriggerSignal(f"s{number}", "same" if one_source else f"source{number}", state)
        for number, state in enumerate(states)
    )


@pytest.mark.parametrize(
    ("given", "burns", "outcome"),
    [
        (signals("fresh", "fresh"), False, ALLOW),
        (signals("fresh", "fresh", one_source=True), False, DENY),
        (signals("fresh", "fresh", one_source=True), True, ALLOW),
        (signals("fresh"), False, DENY),
        (signals("fresh"), True, ALLOW),
        (signals("fresh", "fresh"), True, ALLOW),
        (signals("fresh", "fresh", "stale"), True, DENY),
        (signals("gapped", "fresh", "fresh"), True, DENY),
        (signals("fresh", "quarantined"), True, DENY),
        (signals("fresh", "fresh", "unknown"), True, DENY),
        (signals("fresh", "fresh", "a state of tomorrow"), True, DENY),
        ((), True, DENY),
        (None, True, DENY),
        (signals("fresh", "fresh"), None, DENY),
    ],
)
def test_7_signals(given: Any, burns: Any, outcome: Outcome) -> None:
    assert said(7, signals=given, objective_burns=burns).outcome is outcome


@pytest.mark.parametrize(
    ("confidence", "outcome"),
    [(0.5, ALLOW), (0.4999, ASK), (1.0, ALLOW), (1.01, ASK), (0.0, ASK), (float("nan"), ASK), (None, DENY)],
)
def test_7_certainty(confidence: Any, outcome: Outcome) -> None:
    assert said(7, confidence=confidence).outcome is outcome


def test_7_needs_the_floor_and_takes_the_number() -> None:
    assert said(7, runbook=None).outcome is DENY
    assert limited(7, limits={"independent_signals": 3}).outcome is DENY
    assert limited(7, limits={"independent_signals": 1}, signals=signals("fresh")).outcome is ALLOW


@pytest.mark.parametrize("kind", ["freeze", "maintenance", "expected_job", "deploy", "a kind of tomorrow"])
def test_8_context(kind: str) -> None:
    found = said(8, context=(ContextEntry(kind, "a title", member(3)),))
    assert (found.outcome, found.approvers) == (ASK, 1)
    assert "a title" in found.reason


def test_8_unknown_and_empty() -> None:
    assert said(8, context=None).outcome is DENY
    assert said(8, context=()).outcome is ALLOW
    assert said(8, context=()).reason.startswith("no freeze")
    back = acting_on(0, kind="deployment.rollback", change="c1")
    assert "that very deploy" not in said(8, back, context=()).reason
    assert "very deploy" in said(8, back, context=(deploy(),)).reason


def deploy(entity: str = member(0), change_id: str = "c1", kind: str = "deploy") -> ContextEntry:
    return ContextEntry(kind, "deploy 1", entity, change_id)


@pytest.mark.parametrize(
    ("plan", "entries", "outcome"),
    [
        (acting_on(0, kind="deployment.rollback", change="c1"), (deploy(),), ALLOW),
        (acting_on(0, kind="deployment.rollback", change="c2"), (deploy(),), ASK),
        (acting_on(0, kind="deployment.rollback"), (deploy(),), ASK),
        (acting_on(0, kind="deployment.rollback"), (deploy(change_id=""),), ASK),
        (acting_on(0, kind="deployment.rollback", change=""), (deploy(change_id=""),), ASK),
        (acting_on(0, kind="deployment.restart", change="c1"), (deploy(),), ASK),
        (acting_on(0, kind="deployment.rollback", change="c1"), (deploy(entity=member(1)),), ASK),
        (acting_on(0, 1, kind="deployment.rollback", change="c1"), (deploy(),), ASK),
        (acting_on(0, kind="deployment.rollback", change="c1"), (deploy(kind="freeze"),), ASK),
        (acting_on(0, kind="deployment.rollback", change="c1"), (deploy(), deploy(kind="freeze")), ASK),
        (acting_on(0, kind="x.rollback", change="c1", effect=EffectClass.READ), (deploy(),), ASK),
    ],
)
def test_8_rolling_back_that_very_deploy(
    plan: Plan, entries: tuple[ContextEntry, ...], outcome: Outcome
) -> None:
    assert said(8, plan, context=entries).outcome is outcome


def test_8_a_second_act_ends_the_exemption() -> None:
    back = calm_step(calm_action((calm_target(),), kind="deployment.rollback", parameters={"change": "c1"}))
    more = calm_step(calm_action((calm_target(),)), "more")
    look = calm_step(calm_action((calm_target(1),), EffectClass.READ, "diagnostics.collect"), "look")
    assert said(8, calm_plan(back, more), context=(deploy(),)).outcome is ASK
    assert said(8, calm_plan(look, back), context=(deploy(),)).outcome is ALLOW


@pytest.mark.parametrize(
    ("field", "value", "replan"),
    [
        ("exists", False, True),
        ("exists", None, False),
        ("generation", "g2", True),
        ("generation", None, False),
        ("symptom_fires", False, True),
        ("symptom_fires", None, False),
        ("entity", "host:another", False),
    ],
)
def test_9_preconditions(field: str, value: Any, replan: bool) -> None:
    plan = acting_on(0, 1)
    facts = calm_facts(plan)
    found = said(9, plan, live=standing(facts, **{field: value}))
    assert (found.outcome, found.replan) == (DENY, replan)
    assert said(9, plan, live=standing(facts, **{field: value}), acted=(member(0),)).outcome is ALLOW
    assert said(9, plan, live=standing(facts, **{field: value}), acted=(member(1),)).outcome is DENY


def test_9_what_was_acted_on_does_not_hide_the_rest() -> None:
    plan = acting_on(0, 1)
    live = calm_facts(plan).live or ()
    moved = (live[0], replace(live[1], generation="g2"))
    assert said(9, plan, live=moved, acted=(member(0),)).replan


def test_9_unknown_and_twice_told() -> None:
    facts = calm_facts(calm_plan())
    assert facts.live is not None
    assert said(9).outcome is ALLOW
    assert said(9, live=None).outcome is DENY
    assert said(9, live=()).outcome is DENY
    assert "2 times" in said(9, live=facts.live * 2).reason


def test_9_a_target_of_the_undoing_is_looked_at_too() -> None:
    plan = with_step(acting_on(0), inverse=calm_action((replace(calm_target(), generation="g9"),)))
    assert "two ways" in said(9, plan).reason
    plan = with_step(acting_on(0), inverse=calm_action((calm_target(),)))
    assert said(9, plan).outcome is ALLOW


def test_9_what_undoes_an_act_names_no_generation() -> None:
    bare = replace(calm_target(), generation="")
    plan = with_step(acting_on(0), inverse=calm_action((bare,)))
    assert ill_made(plan) == ""
    assert said(9, plan).outcome is ALLOW
    assert "two ways" in ill_made(with_step(plan, inverse=calm_action((replace(bare, stateful=True),))))


def test_9_ill_made_plans() -> None:
    plan = calm_plan()
    step = plan.steps[0]
    assert ill_made(plan) == ""
    assert said(9, replace(plan, steps=())).outcome is DENY
    assert "no steps" in ill_made(replace(plan, steps=()))
    assert "one name" in ill_made(replace(plan, steps=(step, step)))
    assert ill_made(calm_plan(step, replace(step, step_id="second"))) == ""
    assert "no target" in ill_made(with_action(plan, targets=()))
    other = replace(step, step_id="second", action=with_target(plan, stateful=True).steps[0].action)
    assert "two ways" in ill_made(replace(plan, steps=(step, other)))
    stranger = replace(step, inverse=calm_action((calm_target(4),)))
    assert "does not" in ill_made(replace(plan, steps=(stranger,)))


def backup(age: int = 600 * SECOND, verified: int = 60 * SECOND, objective: float = 3600.0) -> Backup:
    return Backup(member(0), NOW - age, NOW - verified, objective)


HOUR = 3600 * SECOND


@pytest.mark.parametrize(
    ("backups", "outcome"),
    [
        ((backup(),), ALLOW),
        ((backup(age=HOUR - 1),), ALLOW),
        ((backup(age=HOUR),), DENY),
        ((backup(age=0, verified=0),), ALLOW),
        ((backup(age=-1, verified=-1),), DENY),
        ((backup(age=-1, verified=0),), DENY),
        ((backup(verified=-1),), DENY),
        ((backup(age=60 * SECOND, verified=60 * SECOND),), ALLOW),
        ((backup(age=60 * SECOND, verified=60 * SECOND + 1),), DENY),
        ((Backup(member(0), NOW - 1, 0, 3600.0),), DENY),
        ((Backup(member(0), 0, NOW, 1e11),), DENY),
        ((Backup(member(0), 1, NOW, 4e9),), ALLOW),
        ((backup(objective=0.0, age=0, verified=0),), DENY),
        ((backup(objective=0.5, age=0, verified=0),), ALLOW),
        ((backup(objective=float("nan")),), DENY),
        ((backup(objective=float("inf")),), DENY),
        ((backup(age=HOUR), backup()), ALLOW),
        ((replace(backup(), entity=member(1)),), DENY),
        ((), DENY),
        (None, DENY),
    ],
)
def test_10_backup(backups: Any, outcome: Outcome) -> None:
    assert said(10, acting_on(0, stateful=True), backups=backups).outcome is outcome


@pytest.mark.parametrize(
    ("effect", "stateful", "needed"),
    [
        (EffectClass.READ, True, False),
        (EffectClass.REVERSIBLE, True, False),
        (EffectClass.DISRUPTIVE, False, False),
        (EffectClass.DISRUPTIVE, True, True),
        (EffectClass.DISRUPTIVE, None, True),
        (EffectClass.DESTRUCTIVE, False, True),
        (EffectClass.DESTRUCTIVE, True, True),
    ],
)
def test_10_whose_state_is_in_danger(effect: EffectClass, stateful: bool | None, needed: bool) -> None:
    plan = acting_on(0, effect=effect, stateful=stateful)
    assert said(10, plan, backups=()).outcome is (DENY if needed else ALLOW)
    assert said(10, plan, backups=None).outcome is (DENY if needed else ALLOW)
    calm = acting_on(0, effect=EffectClass.READ, stateful=stateful)
    undone = with_step(calm, inverse=plan.steps[0].action)
    assert said(10, undone, backups=()).outcome is (DENY if needed else ALLOW)


def test_10_every_target_needs_one() -> None:
    plan = acting_on(0, 1, stateful=True)
    assert said(10, plan, backups=(backup(),)).outcome is DENY
    assert said(10, plan, backups=(backup(), replace(backup(), entity=member(1)))).outcome is ALLOW
