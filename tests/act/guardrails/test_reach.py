"""Guardrails 11 to 14: how much is touched, what remains, shared causes, scaling."""

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
    with_target,
)

from stormpetrel.act.scene import (
    GROUP,
    calm_action,
    calm_facts,
    calm_group,
    calm_plan,
    calm_step,
    calm_target,
    member,
)
from stormpetrel.model.action import EffectClass, Plan
from stormpetrel.model.facts import Group, Rate
from stormpetrel.model.verdict import Clamp, Outcome


@pytest.mark.parametrize(
    ("size", "touched", "outcome"),
    [
        (1, 1, ALLOW),
        (2, 1, ALLOW),
        (2, 2, DENY),
        (3, 1, ALLOW),
        (3, 2, DENY),
        (4, 2, ASK),
        (5, 1, ALLOW),
        (5, 2, ASK),
        (5, 3, DENY),
        (9, 2, ASK),
        (10, 2, ALLOW),
        (10, 3, ASK),
        (10, 5, ASK),
        (10, 6, DENY),
        (15, 3, ALLOW),
        (35, 7, ALLOW),
        (35, 8, ASK),
    ],
)
def test_11_share_of_a_group(size: int, touched: int, outcome: Outcome) -> None:
    plan = acting_on(*range(touched))
    found = said(11, plan, groups=(calm_group(size),))
    assert found.outcome is outcome
    assert outcome is ALLOW or f"{touched} of the {size}" in found.reason


@pytest.mark.parametrize(
    ("touched", "wave", "outcome"),
    [(3, 0, ALLOW), (4, 0, ASK), (4, 3, ALLOW), (4, 4, ASK), (3, 9, ALLOW), (4, 1, ALLOW), (4, -1, ASK)],
)
def test_11_at_once(touched: int, wave: int, outcome: Outcome) -> None:
    assert said(11, acting_on(*range(touched), wave=wave), groups=(calm_group(40),)).outcome is outcome


def test_11_reading_touches_nothing_and_one_alone_has_no_radius() -> None:
    look = acting_on(*range(9), effect=EffectClass.READ, wave=0)
    assert said(11, look, groups=None).outcome is ALLOW
    lone = Group(GROUP, (member(0),), (), 1, quorum=1, zones=(("a", (member(0),)), ("b", ())))
    assert said(11, groups=(lone,)).outcome is ALLOW


@pytest.mark.parametrize(
    ("size", "busy", "outcome"), [(10, 1, ALLOW), (10, 2, ASK), (10, 4, ASK), (10, 5, DENY), (3, 1, DENY)]
)
def test_11_counts_what_other_runs_act_on(size: int, busy: int, outcome: Outcome) -> None:
    held = (*(member(1 + number) for number in range(busy)), "host:of-another-group", member(0))
    found = said(11, groups=(calm_group(size),), rate=Rate(0, 0, held))
    assert found.outcome is outcome
    assert said(11, groups=(calm_group(size),), rate=None).outcome is DENY


@pytest.mark.parametrize(("busy", "outcome"), [(2, ALLOW), (3, DENY)])
def test_12_counts_what_other_runs_act_on_as_gone(busy: int, outcome: Outcome) -> None:
    held = tuple(member(9 - number) for number in range(busy))
    group = calm_group(10, healthy=10, minimum=7)
    live = tuple(replace(one, healthy=True) for one in calm_facts(acting_on(0)).live or ())
    found = said(12, acting_on(0), groups=(group,), live=live, rate=Rate(0, 0, held))
    assert found.outcome is outcome


def two_groups(*more: int) -> Plan:
    """Acts on a member that stands alone in a group, first by name, and on members of the other."""
    alone = replace(calm_target(90), group="a-lone-one")
    targets = (alone, *(calm_target(number) for number in more))
    return calm_plan(calm_step(calm_action(targets)))


LONE = Group("a-lone-one", (member(90),), (), 0)


