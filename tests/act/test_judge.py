"""One judgement over all guardrails: strictest wins, failures refuse, clamps are judged again, replays."""

from dataclasses import replace
from typing import Any, cast

import pytest

from stormpetrel.act.canonical import plan_hash, text
from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.judge import agreed, judge, made_smaller, replay
from stormpetrel.act.scene import NOW, SECOND, calm_action, calm_facts, calm_plan, calm_step, calm_target
from stormpetrel.model.action import Cost, EffectClass, Origin, Parameter, Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Approval, Clamp, Judgement, Outcome, Verdict


class Says:
    """Answers whatever it is told to."""

    def __init__(self, answer: Any, number: int = 21) -> None:
        self.answer, self.number, self.name = answer, number, f"number {number}"

    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        if isinstance(self.answer, Exception):
            raise self.answer
        found: Verdict = self.answer
        return found


def answer(outcome: Outcome, approvers: int = 0, **more: Any) -> Verdict:
    return Verdict(99, "somebody else", outcome, "because", approvers, **more)


def judged(*extras: Says) -> Judgement:
    plan = calm_plan()
    return judge(plan, calm_facts(plan), (*GUARDRAILS, *extras))


def test_nobody_objects_to_the_calm_plan() -> None:
    plan = calm_plan()
    found = judge(plan, calm_facts(plan))
    assert (found.outcome, found.approvers) == (Outcome.ALLOW, 0)
    assert [one.number for one in found.verdicts] == list(range(1, 21))
    assert (found.plan, found.plan_hash) == (plan, plan_hash(plan))


def test_all_are_heard_after_a_refusal() -> None:
    plan = calm_plan()
    found = judge(plan, replace(calm_facts(plan), switches=None, breaker_open=True))
    assert found.outcome is Outcome.DENY
    assert [one.number for one in found.verdicts if one.outcome is not Outcome.ALLOW] == [1, 20]
    assert len(found.verdicts) == 20


def test_no_guardrail_at_all_denies() -> None:
    plan = calm_plan()
    assert judge(plan, calm_facts(plan), ()).outcome is Outcome.DENY


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (ValueError("x" * 900), "it failed: ValueError"),
        (RecursionError("deep"), "it failed: RecursionError: deep"),
        (None, "no verdict"),
        ("allow", "no verdict"),
        (Verdict(99, "x", cast("Outcome", 0), "because"), "no verdict"),
        (answer(Outcome.ALLOW, clamps=(Clamp("restart", "x", 1, 2),)), "not change it"),
    ],
)
def test_what_fails_refuses(said: Any, reason: str) -> None:
    found = judged(Says(said))
    assert found.outcome is Outcome.DENY
    assert reason in found.verdicts[-1].reason
    assert len(found.verdicts[-1].reason) <= 500
    assert (found.verdicts[-1].number, found.verdicts[-1].guardrail) == (21, "number 21")


def test_another_guardrail_only_makes_it_stricter_and_speaks_in_its_own_name() -> None:
    assert judged(Says(answer(Outcome.ALLOW))).outcome is Outcome.ALLOW
    asks = judged(Says(answer(Outcome.ASK, 3)), Says(answer(Outcome.ASK, 1), 22))
    assert (asks.outcome, asks.approvers) == (Outcome.ASK, 3)
    assert [one.number for one in asks.verdicts[-2:]] == [21, 22]
    assert judged(Says(answer(Outcome.DENY)), Says(answer(Outcome.ALLOW), 22)).outcome is Outcome.DENY
    long = judged(Says(replace(answer(Outcome.ALLOW), reason="y" * 501)))
    assert long.verdicts[-1].reason == "y" * 500


def scaling(wanted: int) -> tuple[Plan, Facts]:
    action = calm_action(
        (calm_target(),), EffectClass.REVERSIBLE, "service.scale", "replicas", {"replicas": wanted}
    )
    plan = calm_plan(calm_step(action, cost=Cost(1.5, 3)), calm_step(calm_action((calm_target(),)), "second"))
    return plan, calm_facts(plan)


