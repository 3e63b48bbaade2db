"""What the built-in guardrails share."""

from dataclasses import replace

import pytest
from tests.act.guardrails.table import acting_on, said, with_step

from stormpetrel.act.guardrails.rule import (
    UnknownFact,
    entities,
    groups_touched,
    known,
    listed,
    one_of,
    worst_effect,
)
from stormpetrel.act.scene import calm_facts, calm_plan, calm_target, member
from stormpetrel.model.action import EffectClass


def test_lists_are_cut_sorted_and_each_thing_is_named_once() -> None:
    assert listed(["b", "a", "b"]) == "a, b"
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdef") == "a, b, c, d, e and 1 more"
    assert listed("abc", most=1) == "a and 2 more"
    assert entities([calm_target(3), calm_target(0), calm_target(3)]) == (member(0), member(3))


def test_what_is_not_known_is_named() -> None:
    assert known(0, "a number") == 0
    assert one_of(["x"], "a row") == "x"
    with pytest.raises(UnknownFact, match=r"^a number$"):
        known(None, "a number")
    with pytest.raises(UnknownFact, match=r"^a row$"):
        one_of([], "a row")
    with pytest.raises(UnknownFact, match=r"^a row \(it is told 2 times\)$"):
        one_of(["x", "y"], "a row")
    assert said(20, breaker_open=None).reason == "not known: whether the breaker is open"


def test_groups_come_in_order_with_what_is_touched_of_them() -> None:
    plan = acting_on(0, 2)
    ((group, touched),) = groups_touched(plan, calm_facts(plan))
    assert (group.name, sorted(touched)) == ("service:shop", [member(0), member(2)])
    assert list(groups_touched(acting_on(0, effect=EffectClass.READ), calm_facts(plan))) == []


def test_the_worst_counts() -> None:
    assert worst_effect(acting_on(0, effect=EffectClass.READ)) is EffectClass.READ
    assert worst_effect(replace(calm_plan(), steps=())) is EffectClass.DESTRUCTIVE
    undo = acting_on(0, effect=EffectClass.DISRUPTIVE).steps[0].action
    assert (
        worst_effect(with_step(acting_on(0, effect=EffectClass.READ), inverse=undo)) is EffectClass.DISRUPTIVE
    )
