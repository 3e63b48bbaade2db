"""Every installed guardrail keeps the contract; and the suite notices guardrails that do not."""

import itertools
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import pytest

from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Clamp, Outcome, Verdict
from stormpetrel.ports.algorithms import Guardrail
from stormpetrel.testing import check_guardrail as suite

POINTS = sorted(entry_points(group="stormpetrel.guardrails"), key=lambda point: point.name)


def test_the_table_is_in_order_and_comes_in_by_the_same_door() -> None:
    assert [one.number for one in GUARDRAILS] == list(range(1, 21))
    assert len({one.name for one in GUARDRAILS}) == 20
    assert {point.load() for point in POINTS} >= {type(one) for one in GUARDRAILS}


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_contract(point: EntryPoint, check: Callable[[Guardrail], None]) -> None:
    check(point.load()())


class Mine:
    """A guardrail as somebody might write it, and keep the contract."""

    number = 21
    name = "not on Fridays"

    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        outcome = Outcome.DENY if facts.health is None else Outcome.ALLOW
        return Verdict(self.number, self.name, outcome, f"{len(plan.steps)} steps")


class Raises(Mine):
    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        assert facts.live is not None
        return super().judge(plan, facts)


class Trusting(Mine):
    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        outcome = Outcome.ALLOW if facts.hour is None else Outcome.DENY
        return Verdict(self.number, self.name, outcome, "x")


class Moody(Mine):
    counter = itertools.count()

    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        return Verdict(self.number, self.name, Outcome(next(self.counter) % 2 * 2), "x")


class Endless(Mine):
    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        return Verdict(self.number, self.name, Outcome.DENY, "x" * 501)


class Changing(Mine):
    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        return Verdict(self.number, self.name, Outcome.ALLOW, "x", clamps=(Clamp("a", "b", 1, 2),))


class AsksNobody(Mine):
    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        return Verdict(self.number, self.name, Outcome.ASK, "x")


def test_a_guardrail_of_somebody_else() -> None:
    suite.check_guardrail(Mine())


@pytest.mark.parametrize(
    ("guardrail", "sentence"),
    [
        (Raises(), "never raises"),
        (Trusting(), "nothing milder"),
        (Moody(), "same verdict"),
        (Endless(), "bounded"),
        (Changing(), "make a plan smaller"),
        (AsksNobody(), "where it asks"),
    ],
)
def test_the_suite_notices(guardrail: Guardrail, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        suite.check_guardrail(guardrail)
