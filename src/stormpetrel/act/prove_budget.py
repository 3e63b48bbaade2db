"""With z3: projected spend never exceeds the budget, whatever is admitted, settled and released, and when.

By induction over the changes of the books, with amounts that are not known: as long as the books say what is
true and no budget is exceeded, that stays so after an admission that the guardrails let pass, after a
settlement, a release, the same once more, and a turn of the clock. What is true is kept beside the books, by
other means. The guardrails and the books are the real ones, run along every path; see `prove_symbolic`.
Amounts are real numbers: a rounding of floating point is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from stormpetrel.act.account import Account
from stormpetrel.act.policy import Policy
from stormpetrel.act.prove_story import Hole, Proof, told
from stormpetrel.act.prove_symbolic import Search, value
from stormpetrel.act.scene import calm_action, calm_facts, calm_plan, calm_step, calm_target
from stormpetrel.model.action import Cost
from stormpetrel.model.verdict import Outcome
from stormpetrel.ports.automation import BudgetLimits

NAME = "projected spend never exceeds the budget"
_HOW = "by induction over the books, with unknown amounts (z3), along every path of the guardrails"
_MINE, _OTHERS = "mine", "others"
_SPANS = ("hour", "day")
_KINDS = {"spend": "spend", "churn": "starts and stops"}


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really spent, and at work: of the run that is followed, and of all others."""

    spent: Cost
    mine: Cost
    others: Cost

    def total(self, kind: str) -> Any:
        """Spent and at work together."""
        return sum(getattr(one, kind) for one in (self.spent, self.mine, self.others))


@dataclass(frozen=True, slots=True)
class Books:
    """The books of one span, the truth, and the limits by kind."""

    account: Account
    truth: Truth
    limits: dict[str, float]

    def wrong(self) -> Iterator[tuple[str, Any]]:
        """What must not be, as formulas: more than the limit, or books that say less than is true."""
        purse = self.account.purse(0.0, 0)
        said = {"spend": purse.spent + purse.reserved, "churn": purse.churned + purse.churn_reserved}
        for kind in _KINDS:
            total = self.truth.total(kind)
            yield "exceeded", (total > self.limits[kind]).formula
            yield "told too little", (total > said[kind]).formula


Both = dict[str, Books]
Change = Callable[[Policy, Both, Cost], Both | None]


def admitted(policy: Policy, both: Both, cost: Cost) -> Both | None:
    """The guardrails judge a plan of this cost; None when they refuse."""
    step = calm_step(calm_action((calm_target(),)), cost=cost)
    plan = calm_plan(step)
    purses = {
        span: one.account.purse(one.limits["spend"], int(one.limits["churn"])) for span, one in both.items()
    }
    facts = replace(calm_facts(plan, policy.limits), hour=purses["hour"], day=purses["day"])
    if any(one.judge(plan, facts).outcome is Outcome.DENY for one in policy.guardrails):
        return None
    return _each(both, lambda one: one.reserve(_MINE, cost), lambda true: replace(true, mine=cost))


def settled(policy: Policy, both: Both, cost: Cost) -> Both:
    """The run has acted."""
    del policy, cost
    return _each(both, lambda one: one.settle(_MINE), _spent)


def released(policy: Policy, both: Both, cost: Cost) -> Both:
    """The run has failed before it acted."""
    del policy, cost
    return _each(both, lambda one: one.release(_MINE), lambda true: replace(true, mine=Cost()))


def twice(first: Change, second: Change) -> Change:
    """One change and another one, for the same run."""

    def both_of(policy: Policy, both: Both, cost: Cost) -> Both | None:
        between = first(policy, both, cost)
        return None if between is None else second(policy, between, cost)

    return both_of


def reserved_again(policy: Policy, both: Both, cost: Cost) -> Both:
    """The same admission is written down once more."""
    del policy, cost
    return _each(both, lambda one: one.reserve(_MINE, Cost()), lambda true: true)


def hour_turned(policy: Policy, both: Both, cost: Cost) -> Both:
    """A new hour."""
    del policy, cost
    turned = _each({"hour": both["hour"]}, lambda one: one.turn(), lambda true: replace(true, spent=Cost()))
    return {**both, **turned}


def day_turned(policy: Policy, both: Both, cost: Cost) -> Both:
    """A new day, which is a new hour too."""
    del policy, cost
    return _each(both, lambda one: one.turn(), lambda true: replace(true, spent=Cost()))


