"""The books of one budget: what was spent within its time, and what is held for runs that are at work.

Held when a run is admitted; settled when it has acted; released when it has not. Each run is held once, and
settled or released once, whatever comes twice. A turn of the clock forgets what was spent, never what is
held. `petrel policy verify` proves over these books that no sequence of admissions overspends; a store that
keeps them in another way has to keep them to the same effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from stormpetrel.model.action import Cost
from stormpetrel.model.facts import Purse


@dataclass(frozen=True, slots=True)
class Account:
    """The books; every change gives new ones.

    Attributes:
        spent: settled since the clock turned.
        held: (run, cost) of each run that is at work.
    """

    spent: Cost = field(default_factory=Cost)
    held: tuple[tuple[str, Cost], ...] = ()

    def reserve(self, run_id: str, cost: Cost) -> Self:
        """Hold what a run may cost; one that is held already stays as it is."""
        if self.holds(run_id):
            return self
        return replace(self, held=(*self.held, (run_id, cost)))

    def settle(self, run_id: str) -> Self:
        """The run has acted: what was held is spent. One that is not held changes nothing."""
        cost = self._cost(run_id)
        spent = Cost(self.spent.spend + cost.spend, self.spent.churn + cost.churn)
        return replace(self.release(run_id), spent=spent)

    def release(self, run_id: str) -> Self:
        """The run has not acted: nothing is held for it any more."""
        return replace(self, held=tuple(one for one in self.held if one[0] != run_id))

    def turn(self) -> Self:
        """A new hour, or a new day."""
        return replace(self, spent=Cost())

    def holds(self, run_id: str) -> bool:
        """Whether something is held for a run."""
        return any(one[0] == run_id for one in self.held)

    def purse(self, spend_limit: float, churn_limit: int) -> Purse:
        """As guardrails see it."""
        return Purse(
            spend_limit,
            self.spent.spend,
            sum(cost.spend for _, cost in self.held),
            churn_limit,
            self.spent.churn,
            sum(cost.churn for _, cost in self.held),
        )

    def _cost(self, run_id: str) -> Cost:
        return next((cost for held, cost in self.held if held == run_id), Cost())
