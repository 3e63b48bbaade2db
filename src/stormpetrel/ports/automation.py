"""The part of the control store that automation keeps: ledger, runs, approvals, switches, budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stormpetrel.model.action import Autonomy
from stormpetrel.model.facts import Facts, Lease, Purse, Switch, Track, Try
from stormpetrel.model.ledger import LedgerEntry, LedgerFault, LedgerHead, LedgerNote
from stormpetrel.model.run import Run, RunState
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.verdict import Approval, Judgement


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What automation may spend and churn, by the clock's hour and day (UTC)."""

    spend_hour: float
    spend_day: float
    churn_hour: int
    churn_day: int


@dataclass(frozen=True, slots=True)
class RunbookRow:
    """A runbook as it is kept: `signed_version` is the one that may run, "" for none.

    Attributes:
        runbook: the newest version that was loaded.
        autonomy: the level in force.
        raised_by: see `RunbookFacts.raised_by`.
    """

    runbook: Runbook
    signed_version: str
    signed_by: str
    autonomy: Autonomy
    raised_by: str
    track: Track


Judge = Callable[[Facts], Judgement]


class AutomationStore(Protocol):
    """Small, relational, transactional. Every method is one transaction, safe from any thread and process.

    Everything that changes something also enters the ledger, in the same transaction.
    """

    # admission ------------------------------------------------------------------------------------
    def admit(
        self, plan_facts: Facts, judge: Judge, run: Run, budget: BudgetLimits
    ) -> tuple[Facts, Judgement]:
        """Complete the facts with what the store knows (switches, lease, runbook, approvals, hour, day, rate,
        touched, owners by runs, tries, breaker), judge, and record it; all in one transaction that excludes
        every other admission and every dispatch.

        Records the plan as proposed the first time, and the facts and verdicts each time. When the outcome is
        allow, or ask and enough people agreed, the run becomes `READY` and reserves budget, rate and locks,
        all or none; when it asks, `WAITING`; when it denies, `REFUSED`. A run that is `READY` or further is
        re-judged: what it reserved itself is not counted against it, and a refusal ends it (`ESCALATED` where
        it has acted, `REFUSED` where it has not).

        Raises:
            StateError: the run has moved on since, is not to be judged now, or is new and not `WAITING`.
        """
        ...

    def begin_step(self, run: Run, next_run: Run, token: int, notes: Sequence[LedgerNote]) -> Run:
        """Put an order on record before it is given. Read in the same transaction: kill switches of the
        global, the targets and the runbook, and the fencing token.

        Raises:
            StateError: a switch is engaged, the token is old, or the run has moved on since.
        """
        ...

    def advance_run(self, run: Run, next_run: Run, notes: Sequence[LedgerNote]) -> Run:
        """Replace a run by its next version; at an end, budget is settled, and locks and rates are released.

        Raises:
            StateError: the run has moved on since.
        """
        ...

    def run(self, run_id: str) -> Run | None:
        """One run."""
        ...

    def list_runs(
        self, states: Sequence[RunState] = (), incident_id: str = "", limit: int = 100, offset: int = 0
    ) -> list[Run]:
        """Runs, newest first."""
        ...

    # people ---------------------------------------------------------------------------------------
    def add_approval(self, run_id: str, approval: Approval) -> Run:
        """Keep one person's answer to a plan that waits; the same person's newer answer replaces the older.

        Raises:
            NotFoundError: there is no such run.
            StateError: it does not wait, the hash is another one, or the person proposed it.
        """
        ...

    def approvals(self, run_id: str) -> list[Approval]:
        """All answers to a run's plan."""
        ...

    # switches, lease, breaker ---------------------------------------------------------------------
    def engage(self, switch: Switch) -> None:
        """Engage a kill switch; no error when it is engaged already."""
        ...

    def release(self, scope: str, by: str, time_unix_nano: int, reason: str) -> bool:
        """Release a switch: the global one when a second person asks for it within 15 minutes.

        Returns whether it is released now. NotFoundError when it is not engaged.
        """
        ...

    def switches(self) -> list[Switch]:
        """The engaged ones."""
        ...

    def take_lease(self, holder: str, now_unix_nano: int, seconds: float) -> Lease | None:
        """Take or prolong the lease; None while another holds it. A new holder gets a new token."""
        ...

    def close_breaker(self, by: str, time_unix_nano: int, reason: str) -> None:
        """A person lets automatic runs go on; StateError when it is not open."""
        ...

    def breaker_open(self) -> bool:
        """Whether it fell and nobody has closed it since."""
        ...

    # runbooks and track record --------------------------------------------------------------------
    def save_runbook(self, runbook: Runbook, by: str, time_unix_nano: int) -> RunbookRow:
        """Keep a version; the first one starts at `SUGGEST` (or lower, where the file says so)."""
        ...

    def runbooks(self) -> list[RunbookRow]:
        """All, by name."""
        ...

    def runbook_versions(self, name: str) -> list[Runbook]:
        """Newest first."""
        ...

    def sign_runbook(self, name: str, version: str, by: str, time_unix_nano: int) -> None:
        """Sign a version off: it may run from now on. It does not change the level unless to lower it."""
        ...

    def set_autonomy(self, name: str, level: Autonomy, by: str, time_unix_nano: int, reason: str) -> None:
        """Set the level, up or down, by a person or "petrel" (only down)."""
        ...

    def add_opinion(self, run_id: str, by: str, opinion: str, time_unix_nano: int) -> None:
        """What a person says of a proposal or run: "useful", "useless" or "harmful"."""
        ...

    def set_replay_days(self, name: str, version: str, days: float) -> None:
        """A flight report of this version covers so many days; a shorter one takes nothing away."""
        ...

    def purses(self, now_unix_nano: int, budget: BudgetLimits) -> tuple[Purse, Purse]:
        """The hour's and the day's."""
        ...

    def tries(self, incident_id: str, limit: int = 50) -> list[Try]:
        """Ended runs of an incident, newest first."""
        ...

    # ledger ---------------------------------------------------------------------------------------
    def ledger(self, after_seq: int = 0, run_id: str = "", limit: int = 1000) -> list[LedgerEntry]:
        """Entries in order."""
        ...

    def ledger_head(self) -> LedgerHead:
        """Where the ledger says that it ends."""
        ...

    def check_ledger(self) -> list[LedgerFault]:
        """Walk the whole chain; empty when nothing is wrong."""
        ...
