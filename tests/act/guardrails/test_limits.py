"""Guardrails 15 to 20: budget, rate, cooldown, owners, what did not help, the breaker."""

from dataclasses import replace
from typing import Any

import pytest
from tests.act.guardrails.table import ALLOW, ASK, DENY, acting_on, limited, said, with_action, with_step

from stormpetrel.act.scene import GROUP, NOW, RUNBOOK, SECOND, calm_action, calm_plan, calm_target, member
from stormpetrel.model.action import Cost, EffectClass
from stormpetrel.model.facts import Owner, Purse, Rate, Touched, Try
from stormpetrel.model.verdict import Outcome

COSTLY = acting_on(0, cost=Cost(2.0, 3))


@pytest.mark.parametrize(
    ("purse", "outcome"),
    [
        (Purse(10.0, 5.0, 3.0, 50, 0, 0), ALLOW),
        (Purse(10.0, 5.0, 3.1, 50, 0, 0), DENY),
        (Purse(9.9, 5.0, 3.0, 50, 0, 0), DENY),
        (Purse(2.0, 0.0, 0.0, 3, 0, 0), ALLOW),
        (Purse(10.0, 0.0, 0.0, 50, 40, 7), ALLOW),
        (Purse(10.0, 0.0, 0.0, 50, 40, 8), DENY),
        (Purse(10.0, -1.0, 0.0, 50, 0, 0), DENY),
        (Purse(10.0, 0.0, -1.0, 50, 0, 0), DENY),
        (Purse(10.0, 0.0, 0.0, 50, -1, 0), DENY),
        (Purse(10.0, 0.0, 0.0, 50, 0, -1), DENY),
        (Purse(float("nan"), 0.0, 0.0, 50, 0, 0), DENY),
        (Purse(10.0, float("nan"), 0.0, 50, 0, 0), DENY),
        (None, DENY),
    ],
)
def test_15_budget(purse: Purse | None, outcome: Outcome) -> None:
    hour, day = said(15, COSTLY, hour=purse), said(15, COSTLY, day=purse)
    assert (hour.outcome, day.outcome) == (outcome, outcome)
    assert outcome is ALLOW or (hour.reason[-4:], day.reason[-4:]) == ("hour", " day")


@pytest.mark.parametrize(
    ("cost", "outcome"),
    [
        (Cost(10.0, 50), ALLOW),
        (Cost(10.1, 0), DENY),
        (Cost(0.0, 51), DENY),
        (Cost(0.0, 0), ALLOW),
        (Cost(-0.1, 0), DENY),
        (Cost(0.0, -1), DENY),
        (Cost(float("nan"), 0), DENY),
        (Cost(float("inf"), 0), DENY),
    ],
)
def test_15_cost(cost: Cost, outcome: Outcome) -> None:
    assert said(15, acting_on(0, cost=cost)).outcome is outcome


def test_15_no_step_pays_for_another() -> None:
    first = COSTLY.steps[0]
    second = replace(first, step_id="b", cost=Cost(9.0, 0))
    refund = replace(first, step_id="c", cost=Cost(-5.0, 0))
    assert said(15, calm_plan(first, second)).outcome is DENY
    assert said(15, calm_plan(first, second, refund)).outcome is DENY
    assert said(15, calm_plan(first, replace(second, cost=Cost(8.0, 0)))).outcome is ALLOW


@pytest.mark.parametrize(
    ("rate", "outcome"),
    [
        (Rate(2, 9, ()), ALLOW),
        (Rate(3, 3, ()), DENY),
        (Rate(0, 10, ()), DENY),
        (Rate(0, 0, (member(1),)), ALLOW),
        (Rate(0, 0, (member(1), member(0))), DENY),
        (None, DENY),
    ],
)
def test_16_rate(rate: Rate | None, outcome: Outcome) -> None:
    assert said(16, rate=rate).outcome is outcome


def test_16_says_how_often_and_takes_its_numbers() -> None:
    assert f"{RUNBOOK} ran 3 times" in said(16, rate=Rate(3, 3, ())).reason
    assert "run 3 of this runbook and 6 of all" in said(16, rate=Rate(2, 5, ())).reason
    assert limited(16, limits={"runs_per_runbook_hour": 1}, rate=Rate(1, 1, ())).outcome is DENY
    assert limited(16, limits={"runs_per_hour": 1}, rate=Rate(0, 1, ())).outcome is DENY
    undone = with_step(calm_plan(), inverse=calm_action((calm_target(2),)))
    assert said(16, undone, rate=Rate(0, 0, (member(2),))).outcome is DENY


def touched(
    seconds: float, in_a_row: int = 1, reversals: int = 0, entity: str = member(0)
) -> tuple[Touched, ...]:
    return (Touched(entity, NOW - int(seconds * SECOND), in_a_row, reversals),)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (touched(600), ALLOW),
        (touched(599), ASK),
        (touched(599, entity=member(1)), ALLOW),
        (touched(600, 2), ASK),
        (touched(1199, 2), ASK),
        (touched(1200, 2), ALLOW),
        (touched(2399, 3), ASK),
        (touched(2400, 3), ALLOW),
        (touched(599, 0), ASK),
        (touched(600, 0), ALLOW),
        (touched(-1), ASK),
        (touched(600 * 2**16 - 1, 900), ASK),
        (touched(600 * 2**16, 900), ALLOW),
        (touched(600 * 2**16 - 1, 17), ASK),
        (touched(600 * 2**15, 16), ALLOW),
        (touched(1e6, 1, 1), ALLOW),
        (touched(1e6, 1, 2), ASK),
        ((Touched(member(0), 0, 0, 0),), ALLOW),
        ((Touched(member(0), 1, 1, 0),), ALLOW),
        ((Touched(member(0), 0, 9, 2),), ASK),
        ((*touched(5e6), *touched(5)), ASK),
        ((), ALLOW),
        (None, DENY),
    ],
)
def test_17_cooldown(given: Any, outcome: Outcome) -> None:
    assert said(17, touched=given).outcome is outcome