def test_a_leap_is_made_smaller_judged_again_and_told() -> None:
    plan, facts = scaling(30)
    found = judge(plan, facts)
    assert found.outcome is Outcome.ALLOW
    assert found.verdicts[13].clamps == (Clamp("restart", "replicas", 30, 8),)
    assert "8 replicas instead of 30" in found.verdicts[13].reason
    assert found.plan.steps[0].action.parameter("replicas") == 8
    assert "replicas 8 instead of 30" in found.plan.steps[0].predicted
    assert found.plan.steps[0].cost == Cost(1.5, 3)
    assert found.plan.steps[1] == plan.steps[1]
    assert found.plan_hash == plan_hash(found.plan) != plan_hash(plan)
    again = judge(found.plan, facts)
    assert (again.plan, again.outcome, again.verdicts[13].clamps) == (found.plan, Outcome.ALLOW, ())
    fitting, fitting_facts = scaling(8)
    assert judge(fitting, fitting_facts).plan == fitting


def test_all_judge_the_smaller_plan() -> None:
    plan, facts = scaling(30)

    class AtMostTen(Says):
        def judge(self, plan: Plan, facts: Facts) -> Verdict:
            wanted = plan.steps[0].action.parameter("replicas")
            assert isinstance(wanted, int)
            return answer(Outcome.DENY if wanted > 10 else Outcome.ALLOW)

    assert judge(plan, facts, (*GUARDRAILS, AtMostTen(None))).outcome is Outcome.ALLOW


