"""What a proof says: the property, how far it was looked at, and where it fails, as a story."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stormpetrel.model.verdict import Judgement, Outcome


@dataclass(frozen=True, slots=True)
class Hole:
    """One way to what must never be: what happens, in order, as sentences."""

    story: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of one property.

    Attributes:
        name: the property, as a sentence.
        how: by what it was established, and over what.
        cases: how many cases were looked at, or paths followed.
        hole: where it fails; None: nowhere.
    """

    name: str
    how: str
    cases: int
    hole: Hole | None

    @property
    def holds(self) -> bool:
        """Whether no hole was found."""
        return self.hole is None


def objections(judgement: Judgement) -> str:
    """Who objects, for a story."""
    found = [
        f"{one.number} {one.guardrail} says {one.outcome.word}"
        for one in judgement.verdicts
        if one.outcome is not Outcome.ALLOW
    ]
    return f"The guardrails: {', '.join(found) if found else 'none objects'}."


def told(*sentences: str) -> Hole:
    """A hole from its sentences; empty ones are left out."""
    return Hole(tuple(one for one in sentences if one))


def names(people: Iterable[str]) -> str:
    """People for a story."""
    every = list(people)
    return f"{', '.join(every)} agree{'s' if len(every) == 1 else ''}." if every else "Nobody is asked."