def test_17_just_after_the_epoch_counts_as_acted_on() -> None:
    found = said(17, now_unix_nano=100 * SECOND, touched=(Touched(member(0), 1, 1, 0),))
    assert found.outcome is ASK


def test_17_reading_is_no_acting_and_the_numbers_count() -> None:
    look = acting_on(0, effect=EffectClass.READ)
    assert said(17, look, touched=touched(5)).outcome is ALLOW
    never = (Touched(member(0), 0, 0, 0),)
    assert limited(17, limits={"cooldown_seconds": 4e9}, touched=never).outcome is ALLOW
    assert limited(17, limits={"cooldown_seconds": 5.0}, touched=touched(5)).outcome is ALLOW
    assert limited(17, limits={"reversals_per_hour": 1}, touched=touched(1e6, 1, 1)).outcome is ASK


@pytest.mark.parametrize(
    ("owner", "outcome"),
    [
        (Owner(member(0), "", "run:other"), DENY),
        (Owner(member(0), "", "run:plan-1"), ALLOW),
        (Owner(member(0), "process", "operator"), DENY),
        (Owner(member(0), "replicas", "autoscaler"), ALLOW),
        (Owner(member(1), "", "run:other"), ALLOW),
        (None, DENY),
    ],
)
def test_18_exclusion(owner: Owner | None, outcome: Outcome) -> None:
    owners = None if owner is None else (Owner(member(7), "", "x"), owner)
    assert said(18, owners=owners).outcome is outcome


def test_18_whole_targets_undoing_and_reading() -> None:
    mine = (Owner(member(0), "replicas", "autoscaler"),)
    assert said(18, with_action(calm_plan(), field=""), owners=mine).outcome is DENY
    own = Owner(member(0), "", "run:plan-1")
    assert said(18, owners=(own, Owner(member(0), "", "run:other"))).outcome is DENY
    undo = calm_action((calm_target(),), field="replicas")
    assert said(18, with_step(calm_plan(), inverse=undo), owners=mine).outcome is DENY
    look = with_action(acting_on(0, effect=EffectClass.READ), field="replicas")
    assert said(18, look, owners=mine).outcome is ALLOW
    assert said(18, owners=(Owner(member(0), "", "run:"),), run_id="").outcome is DENY


def tried(
    result: str = "no effect", run: str = "r1", action: str = "service.restart", incident: str = "incident-1",
    cause: str = "saturation host:shop-00",
) -> Try:  # fmt: skip
    return Try(run, action, incident, cause, result, automatic=True, ended_unix_nano=NOW - SECOND)


@pytest.mark.parametrize(
    ("tries", "outcome"),
    [
        ((), ALLOW),
        ((tried("fixed"),), ALLOW),
        ((tried("no effect"),), ASK),
        ((tried("worse"),), ASK),
        ((tried("inconclusive"),), ASK),
        ((tried("a result of tomorrow"),), ASK),
        ((tried(action="service.stop"),), ALLOW),
        ((tried(incident="other"),), ALLOW),
        ((tried(incident="other"), tried(incident="third", run="r2")), ASK),
        ((tried(incident="other"), tried(incident="other", action="x")), ALLOW),
        ((tried(incident="other"), tried("fixed", incident="third", run="r2")), ALLOW),
        ((tried(incident="other"), tried(incident="third", run="r2", cause="")), ALLOW),
        ((tried(incident="other"), tried(incident="third", run="r2", action="x")), ALLOW),
        ((tried("fixed"), tried("fixed", "r2")), ALLOW),
        ((tried("fixed"), tried("fixed", "r2"), tried("fixed", "r3", "x")), DENY),
        ((tried("fixed"), tried("fixed", "r2"), tried("fixed", "r2", "x")), ALLOW),
        ((tried("fixed"), tried("fixed", "r2"), tried("fixed", "plan-1")), ALLOW),
        ((tried("fixed"), tried("fixed", "r2"), tried("fixed", "r3", incident="other")), ALLOW),
        ((tried(run="plan-1"),), ALLOW),
        ((tried(run="plan-1", incident="other"), tried(run="r2", incident="other")), ALLOW),
        (None, DENY),
    ],
)
def test_19_did_not_help(tries: Any, outcome: Outcome) -> None:
    assert said(19, tries=tries).outcome is outcome


def test_19_causes_numbers_and_reading() -> None:
    nameless = replace(calm_plan(), cause="")
    elsewhere = (tried(incident="other", cause=""), tried(incident="third", run="r2", cause=""))
    assert said(19, nameless, tries=elsewhere).outcome is ALLOW
    many = (tried(), tried(run="r2"), tried(run="r3"))
    assert said(19, acting_on(0, effect=EffectClass.READ), tries=many).outcome is ALLOW
    assert limited(19, limits={"tries_per_incident": 1}, tries=(tried("fixed"),)).outcome is DENY
    one = (tried(incident="other"),)
    assert limited(19, limits={"no_effect_tries": 1}, tries=one).outcome is ASK
    assert "1 times" in limited(19, limits={"no_effect_tries": 1}, tries=one).reason


@pytest.mark.parametrize(("open_", "outcome"), [(False, ALLOW), (True, ASK), (None, DENY)])
def test_20_breaker(open_: bool | None, outcome: Outcome) -> None:
    assert said(20, breaker_open=open_).outcome is outcome
    assert GROUP