def test_what_is_made_smaller_again_and_again_is_denied() -> None:
    class Halves(Says):
        def judge(self, plan: Plan, facts: Facts) -> Verdict:
            wanted = plan.steps[0].action.parameter("replicas")
            assert isinstance(wanted, int)
            return answer(Outcome.ALLOW, clamps=(Clamp("restart", "replicas", wanted, wanted // 2),))

    plan, facts = scaling(8)
    found = judge(plan, facts, (Halves(None, 14),))
    assert found.outcome is Outcome.DENY
    assert found.verdicts[0].reason.endswith(" again and again")
    assert found.verdicts[0].clamps == ()


def test_a_refusal_of_the_smaller_plan_keeps_its_own_reason() -> None:
    class Once(Says):
        def judge(self, plan: Plan, facts: Facts) -> Verdict:
            if plan.steps[0].action.parameter("replicas") == 8:
                return answer(Outcome.ALLOW, clamps=(Clamp("restart", "replicas", 8, 4),))
            return replace(answer(Outcome.DENY), reason="not even four")

    plan, facts = scaling(8)
    found = judge(plan, facts, (Once(None, 14), Says(answer(Outcome.ALLOW), 15)))
    assert found.verdicts[0].reason == "not even four"
    assert found.verdicts[1].clamps == ()
    assert found.verdicts[1].reason == "because"


def test_made_smaller_touches_one_parameter_of_one_step() -> None:
    plan, _ = scaling(8)
    given = (*plan.steps[0].action.parameters, Parameter("other", 8, Origin.RUNBOOK, validated=True))
    step = replace(plan.steps[0], action=replace(plan.steps[0].action, parameters=given))
    twin = replace(step, step_id="twin")
    found = made_smaller(replace(plan, steps=(step, twin)), (Clamp("restart", "replicas", 8, 5),))
    assert [one.value for one in found.steps[0].action.parameters] == [5, 8]
    assert found.steps[1] == twin
    both = (Clamp("restart", "replicas", 8, 5), Clamp("restart", "other", 8, 6))
    predicted = made_smaller(replace(plan, steps=(step,)), both).steps[0].predicted
    assert predicted.endswith("(made smaller: replicas 5 instead of 8, other 6 instead of 8)")


def test_a_plan_without_canonical_text_is_denied() -> None:
    step = calm_step(calm_action((calm_target(),)), cost=Cost(float("nan"), 0))
    plan = calm_plan(step)
    found = judge(plan, calm_facts(plan), (Says(answer(Outcome.ALLOW)),))
    assert (found.outcome, found.plan_hash) == (Outcome.DENY, "")
    assert [one.number for one in found.verdicts] == [0, 21]
    assert not agreed(found, [yes("ada", ""), yes("bob", "")], NOW)


def test_a_replay_is_the_same_bit_for_bit() -> None:
    for plan, facts in (scaling(30), (calm_plan(), replace(calm_facts(calm_plan()), owners=None))):
        assert replay(text(plan), text(facts)) == text(judge(plan, facts))
    plan, facts = scaling(5)
    one = (Says(answer(Outcome.ASK, 2)),)
    assert replay(text(plan), text(facts), one) == text(judge(plan, facts, one))
    with pytest.raises(ValueError, match="validation"):
        replay("{}", text(facts))


def yes(
    who: str, plan_hash: str = "h", *, agreed: bool = True, given: int = -1, expires: int = 900
) -> Approval:
    return Approval(plan_hash, who, agreed, NOW + given * SECOND, NOW + expires * SECOND, "page")


def asking(approvers: int, outcome: Outcome = Outcome.ASK, requester: str = "petrel") -> Judgement:
    plan = calm_plan(requester=requester)
    return Judgement(plan, "h", (Verdict(5, "effect class", outcome, "x", approvers),))


@pytest.mark.parametrize(
    ("approvers", "given", "enough"),
    [
        (1, [], False),
        (1, [yes("ada")], True),
        (0, [], False),
        (2, [yes("ada")], False),
        (2, [yes("ada"), yes("bob")], True),
        (2, [yes("ada"), yes("ada")], False),
        (2, [yes("ada"), yes(" ADA ")], False),
        (2, [yes("ada"), yes("petrel")], False),
        (2, [yes("ada"), yes("")], False),
        (2, [yes("ada"), yes("bob", "another")], False),
        (2, [yes("ada"), yes("bob", expires=0)], False),
        (2, [yes("ada"), yes("bob", given=3600)], False),
        (1, [yes("ada", given=60)], True),
        (1, [yes("ada", given=61)], False),
        (2, [yes("ada"), yes("bob"), yes("eve", agreed=False)], False),
        (2, [yes("ada"), yes("bob"), yes("eve", "another", agreed=False)], True),
    ],
)
def test_agreed(approvers: int, given: list[Approval], enough: bool) -> None:
    assert agreed(asking(approvers), given, NOW) is enough


def test_nobody_outvotes_a_refusal_and_nobody_is_needed_where_it_is_allowed() -> None:
    everybody = [yes(name) for name in ("ada", "bob", "eve", "kim")]
    assert not agreed(asking(0, Outcome.DENY), everybody, NOW)
    assert agreed(asking(0, Outcome.ALLOW), [], NOW)
    assert not agreed(Judgement(calm_plan(), "h", ()), everybody, NOW)


def test_one_no_stops_what_is_allowed_while_it_counts() -> None:
    no = yes("eve", agreed=False)
    assert not agreed(asking(0, Outcome.ALLOW), [yes("ada"), no], NOW)
    assert agreed(asking(0, Outcome.ALLOW), [no], NOW + 900 * SECOND)
    assert agreed(asking(0, Outcome.ALLOW), [yes("eve", "another", agreed=False)], NOW)


def test_an_answer_may_have_counted_at_an_earlier_moment_instead() -> None:
    over = [yes("ada", expires=10)]
    later = NOW + 20 * SECOND
    assert not agreed(asking(1), over, later)
    assert agreed(asking(1), over, later, NOW)
    assert not agreed(asking(1), over, later, NOW + 10 * SECOND)
    assert agreed(asking(1), [yes("ada", given=15, expires=900)], later, NOW - 90 * SECOND)
