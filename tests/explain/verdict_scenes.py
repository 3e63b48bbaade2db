"""Verdicts to try things on."""

from __future__ import annotations

from collections.abc import Sequence

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import CauseOutcome, CauseVerdict, ToldCause, ToldDiagnosis

MARCH = 1_773_000_000_000_000_000  # 8 March 2026


def told(*entities: str, found: bool = True, certainty: float = 0.7, at: int = MARCH) -> ToldDiagnosis:
    """A ranking of these entities."""
    causes = tuple(ToldCause(entity, CauseClass.DEPLOY, 5.0 - place) for place, entity in enumerate(entities))
    return ToldDiagnosis(at, found, certainty, causes)


def verdict(
    outcome: CauseOutcome,
    entity: str = "",
    ranking: ToldDiagnosis | None = None,
    ruled_out: Sequence[str] = (),
    number: int = 1,
) -> CauseVerdict:
    """A verdict on the ranking a, b, c, d."""
    ranking = told("a", "b", "c", "d") if ranking is None else ranking
    return CauseVerdict(
        f"i{number}", MARCH, number, outcome, entity, "", tuple(ruled_out), ranking, "jo", MARCH + number
    )
