"""What the pages and the API show of automation."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.model.action import Autonomy
from stormpetrel.model.facts import Limits, Purse, Switch, Track
from stormpetrel.model.ledger import LedgerEntry
from stormpetrel.model.run import Run, RunState
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.verdict import Approval, Judgement


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as a list shows it."""

    run_id: str
    runbook: str
    incident_id: str
    targets: tuple[str, ...]
    state: RunState
    why: str
    requester: str
    automatic: bool
    begun_unix_nano: int
    ended_unix_nano: int


@dataclass(frozen=True, slots=True)
class RunView:
    """One run, whole.

    Attributes:
        judgement: the newest one; None when none is on record.
        approvals: all answers to its plan.
        expires_unix_nano: until when it waits for people; 0 when it does not.
        sentence: of its incident; "" when that is gone.
        entries: of the ledger, in order.
    """

    run: Run
    judgement: Judgement | None
    approvals: tuple[Approval, ...]
    expires_unix_nano: int
    sentence: str
    entries: tuple[LedgerEntry, ...]

    def yes(self, now_unix_nano: int) -> int:
        """How many people agree to this very plan just now: not to an earlier one, and not too long ago."""
        return sum(
            one.agreed
            and one.plan_hash == self.run.plan_hash
            and one.given_unix_nano <= now_unix_nano < one.expires_unix_nano
            for one in self.approvals
        )


@dataclass(frozen=True, slots=True)
class RunbookView:
    """A runbook as it stands.

    Attributes:
        usefulness_bound: lower bound of its usefulness (Wilson, 95 %); 0 while nothing was judged.
        earned: whether its record earns the level auto.
        missing: what is still missing for it, in words.
        versions: (version, whether it is signed off), newest first.
        change: what the newest version changes against the signed one, as a unified diff; "" for nothing.
    """

    runbook: Runbook
    autonomy: Autonomy
    signed_version: str
    signed_by: str
    raised_by: str
    track: Track
    usefulness_bound: float
    earned: bool
    missing: tuple[str, ...]
    versions: tuple[tuple[str, bool], ...]
    change: str


@dataclass(frozen=True, slots=True)
class ActuatorView:
    """An actuator as it stands. `fault`: why it does not answer, "" when it does."""

    name: str
    entities: tuple[str, ...]
    actions: tuple[tuple[str, str], ...]  # (kind, effect)
    fault: str


@dataclass(frozen=True, slots=True)
class AutomationView:
    """The page *Automation*.

    Attributes:
        acting: whether this process holds the right to act.
        stopped: why automation as a whole does nothing now, "" when it may.
        waiting, running, ended: runs, newest first.
        faults: runbooks that cannot be read, and why.
    """

    enabled: bool
    acting: bool
    stopped: str
    switches: tuple[Switch, ...]
    breaker_open: bool
    hour: Purse
    day: Purse
    limits: Limits
    runbooks: tuple[RunbookView, ...]
    actuators: tuple[ActuatorView, ...]
    waiting: tuple[RunLine, ...]
    running: tuple[RunLine, ...]
    ended: tuple[RunLine, ...]
    faults: tuple[str, ...]
