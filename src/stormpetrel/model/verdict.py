"""Verdicts: what each guardrail says of a plan, and what follows from all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from stormpetrel.model.action import Plan, Scalar


class Outcome(IntEnum):
    """What a guardrail says, the mildest first. `DENY` cannot be outvoted."""

    ALLOW = 0
    ASK = 1
    DENY = 2

    @property
    def word(self) -> str:
        """The name in the ledger and on the page."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Clamp:
    """A parameter that a guardrail made smaller: the plan goes on with `to`, under another hash."""

    step_id: str
    parameter: str
    was: Scalar
    to: Scalar


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guardrail says of one plan.

    Attributes:
        number, guardrail: which one, as in the table of the specification.
        outcome: allow, ask or deny.
        reason: one sentence with the numbers it stands on.
        approvers: how many different people must agree; 0 unless it asks.
        page: whether somebody is to be woken by this refusal.
        replan: the plan is stale: a new one may pass.
        clamps: what it makes smaller.
    """

    number: int
    guardrail: str
    outcome: Outcome
    reason: str
    approvers: int = 0
    page: bool = False
    replan: bool = False
    clamps: tuple[Clamp, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all guardrails say of a plan; `verdicts` in their order, none left out.

    Attributes:
        plan: as judged: with what was clamped.
        plan_hash: of that plan; approvals name it.
    """

    plan: Plan
    plan_hash: str
    verdicts: tuple[Verdict, ...]

    @property
    def outcome(self) -> Outcome:
        """The strictest; without any verdict nothing is allowed."""
        return max((one.outcome for one in self.verdicts), default=Outcome.DENY)

    @property
    def approvers(self) -> int:
        """How many different people must agree before it may run."""
        return max((one.approvers for one in self.verdicts), default=0)


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes or no to one plan.

    Attributes:
        plan_hash: of exactly the plan that was shown.
        approver: the person's name.
        agreed: yes or no.
        given_unix_nano, expires_unix_nano: when, and until when it counts.
        channel: "page", "api", "link" or "cli".
        reason: the person's words, may be empty.
    """

    plan_hash: str
    approver: str
    agreed: bool
    given_unix_nano: int
    expires_unix_nano: int
    channel: str
    reason: str = ""