@pytest.mark.parametrize(
    ("number", "group", "outcome"),
    [
        (11, calm_group(4), ASK),
        (11, calm_group(3), DENY),
        (12, replace(calm_group(10, 10), minimum=9), DENY),
        (13, calm_group(10, 4), DENY),
    ],
)
def test_every_group_is_looked_at(number: int, group: Group, outcome: Outcome) -> None:
    assert said(number, two_groups(0, 1), groups=(LONE, group)).outcome is outcome
    assert said(number, two_groups(0, 1), groups=(group, LONE)).outcome is outcome
    assert said(number, two_groups(), groups=(LONE,)).outcome is ALLOW


def zoned(*zones: tuple[int, ...], healthy: tuple[int, ...] = tuple(range(20)), quorum: int = 0) -> Group:
    group = calm_group(20)
    told = tuple((f"z{k}", tuple(member(n) for n in zone)) for k, zone in enumerate(zones))
    return replace(group, healthy=tuple(member(n) for n in healthy), zones=told, quorum=quorum)


@pytest.mark.parametrize(
    ("group", "outcome"),
    [
        (zoned((0, 1), (2, 3)), ASK),
        (zoned((0, 1)), ALLOW),
        (zoned((0, 1, 2), (3, 4)), ALLOW),
        (zoned((0, 1, 2), (3, 4), healthy=(0, 1, 3, 4)), ASK),
        (zoned((0, 1, 2), (3, 4), healthy=(2, 3, 4)), ALLOW),
        (zoned((2, 3), (4, 5), healthy=(0, 1)), ALLOW),
        (zoned(quorum=18), ALLOW),
        (zoned(quorum=19), ASK),
        (zoned(quorum=3, healthy=(0, 1, 2, 3)), ASK),
        (zoned(quorum=2, healthy=(0, 1, 2, 3)), ALLOW),
    ],
)
def test_11_zones_and_quorum(group: Group, outcome: Outcome) -> None:
    assert said(11, acting_on(0, 1), groups=(group,)).outcome is outcome


def test_11_says_every_objection_and_takes_its_numbers() -> None:
    found = said(11, acting_on(*range(5), wave=5), groups=(replace(calm_group(), quorum=6),))
    assert found.outcome is ASK
    assert "at once" in found.reason
    assert "5 of the 10" in found.reason
    assert "quorum" in found.reason
    assert [one.split()[0] for one in found.reason.split("; ")] == ["step", "it", "5"]
    assert limited(11, acting_on(0, 1), {"group_ratio": 0.19}).outcome is ASK
    assert limited(11, acting_on(0, 1), {"group_deny_ratio": 0.19}).outcome is DENY
    assert limited(11, acting_on(0, 1, wave=2), {"targets_at_once": 1}).outcome is ASK


@pytest.mark.parametrize("number", [11, 12, 13])
def test_groups_must_be_known(number: int) -> None:
    assert said(number, groups=None).outcome is DENY
    assert said(number, groups=()).outcome is DENY
    assert said(number, groups=(calm_group(), calm_group())).outcome is DENY
    assert said(number, with_target(calm_plan(), entity="host:stranger")).outcome is DENY
    assert said(number, groups=(replace(calm_group(), name="other"), calm_group())).outcome is ALLOW
    assert said(number, replace(calm_plan(), steps=()), groups=None).outcome is ALLOW


def with_minimum(minimum: int, healthy: tuple[int, ...], size: int = 10) -> tuple[Group, ...]:
    return (replace(calm_group(size), healthy=tuple(member(n) for n in healthy), minimum=minimum),)


@pytest.mark.parametrize(
    ("groups", "live", "outcome"),
    [
        (with_minimum(3, (0, 1, 2, 3)), True, ALLOW),
        (with_minimum(4, (0, 1, 2, 3)), True, DENY),
        (with_minimum(4, (1, 2, 3)), False, ALLOW),
        (with_minimum(4, (1, 2, 3)), True, DENY),
        (with_minimum(4, (0, 1, 2, 3)), False, DENY),
        (with_minimum(4, (1, 2, 3)), None, DENY),
        (with_minimum(0, (0,), 1), True, ALLOW),
        (with_minimum(1, (0,), 1), True, DENY),
        (with_minimum(1, (), 1), False, ALLOW),
    ],
)
def test_12_last_healthy(groups: tuple[Group, ...], live: bool | None, outcome: Outcome) -> None:
    plan = calm_plan()
    now = standing(calm_facts(plan), healthy=live)
    assert said(12, plan, groups=groups, live=now).outcome is outcome


