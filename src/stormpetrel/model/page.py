"""Pages: whether an incident wakes somebody, and why it does or does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from stormpetrel.model.finding import Severity


class PageDecision(StrEnum):
    """What was decided of an incident. Held is not lost: it is listed, ranked, and looked at again."""

    PAGED = "paged"
    HELD = "held"
    NOT_A_CANDIDATE = "not_a_candidate"


class PageAccount(StrEnum):
    """Who pays for a page: the learned budget, an objective's burn alert, a person, or nobody: not yet, or
    because it was sent for another incident, of which this one was a part or which is a part of this one."""

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


def carried_over(page: Page, incident_id: str) -> Page:
    """The decision on one incident for another that was a part of it, or that it becomes a part of.

    Whoever was woken was woken for this one too: no page is sent, and nobody pays for it again. It has no
    rank, or one trouble would count as two candidates.
    """
    if page.decision is not PageDecision.PAGED:
        return page
    said = "" if page.account is PageAccount.NONE else f"together with {incident_id}: "
    return replace(page, account=PageAccount.NONE, rank=0, reason=f"{said}{page.reason}")
