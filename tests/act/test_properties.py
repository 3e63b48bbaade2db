"""What holds for every plan under all facts, drawn around the edges of the guardrails."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.act.drawing import WORSE, approvals, cases, facts_for, plans

from stormpetrel.act.canonical import text
from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.judge import agreed, judge, replay
from stormpetrel.act.scene import NOW
from stormpetrel.model.action import EffectClass, Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Outcome
from stormpetrel.testing.act_cases import unknowns

BOUNDED = settings(max_examples=60, deadline=None)


@BOUNDED
@given(case=cases())
def test_the_same_is_judged_the_same_and_replays_bit_for_bit(case: tuple[Plan, Facts]) -> None:
    plan, facts = case
    found = judge(plan, facts)
    assert found == judge(plan, facts)
    assert [one.number for one in found.verdicts] == list(range(1, 21))
    assert replay(text(plan), text(facts)) == text(found)


@pytest.mark.parametrize("name", sorted(WORSE))
@BOUNDED
@given(data=st.data())
def test_worse_facts_never_make_it_milder(name: str, data: st.DataObject) -> None:
    plan = data.draw(plans())
    facts = data.draw(facts_for(plan))
    worse = WORSE[name](data.draw, plan, facts)
    before, after = judge(plan, facts), judge(plan, worse)
    assert after.outcome >= before.outcome
    for one, other in zip(before.verdicts, after.verdicts, strict=True):
        assert other.outcome >= one.outcome, (one, other)
        assert other.outcome is Outcome.DENY or other.approvers >= one.approvers


@BOUNDED
@given(case=cases(), data=st.data())
def test_unknown_facts_never_make_it_milder(case: tuple[Plan, Facts], data: st.DataObject) -> None:
    plan, facts = case
    name, less = data.draw(st.sampled_from(list(unknowns(facts))))
    before, after = judge(plan, facts), judge(plan, less)
    for one, other in zip(before.verdicts, after.verdicts, strict=True):
        assert other.outcome >= one.outcome, (name, one, other)


@BOUNDED
@given(case=cases(), given_approvals=st.lists(approvals, max_size=12))
def test_no_set_of_approvals_overrides_a_refusal(case: tuple[Plan, Facts], given_approvals: list) -> None:  # type: ignore[type-arg]  # of Approval
    plan, facts = case
    found = judge(plan, facts)
    named = [replace(one, plan_hash=found.plan_hash) for one in given_approvals]
    if found.outcome is Outcome.DENY:
        assert not agreed(found, named, NOW)
    if found.outcome is Outcome.ASK and agreed(found, named, NOW):
        people = {one.approver.strip().casefold() for one in named if one.agreed} - {plan.requester, ""}
        assert len(people) >= found.approvers >= 1


@BOUNDED
@given(case=cases())
def test_what_destroys_never_runs_by_itself(case: tuple[Plan, Facts]) -> None:
    plan, facts = case
    found = judge(plan, facts)
    if plan.effect is EffectClass.DESTRUCTIVE:
        assert found.outcome is not Outcome.ALLOW
        assert found.approvers >= 2


@BOUNDED
@given(case=cases())
def test_a_smaller_plan_is_within_bounds_and_stays(case: tuple[Plan, Facts]) -> None:
    plan, facts = case
    found = judge(plan, facts)
    again = judge(found.plan, facts)
    assert again.plan == found.plan
    assert again.outcome is found.outcome


@BOUNDED
@given(case=cases())
def test_what_may_run_scales_every_target_within_its_bounds(case: tuple[Plan, Facts]) -> None:
    found = judge(*case)
    live = {one.entity: one for one in case[1].live or ()}
    for step in found.plan.steps if found.outcome is not Outcome.DENY else ():
        to = step.action.parameter("replicas")
        for target in step.action.targets if to is not None else ():
            now = live[target.entity]
            if target.entity not in case[1].acted:
                assert now.count is not None
                assert isinstance(to, int)
                assert (now.least or 0) <= to <= (now.most or 0)
                assert abs(to - now.count) <= 4
                assert now.count <= 2 * to
                assert to <= 2 * now.count


@BOUNDED
@given(plan=plans(), data=st.data())
def test_one_guardrail_less_is_never_stricter(plan: Plan, data: st.DataObject) -> None:
    facts = data.draw(facts_for(plan))
    number = data.draw(st.integers(0, 19))
    fewer = GUARDRAILS[:number] + GUARDRAILS[number + 1 :]
    if number != 13:  # which makes plans smaller, and so others milder
        assert judge(plan, facts, fewer).outcome <= judge(plan, facts).outcome
