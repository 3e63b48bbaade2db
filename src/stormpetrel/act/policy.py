"""A policy: everything that decides what automation may do, as one value that can be proved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stormpetrel.act.account import Account
from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.words import effect_of
from stormpetrel.model.action import EffectClass, Origin, Parameter
from stormpetrel.model.agreement import agreed
from stormpetrel.model.facts import Limits
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.verdict import Approval, Judgement
from stormpetrel.ports.algorithms import Guardrail
from stormpetrel.ports.automation import BudgetLimits

Agreed = Callable[[Judgement, Iterable[Approval], int], bool]


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """A step as far as a policy is concerned: what is done, and the class it is judged by."""

    kind: str
    effect: EffectClass
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A runbook as far as a policy is concerned."""

    name: str
    steps: tuple[PolicyStep, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is proved.

    Attributes:
        limits: the numbers of the guardrails in force.
        budget: what may be spent and churned.
        rows: the runbooks; three of the worst kind are always looked at besides.
        guardrails: those that judge, in order.
        agreed: what decides whether enough people agreed.
        account: empty books of the kind in use.
        caps: what the numbers of `limits` may not be looser than.
    """

    limits: Limits
    budget: BudgetLimits
    rows: tuple[PolicyRow, ...] = ()
    guardrails: tuple[Guardrail, ...] = GUARDRAILS
    agreed: Agreed = agreed
    account: Account = field(default_factory=Account)
    caps: Limits = field(default_factory=Limits)


def row_of(runbook: Runbook) -> PolicyRow:
    """A runbook's row: what its steps declare, against what their literal parameters say."""
    steps = []
    for one in runbook.steps:
        given = tuple(
            Parameter(spec.name, spec.literal, Origin.RUNBOOK, validated=True)
            for spec in one.parameters
            if spec.literal is not None
        )
        steps.append(PolicyStep(one.kind, effect_of(one.effect, given), given))
    return PolicyRow(runbook.name, tuple(steps))
