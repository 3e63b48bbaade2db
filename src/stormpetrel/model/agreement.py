"""Whether enough people agreed to a plan."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Approval, Judgement, Outcome

_SLACK = from_seconds(60.0)  # two machines' clocks differ a little


def same_person(name: str) -> str:
    """A name as people are told apart by: `Jo`, `jo ` and full-width letters are one person.

    >>> same_person(" Jo"), same_person("ＪＯ")
    ('jo', 'jo')
    """
    return unicodedata.normalize("NFKC", name).strip().casefold()


def agreed(
    judgement: Judgement, approvals: Iterable[Approval], now_unix_nano: int, *earlier_unix_nano: int
) -> bool:
    """Whether a plan may go on by what people said: one that asks has the yes of enough different people.

    Counts who named exactly this plan's hash, has not let it expire and is not its requester. One valid no
    outweighs every yes, and the guardrails too: a plan that is allowed needs nobody's yes, and stops at a no.
    A plan that is denied is never agreed to.

    Args:
        judgement: of the plan; asks for at least one person even where it names no number.
        approvals: of any plan, in any order.
        now_unix_nano: the moment; approvals from further ahead than a minute do not count.
        earlier_unix_nano: moments at which an answer may have counted instead.
    """
    if judgement.outcome is Outcome.DENY:
        return False
    good = [
        one
        for one in approvals
        if one.plan_hash == judgement.plan_hash
        and any(
            one.given_unix_nano - _SLACK <= moment < one.expires_unix_nano
            for moment in (now_unix_nano, *earlier_unix_nano)
        )
    ]
    if any(not one.agreed for one in good):
        return False
    if judgement.outcome is Outcome.ALLOW:
        return True
    requester = same_person(judgement.plan.requester)
    people = {same_person(one.approver) for one in good} - {requester, ""}
    return len(people) >= max(1, judgement.approvers)