CHANGES: dict[str, tuple[bool, Change]] = {
    "a plan is admitted": (False, admitted),
    "a run is settled": (True, settled),
    "a run is released": (True, released),
    "a run is settled twice": (True, twice(settled, settled)),
    "a run is released twice": (True, twice(released, released)),
    "a run is settled, then released": (True, twice(settled, released)),
    "a run is released, then settled": (True, twice(released, settled)),
    "a run is reserved once more": (True, reserved_again),
    "a new hour begins": (True, hour_turned),
    "a new day begins": (True, day_turned),
    "a plan is admitted and its run settled": (False, twice(admitted, settled)),
    "a plan is admitted, settled, and a new hour begins": (
        False,
        twice(twice(admitted, settled), hour_turned),
    ),
}
"""Every change of the books, and whether the run that is followed is at work before it."""


def budget(policy: Policy) -> Proof:
    """Projected spend never exceeds the budget."""
    cases = 0
    for name, (at_work, change) in CHANGES.items():
        search = Search()
        before = any_books(policy, search, at_work=at_work)
        cost = unknown_cost(search, "cost")
        paths = search.paths(partial(change, policy, before, cost))
        cases += len(paths)
        for path in paths:
            for span, books in (path.answer or {}).items():
                for what, formula in books.wrong():
                    model = search.example([*path.conditions, formula])
                    if model is not None:
                        return Proof(NAME, _HOW, cases, _story(name, span, what, model, before, books))
    return Proof(NAME, _HOW, cases, None)


def unknown_cost(search: Search, name: str) -> Cost:
    """A cost of which nothing is known."""
    return Cost(search.number(name), search.number(f"{name} in churn"))


def any_books(policy: Policy, search: Search, *, at_work: bool) -> Both:
    """Any books that are right: nothing negative, true, no budget exceeded."""
    mine = unknown_cost(search, _MINE) if at_work else Cost()
    others = unknown_cost(search, _OTHERS)
    found = {}
    for span in _SPANS:
        truth = Truth(unknown_cost(search, f"{span} spent"), mine, others)
        account = replace(policy.account, spent=truth.spent).reserve(_OTHERS, others)
        account = account.reserve(_MINE, mine) if at_work else account
        found[span] = Books(account, truth, limits_of(policy.budget, span))
        for kind in _KINDS:
            parts = [getattr(one, kind) for one in (truth.spent, mine, others)]
            search.assume(*((part >= 0).formula for part in parts if not isinstance(part, int | float)))
            search.assume((truth.total(kind) <= found[span].limits[kind]).formula)
    return found


def limits_of(limits: BudgetLimits, span: str) -> dict[str, float]:
    """The limits of a span, by kind."""
    return {kind: float(getattr(limits, f"{kind}_{span}")) for kind in _KINDS}


def _each(both: Both, books: Callable[[Account], Account], true: Callable[[Truth], Truth]) -> Both:
    """Both spans changed, in the books and in truth."""
    return {
        span: replace(one, account=books(one.account), truth=true(one.truth)) for span, one in both.items()
    }


def _spent(true: Truth) -> Truth:
    spent = Cost(true.spent.spend + true.mine.spend, true.spent.churn + true.mine.churn)
    return replace(true, spent=spent, mine=Cost())


def _story(name: str, span: str, what: str, model: Any, before: Both, after: Books) -> Hole:
    """What happens, with amounts for which it does."""
    kind = next(
        one for one in _KINDS
        if value(model, after.truth.total(one)) > min(after.limits[one], _said(model, after.account, one))
    )  # fmt: skip
    was = before[span].truth
    total = value(model, after.truth.total(kind))
    end = (
        f"Now {total:g} are spent or at work, of {after.limits[kind]:g}."
        if what == "exceeded"
        else f"Now the books say {_said(model, after.account, kind):g} and {total:g} are spent or at work: "
        "as much too much will be admitted next."
    )
    return told(
        f"The {span}'s budget is {after.limits[kind]:g} ({_KINDS[kind]}): "
        f"{_of(model, was.spent, kind):g} are spent, "
        f"{_of(model, was.mine, kind) + _of(model, was.others, kind):g} are held for runs at work.",
        f"Then {name}{_priced(model, was, after, kind)}.",
        end,
    )


def _priced(model: Any, was: Truth, after: Books, kind: str) -> str:
    """The price of the run that is followed."""
    price = _of(model, was.mine, kind) or _of(model, after.truth.mine, kind)
    return f", for {price:g}" if price else ""


def _of(model: Any, cost: Cost, kind: str) -> float:
    return value(model, getattr(cost, kind))


def _said(model: Any, account: Account, kind: str) -> float:
    purse = account.purse(0.0, 0)
    total = purse.spent + purse.reserved if kind == "spend" else purse.churned + purse.churn_reserved
    return value(model, total)
