"""Whether limits were ever exceeded, worked out from the ledger and nothing else.

It knows nothing of the store's tables: what is held, charged and owned follows from the entries `reserved`
and `settled` alone. So it judges the store, or the ledger of an installation after the fact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stormpetrel.model.facts import Group, Limits
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.automation import BudgetLimits

_HOUR = from_seconds(3600.0)
_DAY = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Hold:
    """What one run holds, or was charged when it ended at `ended_unix_nano`."""

    run_id: str
    runbook: str
    spend: float
    churn: int
    entities: frozenset[str]
    ready_unix_nano: int
    ended_unix_nano: int = 0
    acted: bool = False


@dataclass
class LedgerBalance:
    """The state of all limits after some entries.

    Args:
        budget, limits: those that must hold.
        groups: of which at most a part may be acted on at once.
    """

    budget: BudgetLimits
    limits: Limits = field(default_factory=Limits)
    groups: Sequence[Group] = ()
    held: dict[str, Hold] = field(default_factory=dict)
    charged: list[Hold] = field(default_factory=list)

    def take(self, entry: LedgerEntry) -> list[str]:
        """Go on by one entry; what is exceeded after it, in words."""
        body = json.loads(entry.body)
        if entry.kind is EntryKind.RESERVED:
            entities = frozenset(one for one, _ in body["locks"])
            self.held[entry.run_id] = Hold(
                entry.run_id, entry.runbook, body["spend"], body["churn"], entities, body["ready_unix_nano"]
            )
            return [f"{entry.seq}: {said}" for said in self._exceeded(entry.time_unix_nano)]
        if entry.kind is EntryKind.SETTLED:
            was = self.held.pop(entry.run_id)
            self.charged.append(
                Hold(
                    was.run_id, was.runbook, body["spend"], body["churn"], was.entities, was.ready_unix_nano,
                    body["ended_unix_nano"], body["acted"],
                )
            )  # fmt: skip
        return []

    def spent(self, since_unix_nano: int) -> tuple[float, int]:
        """Charged to runs that ended since: spend and churn."""
        ended = [one for one in self.charged if one.ended_unix_nano >= since_unix_nano]
        return math.fsum(one.spend for one in ended), sum(one.churn for one in ended)

    def reserved(self) -> tuple[float, int]:
        """Held just now: spend and churn."""
        held = self.held.values()
        return math.fsum(one.spend for one in held), sum(one.churn for one in held)

    def _exceeded(self, now_unix_nano: int) -> Iterable[str]:
        spend, churn = self.reserved()
        for name, length, most_spend, most_churn in (
            ("hour", _HOUR, self.budget.spend_hour, self.budget.churn_hour),
            ("day", _DAY, self.budget.spend_day, self.budget.churn_day),
        ):
            spent, churned = self.spent(now_unix_nano - now_unix_nano % length)
            if spend + spent > most_spend + 1e-9 or churn + churned > most_churn:
                yield f"the {name}'s budget: {spend + spent:g} spent, {churn + churned} started and stopped"
        yield from self._rates(now_unix_nano)
        yield from self._targets()

    def _rates(self, now_unix_nano: int) -> Iterable[str]:
        counted = [*self.held.values(), *(one for one in self.charged if one.acted)]
        began = [one.runbook for one in counted if one.ready_unix_nano > now_unix_nano - _HOUR]
        if len(began) > self.limits.runs_per_hour:
            yield f"{len(began)} runs within an hour"
        for runbook in sorted(set(began)):
            if began.count(runbook) > self.limits.runs_per_runbook_hour:
                yield f"{began.count(runbook)} runs of {runbook} within an hour"

    def _targets(self) -> Iterable[str]:
        owned = [entity for one in self.held.values() for entity in one.entities]
        yield from (f"{one} is held twice" for one in sorted(set(owned)) if owned.count(one) > 1)
        for group in self.groups:
            busy = len(set(group.members) & set(owned))
            if busy > max(1, int(len(group.members) * self.limits.group_ratio)):
                yield f"{busy} of {len(group.members)} members of {group.name} at once"


def exceeded(balance: LedgerBalance, entries: Iterable[LedgerEntry]) -> list[str]:
    """Everything that was ever exceeded, at every prefix of the entries."""
    return [said for entry in entries for said in balance.take(entry)]
