"""The contract of `ports.algorithms.Guardrail`, executed: give it a guardrail.

Each check raises `AssertionError` with the sentence of the contract that does not hold. A guardrail's own
test calls `check_guardrail(MyGuardrail())`; the twenty built-in ones go through the same door.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Outcome, Verdict
from stormpetrel.ports.algorithms import Guardrail
from stormpetrel.testing.act_cases import sample_facts, unknowns
from stormpetrel.testing.require import require

MOST_REASON = 500
_CLAMPING = 14


def _answer(guardrail: Guardrail, plan: Plan, facts: Facts) -> Verdict:
    try:
        found: object = guardrail.judge(plan, facts)
    except Exception as error:  # none may leave a guardrail, whichever it is
        raise AssertionError(f"a guardrail never raises, this one did: {error!r}") from error
    if not isinstance(found, Verdict):
        raise AssertionError(f"a guardrail answers with a verdict, not with {type(found).__name__}")
    return found


def check_shape(guardrail: Guardrail) -> None:
    """Number, name, a bounded reason, approvers where it asks and only there."""
    require(guardrail.number >= 1, "a guardrail has a number from 1 on")
    require(0 < len(guardrail.name) <= 60, "a guardrail has a short name")
    for name, plan, facts in sample_facts():
        found = _answer(guardrail, plan, facts)
        require(0 < len(found.reason) <= MOST_REASON, f"a reason is one bounded sentence ({name})")
        require((found.approvers > 0) == (found.outcome is Outcome.ASK), f"approvers where it asks ({name})")
        require(not found.clamps or guardrail.number == _CLAMPING, "only number 14 may make a plan smaller")


def check_deterministic(guardrail: Guardrail) -> None:
    """The same plan and facts give the same verdict, whatever was asked in between."""
    cases = list(sample_facts())
    first = [_answer(guardrail, plan, facts) for _, plan, facts in cases]
    again = [_answer(guardrail, plan, facts) for _, plan, facts in reversed(cases)]
    require(first == again[::-1], "same plan, same facts, same verdict")


def check_unknown(guardrail: Guardrail) -> None:
    """What is not known never makes the answer milder, and never makes it raise."""
    for name, plan, facts in sample_facts():
        known = _answer(guardrail, plan, facts)
        for hole, less in unknowns(facts):
            found = _answer(guardrail, plan, less)
            require(found.outcome >= known.outcome, f"not knowing {hole} makes nothing milder ({name})")


def check_total(guardrail: Guardrail) -> None:
    """It answers when nothing at all is known, and when rows of facts are empty or told twice."""
    for _, plan, facts in sample_facts():
        for less in (_without_rows(facts), _twice(facts)):
            _answer(guardrail, plan, less)
        nothing = facts
        for _, less in unknowns(facts):
            nothing = replace(nothing, **_those(less, lambda value: value is None))
        _answer(guardrail, plan, nothing)


def _slots(facts: Facts) -> list[tuple[str, Any]]:
    return [(name, getattr(facts, name)) for name in facts.__slots__]


def _those(facts: Facts, which: Callable[[Any], bool]) -> dict[str, Any]:
    return {name: value for name, value in _slots(facts) if which(value)}


def _without_rows(facts: Facts) -> Facts:
    rows = _those(facts, lambda value: isinstance(value, tuple))
    empty: dict[str, Any] = dict.fromkeys(rows, ())
    return replace(facts, **empty)


def _twice(facts: Facts) -> Facts:
    rows = _those(facts, lambda value: isinstance(value, tuple))
    return replace(facts, **{name: value + value for name, value in rows.items()})


CHECKS: tuple[Callable[[Guardrail], None], ...] = (
    check_shape,
    check_deterministic,
    check_unknown,
    check_total,
)


def check_guardrail(guardrail: Guardrail) -> None:
    """Run the whole contract; AssertionError names the sentence broken."""
    for check in CHECKS:
        check(guardrail)
