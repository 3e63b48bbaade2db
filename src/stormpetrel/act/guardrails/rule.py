"""What the built-in guardrails share: how they say yes and no, and how they look facts up.

Every comparison is written so that it must hold for the plan to pass: NaN compares with nothing, and refuses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, TypeVar

from stormpetrel.act.words import action_effect
from stormpetrel.model.action import Action, EffectClass, Plan, Step, Target
from stormpetrel.model.facts import Facts, Group
from stormpetrel.model.verdict import Outcome, Verdict

T = TypeVar("T")


class UnknownFact(Exception):  # noqa: N818 it is not an error: it is an answer, and it never leaves `Rule.judge`
    """A fact that a guardrail needs could not be found out; the text names it."""


class Rule(ABC):
    """One built-in guardrail: `decide` says what follows from what is known; the unknown is refused here.

    Attributes:
        number: its row in the table.
        name: in the ledger, on the page.
    """

    number: ClassVar[int]
    name: ClassVar[str]

    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        """Its verdict; a fact that is not known is a refusal that names it."""
        try:
            return self.decide(plan, facts)
        except UnknownFact as unknown:
            return self.deny(f"not known: {unknown}")

    @abstractmethod
    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """As `judge`; may raise `UnknownFact`."""

    def allow(self, reason: str) -> Verdict:
        """Nothing against it."""
        return Verdict(self.number, self.name, Outcome.ALLOW, reason)

    def ask(self, reason: str, approvers: int = 1) -> Verdict:
        """So many different people have to agree."""
        return Verdict(self.number, self.name, Outcome.ASK, reason, approvers)

    def deny(self, reason: str, *, page: bool = False, replan: bool = False) -> Verdict:
        """It must not be; nobody can outvote this."""
        return Verdict(self.number, self.name, Outcome.DENY, reason, page=page, replan=replan)


def known(value: T | None, what: str) -> T:
    """The value; UnknownFact with `what` when there is none."""
    if value is None:
        raise UnknownFact(what)
    return value


def one_of(found: Iterable[T], what: str) -> T:
    """The only one; UnknownFact when there is none, or more than one and so no telling which."""
    every = list(found)
    if len(every) != 1:
        raise UnknownFact(what if not every else f"{what} (it is told {len(every)} times)")
    return every[0]


def acts(action: Action) -> bool:
    """Whether it changes anything, by what it says and not only by what it declares."""
    return action_effect(action) is not EffectClass.READ


def acting_steps(plan: Plan) -> Iterator[Step]:
    """The steps that change something."""
    return (step for step in plan.steps if acts(step.action))


def every_target(plan: Plan) -> Iterator[Target]:
    """Each target as often as it is named, also by what would undo a step."""
    for step in plan.steps:
        yield from step.action.targets
        if step.inverse is not None:
            yield from step.inverse.targets


def entities(targets: Iterable[Target]) -> tuple[str, ...]:
    """Their names, each once, sorted."""
    return tuple(sorted({one.entity for one in targets}))


def acted_on(plan: Plan) -> dict[str, Target]:
    """What the plan changes, by entity."""
    return {one.entity: one for step in acting_steps(plan) for one in step.action.targets}


def worst_effect(plan: Plan) -> EffectClass:
    """The worst that the plan can do, undoing included; a plan of nothing counts as the worst."""
    found = [action_effect(step.action) for step in plan.steps]
    found += [action_effect(step.inverse) for step in plan.steps if step.inverse is not None]
    return max(found, default=EffectClass.DESTRUCTIVE)


def groups_touched(plan: Plan, facts: Facts) -> Iterator[tuple[Group, frozenset[str]]]:
    """Each group that the plan changes members of, with these members, in order of name."""
    touched: dict[str, set[str]] = {}
    for entity, target in acted_on(plan).items():
        touched.setdefault(target.group, set()).add(entity)
    if not touched:
        return
    groups = known(facts.groups, "the groups")
    for name, members in sorted(touched.items()):
        group = one_of((one for one in groups if one.name == name), f"the group {name}")
        strangers = members - set(group.members)
        if strangers:
            raise UnknownFact(f"whether {min(strangers)} belongs to {name}")
        yield group, frozenset(members)


def others_busy(group: Group, facts: Facts) -> frozenset[str]:
    """Members that other runs act on just now: to many plans at once each member is the first."""
    return frozenset(known(facts.rate, "whom other runs act on").busy) & frozenset(group.members)


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names for a sentence, cut to what one reads."""
    every = sorted(set(names))
    rest = len(every) - most
    return ", ".join(every[:most]) + (f" and {rest} more" if rest > 0 else "")
