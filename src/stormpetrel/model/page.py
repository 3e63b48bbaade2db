"""Pages: whether an incident wakes somebody, and why it does or does not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.finding import Severity


class PageDecision(StrEnum):
    """What was decided of an incident. Held is not lost: it is listed, ranked, and looked at again."""

    PAGED = "paged"
    HELD = "held"
    NOT_A_CANDIDATE = "not_a_candidate"


class PageAccount(StrEnum):
    """Who pays for a page: the learned budget, an objective's burn alert, a person, or nobody (yet)."""

    BUDGET = "budget"
    SLO = "slo"
    BY_HAND = "by_hand"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Page:
    """The page decision of one incident, kept with it.

    Attributes:
        decision: paged, held or not a candidate. Paged is final.
        account: whose page it is; only `BUDGET` counts against the pages a week.
        time_unix_nano: when this was decided.
        reason: one sentence with the numbers that decided.
        tier: the severity it is ranked as: its own, or higher where the evidence is strong.
        strength: how much evidence, about -log10 of the chance that all of it is noise.
        bar: the strength that was asked of it then; 0 where none was asked.
        rank: its place among the candidates of the seven days before, 1 is the strongest; 0: not ranked.
    """

    decision: PageDecision
    account: PageAccount
    time_unix_nano: int
    reason: str
    tier: Severity = Severity.WARNING
    strength: float = 0.0
    bar: float = 0.0
    rank: int = 0