def test_12_what_was_acted_on_counts_as_it_is() -> None:
    plan = acting_on(0, 1)
    groups = with_minimum(3, (0, 1, 2, 3))
    assert said(12, plan, groups=groups).outcome is DENY
    assert said(12, plan, groups=groups, acted=(member(0),)).outcome is ALLOW
    assert said(12, plan, groups=with_minimum(3, (1, 2, 3)), acted=(member(0),)).outcome is DENY
    unseen = with_minimum(3, (2, 3, 4))
    assert said(12, plan, groups=unseen, live=None).outcome is DENY
    assert said(12, plan, groups=unseen, live=()).outcome is DENY


@pytest.mark.parametrize(
    ("size", "healthy", "outcome"),
    [
        (1, 0, ALLOW),
        (2, 2, ALLOW),
        (2, 1, DENY),
        (3, 2, ALLOW),
        (3, 1, DENY),
        (5, 3, ALLOW),
        (5, 2, DENY),
        (10, 6, ALLOW),
        (10, 5, DENY),
    ],
)
def test_13_fleet_brake(size: int, healthy: int, outcome: Outcome) -> None:
    found = said(13, groups=(calm_group(size, healthy),))
    assert (found.outcome, found.page) == (outcome, outcome is DENY)


def test_13_takes_its_number_and_trusts_members_only() -> None:
    assert limited(13, limits={"fleet_brake_ratio": 0.09}).outcome is DENY
    strangers = replace(calm_group(4, 0), healthy=("a", "b", "c", "d"))
    assert said(13, groups=(strangers,)).outcome is DENY


def scaling(wanted: Any, kind: str = "service.scale", **stands: Any) -> tuple[Plan, Any]:
    plan = acting_on(0, kind=kind, replicas=wanted)
    return plan, standing(calm_facts(plan), **stands)


@pytest.mark.parametrize(
    ("count", "wanted", "outcome", "to"),
    [
        (4, 8, ALLOW, None),
        (4, 9, ALLOW, 8),
        (3, 6, ALLOW, None),
        (3, 7, ALLOW, 6),
        (10, 14, ALLOW, None),
        (10, 15, ALLOW, 14),
        (18, 20, ALLOW, None),
        (18, 22, ALLOW, 20),
        (20, 22, DENY, None),
        (1, 2, ALLOW, None),
        (1, 3, ALLOW, 2),
        (0, 1, DENY, None),
        (4, 4, ALLOW, None),
        (0, 0, DENY, None),
        (21, 21, DENY, None),
        (4, 2, ALLOW, None),
        (4, 1, ALLOW, 2),
        (5, 2, ALLOW, 3),
        (10, 6, ALLOW, None),
        (10, 5, ALLOW, 6),
        (2, 1, ALLOW, None),
        (2, 0, ALLOW, 1),
        (1, 0, DENY, None),
        (24, 20, ALLOW, None),
        (25, 20, DENY, None),
        (22, 30, DENY, None),
    ],
)
def test_14_steps_and_bounds(count: int, wanted: int, outcome: Outcome, to: int | None) -> None:
    plan, live = scaling(wanted, count=count)
    found = said(14, plan, live=live)
    assert found.outcome is outcome
    assert found.clamps == (() if to is None else (Clamp("restart", "replicas", wanted, to),))
    assert to is None or f"{to} replicas instead of {wanted}" in found.reason


@pytest.mark.parametrize("field", ["count", "least", "most", "inputs_known"])
def test_14_needs_to_know(field: str) -> None:
    hole: dict[str, Any] = {field: None}
    plan, live = scaling(5, **hole)
    found = said(14, plan, live=live)
    assert found.outcome is DENY
    assert "not known" in found.reason
    assert said(14, plan, live=live, acted=(member(0),)).outcome is ALLOW


