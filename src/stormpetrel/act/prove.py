"""Proves of a policy that the stories that must be impossible are impossible, or tells how they happen.

Four properties, and one on which they stand. Everything is proved of the guardrails, the judge, the books
and the counting of approvals as they are, by calling them; there is no second model of them that could be
right where they are wrong. What is enumerated is enumerated whole; amounts of money are left open and solved
for with z3. The proofs take the best case for a plan: since the strictest guardrail wins and none is left
out, whatever else stands against it only makes it stricter (`tests/act/test_properties.py` holds that).
Cost: some seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stormpetrel.act.policy import Policy
from stormpetrel.act.prove_budget import budget
from stormpetrel.act.prove_consent import consent, refusal
from stormpetrel.act.prove_force import force
from stormpetrel.act.prove_reach import reach
from stormpetrel.act.prove_story import Hole, Proof

__all__ = ["PROPERTIES", "Hole", "Proof", "prove"]

PROPERTIES: tuple[Callable[[Policy], Proof], ...] = (consent, budget, reach, refusal, force)


def prove(policy: Policy) -> Iterator[Proof]:
    """One proof after the other, as they come."""
    for one in PROPERTIES:
        yield one(policy)
