"""Proofs: the shipped policy holds, every planted hole is found and told, and what is proved is the code."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
import z3
from tests.act.broken import BROKEN, BUDGET, CONSENT, FORCE, REACH, REFUSAL, SOUND, without

from stormpetrel.act.account import Account
from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.judge import judge
from stormpetrel.act.library import shipped
from stormpetrel.act.policy import PolicyRow, PolicyStep, row_of
from stormpetrel.act.prove import PROPERTIES, prove
from stormpetrel.act.prove_budget import admitted, any_books, budget, unknown_cost
from stormpetrel.act.prove_consent import consent, real_people
from stormpetrel.act.prove_force import CASES, force
from stormpetrel.act.prove_symbolic import Amount, Search
from stormpetrel.act.scene import NOW, calm_facts, calm_plan
from stormpetrel.model.action import Cost, EffectClass
from stormpetrel.model.facts import Purse
from stormpetrel.model.verdict import Approval, Outcome

BY_NAME = dict(zip((CONSENT, BUDGET, REACH, REFUSAL, FORCE), PROPERTIES, strict=True))


def test_the_shipped_policy_holds() -> None:
    rows = tuple(row_of(one) for one in shipped())
    proofs = list(prove(replace(SOUND, rows=rows)))
    assert [one.name for one in proofs if not one.holds] == []
    assert [one.name for one in proofs] == list(BY_NAME)
    assert all(one.cases >= 20 for one in proofs)


@pytest.mark.parametrize("name", BROKEN)
def test_every_planted_hole_is_found_and_told(name: str) -> None:
    make, falls, words = BROKEN[name]
    hole = BY_NAME[falls](make()).hole
    assert hole is not None
    story = hole.story
    assert len(story) >= 3
    assert words in " ".join(story)
    assert all(one.endswith(".") for one in story)


@pytest.mark.parametrize("number", range(1, 21))
def test_a_guardrail_that_is_turned_off_is_missed(number: int) -> None:
    proof = force(without(number))
    assert proof.name == FORCE
    assert proof.hole is not None
    assert f"number {number}," in proof.hole.story[0]


def test_each_situation_is_objected_to_by_its_guardrail_alone() -> None:
    for number, (least, case) in enumerate(CASES.values(), 1):
        plan, _ = case(calm_facts(calm_plan()))
        found = judge(*case(calm_facts(plan)))
        assert [one.number for one in found.verdicts if one.outcome >= least] == [number]
    assert list(CASES) == [one.name for one in GUARDRAILS]


def test_a_runbook_whose_words_contradict_it_is_proved_as_destructive() -> None:
    calm = PolicyRow("calm", (PolicyStep("service.restart", EffectClass.DISRUPTIVE),))
    wild = PolicyRow("wild", (PolicyStep("volume.delete", EffectClass.DESTRUCTIVE),))
    none, more = consent(SOUND).cases, consent(replace(SOUND, rows=(calm, wild))).cases
    assert more == none // 3 * 4
    story = consent(replace(without(5), rows=(wild,))).hole
    assert story is not None
    assert "wild" in story.story[0]


def test_who_really_agreed_is_told_by_other_means() -> None:
    yes = Approval("h", "ada", True, NOW, NOW + 1, "page")
    others = [
        replace(yes, approver=" ADA"), replace(yes, approver="rob"), replace(yes, approver=""),
        replace(yes, approver="b", plan_hash="x"), replace(yes, approver="c", expires_unix_nano=NOW),
        replace(yes, approver="d", agreed=False), replace(yes, approver="e", given_unix_nano=NOW + 1),
    ]  # fmt: skip
    assert real_people((yes, *others), "h") == {"ada"}


# The tie between what z3 was given and what runs ----------------------------------------------------------


def admissions() -> tuple[Search, Cost, dict[str, Purse], list[tuple[z3.BoolRef, bool]]]:
    """Every path of an admission under any books: its condition, and whether the plan passes."""
    search = Search()
    both = any_books(SOUND, search, at_work=False)
    cost = unknown_cost(search, "cost")
    paths = search.paths(lambda: admitted(SOUND, both, cost))
    ways = [(z3.And(*path.conditions), path.answer is not None) for path in paths]
    purses = {span: one.account.purse(0.0, 0) for span, one in both.items()}
    return search, cost, purses, ways


def test_the_paths_cover_everything_and_none_twice() -> None:
    search, _, _, ways = admissions()
    conditions = [condition for condition, _ in ways]
    assert search.example([z3.Not(z3.Or(*conditions))]) is None
    for k, one in enumerate(conditions):
        assert search.example([one]) is not None
        assert search.example([one, z3.Or(*conditions[:k])]) is None
    assert {passes for _, passes in ways} == {True, False}


def test_formulas_and_code_agree_on_the_whole_grid() -> None:
    """Each amount takes each of a few values around the limits; the guardrails run on plain numbers."""
    _, cost, purses, ways = admissions()
    passes = z3.Or(*[condition for condition, passed in ways if passed])
    names = [cost.spend, cost.churn, purses["hour"].spent, purses["day"].spent, purses["day"].churned]
    rest = [purses["hour"].churned, purses["hour"].reserved, purses["hour"].churn_reserved]
    grid = [(0, 1, 10, 11), (0, 40, 41), (0, 9, 10), (0, 49, 50), (0, 199, 200)]
    seen = set()
    for values in product(*grid):
        point = [*zip(names, values, strict=True), *((one, 0) for one in rest)]
        told = z3.simplify(z3.substitute(passes, *((term(one), z3.RealVal(number)) for one, number in point)))
        spend, churn, hour_spent, day_spent, day_churned = values
        plan = calm_plan(replace(calm_plan().steps[0], cost=Cost(float(spend), churn)))
        facts = replace(
            calm_facts(plan),
            hour=Purse(10.0, float(hour_spent), 0.0, 40, 0, 0),
            day=Purse(50.0, float(day_spent), 0.0, 200, day_churned, 0),
        )
        runs = judge(plan, facts).outcome is not Outcome.DENY
        assert z3.is_true(told) == runs, values
        seen.add(runs)
    assert seen == {True, False}


def term(amount: object) -> z3.ArithRef:
    assert isinstance(amount, Amount)
    return z3.simplify(amount.term)


def test_a_branch_is_followed_both_ways_and_impossible_ones_are_not() -> None:
    search = Search()
    x, y = search.number("x"), search.number("y")
    search.assume((x >= 0).formula, (y > x).formula)

    def code() -> str:
        if x + y < 0:
            return "impossible"
        if not x <= 10:
            return "large"
        return "equal" if x - y == -1 else "other" if 1 + x != 3 - y else "three"

    assert sorted(path.answer for path in search.paths(code)) == ["equal", "large", "other", "three"]


def test_what_cannot_be_followed_says_so() -> None:
    search = Search(most_paths=9)
    x = search.number("x")
    with pytest.raises(TypeError, match="meets str"):
        search.paths(lambda: x <= "a")
    with pytest.raises(TypeError):
        search.paths(lambda: hash(x))

    def endless() -> int:
        return sum(1 for k in range(9) if x == k)

    with pytest.raises(ValueError, match="paths"):
        search.paths(endless)
    assert f"{x} {x:g} {x!r}" == "? ? ?"
    assert Fraction(1, 2) == Fraction("0.5")


def test_books_hold_settle_and_release_each_run_once() -> None:
    books = Account().reserve("a", Cost(2.0, 3)).reserve("a", Cost(9.0, 9)).reserve("b", Cost(1.0, 1))
    assert books.purse(10.0, 20) == Purse(10.0, 0.0, 3.0, 20, 0, 4)
    settled = books.settle("a").settle("a").release("a")
    assert settled.purse(10.0, 20) == Purse(10.0, 2.0, 1.0, 20, 3, 1)
    assert books.release("a").settle("a").purse(10.0, 20) == Purse(10.0, 0.0, 1.0, 20, 0, 1)
    assert settled.turn().purse(10.0, 20) == Purse(10.0, 0.0, 1.0, 20, 0, 1)
    assert settled.holds("b")
    assert not settled.holds("a")


def test_the_budget_is_proved_for_other_numbers_too() -> None:
    for limits in ((0.0, 0.0, 0, 0), (1.0, 0.5, 10, 2)):
        spend_hour, spend_day, churn_hour, churn_day = limits
        numbers = replace(
            SOUND.budget,
            spend_hour=spend_hour,
            spend_day=spend_day,
            churn_hour=churn_hour,
            churn_day=churn_day,
        )
        assert budget(replace(SOUND, budget=numbers)).holds