@pytest.mark.parametrize(("wanted", "outcome"), [(5, ALLOW), (4, ALLOW), (3, DENY)])
def test_14_no_scaling_in_in_the_dark(wanted: int, outcome: Outcome) -> None:
    plan, live = scaling(wanted, inputs_known=False)
    assert said(14, plan, live=live).outcome is outcome


@pytest.mark.parametrize("wanted", [5.0, "5", True])
def test_14_a_number_is_a_number(wanted: Any) -> None:
    plan, live = scaling(wanted)
    assert said(14, plan, live=live).outcome is DENY


def test_14_what_scales() -> None:
    assert said(14, acting_on(0, kind="service.scale")).outcome is DENY
    field = with_action(acting_on(0, replicas=50), field="replicas")
    assert said(14, field).clamps == (Clamp("restart", "replicas", 50, 8),)
    assert said(14, acting_on(0, kind="service.rescaled", replicas=50)).clamps == ()
    assert said(14, live=None).outcome is ALLOW
    assert said(14, scaling(5)[0], live=None).outcome is DENY
    assert said(14, scaling(5)[0], live=()).outcome is DENY


def test_14_one_number_for_several_targets_suits_all() -> None:
    plan = acting_on(0, 1, kind="service.scale", replicas=12)
    facts = calm_facts(plan)
    assert said(14, plan, live=standing(facts, count=6)).clamps[0].to == 8
    assert said(14, plan, live=standing(facts, count=3)).clamps[0].to == 6
    assert said(14, plan, live=standing(facts, most=3)).outcome is DENY
    down = acting_on(0, 1, kind="service.scale", replicas=1)
    assert said(14, down, live=standing(calm_facts(down), count=8)).clamps[0].to == 4
    mixed = acting_on(0, 1, kind="service.scale", replicas=9)
    for counts in ((4, 5), (5, 4)):
        stands = tuple(replace(one, count=k) for one, k in zip(facts.live or (), counts, strict=True))
        assert said(14, mixed, live=stands).clamps[0].to == 8
    apart = tuple(replace(one, count=k) for one, k in zip(facts.live or (), (2, 20), strict=True))
    assert "no one number" in said(14, mixed, live=apart).reason
    assert said(14, mixed, live=apart).outcome is DENY
    for counts in ((1, 5), (2, 5)):  # what is near enough for one would leap for the other, or grow it
        stands = tuple(replace(one, count=k) for one, k in zip(facts.live or (), counts, strict=True))
        for wanted in (1, 2):
            fewer = acting_on(0, 1, kind="service.scale", replicas=wanted)
            assert said(14, fewer, live=stands).reason == (
                "step restart: no one number of replicas suits all its targets"
            )
    both = acting_on(0, 1, kind="service.scale", replicas=5)
    assert said(14, both, live=standing(calm_facts(both), count=7)).outcome is ALLOW


def test_14_takes_its_numbers_and_every_step() -> None:
    first, second = scaling(5)[0].steps[0], replace(scaling(9)[0].steps[0], step_id="more")
    plan = calm_plan(first, second)
    assert [one.step_id for one in said(14, plan).clamps] == ["more"]
    leaps = said(14, calm_plan(second, replace(second, step_id="again"))).reason
    assert leaps.endswith("step more: 8 replicas instead of 9, step again: 8 replicas instead of 9")
    calm = replace(acting_on(0).steps[0], step_id="calm")
    assert [one.step_id for one in said(14, calm_plan(calm, second)).clamps] == ["more"]
    pair = acting_on(0, 1, kind="service.scale", replicas=9)
    assert said(14, pair, acted=(member(0),)).clamps[0].to == 8
    assert limited(14, scaling(8)[0], {"scale_step": 2}).clamps[0].to == 6
    assert limited(14, scaling(8)[0], {"scale_factor": 1.5}).clamps[0].to == 6
    assert limited(14, scaling(1)[0], {"scale_factor": 1.5}).clamps[0].to == 3
    plan, live = scaling(9, count=3)
    assert limited(14, plan, {"scale_factor": 1.5}, live=live).clamps[0].to == 4
    assert said(14, calm_plan(first)).reason == "no step leaps or leaves its bounds"
