"""The desk of automation: looks at incidents, and takes what people say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import structlog

from stormpetrel.act.planning import NotFitting
from stormpetrel.act.progress import Decision
from stormpetrel.act.run import waits_until
from stormpetrel.adapters.kill_file import KillFile
from stormpetrel.app.aftermath import Aftermath, to_act_on
from stormpetrel.app.config import Config
from stormpetrel.app.config_automation import budget_of
from stormpetrel.app.driving import Driving
from stormpetrel.app.facts import Holder
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.leader import Leader
from stormpetrel.app.proposals import Proposed, Proposer
from stormpetrel.app.runbooks import keep_runbooks
from stormpetrel.app.runs import Runs
from stormpetrel.errors import NotFoundError, StateError, StormPetrelError
from stormpetrel.model.facts import Limits
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.run import AWAITED, Run, RunState
from stormpetrel.model.stopping import GLOBAL
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Approval
from stormpetrel.ports.automation import AutomationStore, RunbookRow
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

_TICK_SECONDS = 1.0  # a kill switch that was engaged as a file is seen within this
_LOOK_TICKS = 3
_MOST_INCIDENTS = 50
_UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED)


class AutomationDesk:
    """One thread that reads the kill file and, while the lease is ours, proposes plans for incidents.

    Without actuators, or where automation is switched off in the configuration, the thread does not start;
    switches, runbooks and the ledger can be looked at all the same.

    Args:
        proposer: makes plans.
        leader: the lease as this process knows it.

    `changed` is told of every change that a page may want to show; `aftermath` tells incidents what was done;
    `watch` is called every second, also while another process acts, so that no jump of the clock is missed.
    """

    def __init__(
        self,
        config: Config,
        control: ControlStore,
        inventory: Inventory,
        proposer: Proposer,
        leader: Leader,
        clock: Clock,
    ) -> None:
        self._config, self._control = config, control
        self.store: AutomationStore = control
        self.kill_file = KillFile(config.data_dir)
        self.inventory, self._proposer, self._leader, self._clock = inventory, proposer, leader, clock
        self._driving: Driving | None = None
        self._runs: Runs | None = None
        self.aftermath: Aftermath | None = None
        self.changed: Callable[[], None] = lambda: None
        self.watch: Callable[[], None] = lambda: None
        self.faults: list[str] = []
        self._defect = ""
        self._loaded: frozenset[str] | None = None  # runbooks by name; None before the start: all
        self.budget = budget_of(config.automation)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="automation", daemon=True)
        proposer.holder = self.holder

    # ------------------------------------------------------------------------------------- running

    @property
    def enabled(self) -> bool:
        """Whether anything can be acted on."""
        return self._config.automation.enabled and bool(self.inventory.actuators)

    @property
    def limits(self) -> Limits:
        """The numbers of the guardrails."""
        return self._proposer.limits

    def stopped(self) -> str:
        """Why nothing is done as a whole just now; "" when it may be."""
        return next(self._obstacles(), "")

    def _obstacles(self) -> Iterator[str]:
        if not self._config.automation.enabled:
            yield "automation is switched off in the configuration"
        if not self.inventory.actuators:
            yield "no actuator is configured, so there is nothing that could be acted on"
        if any(one.scope == GLOBAL for one in self.store.switches()):
            yield "the global kill switch is engaged"
        if not any(row.signed_version for row in self.in_use()):
            yield "no runbook is signed off, so nothing may run: an admin signs one on its page"
        if self._leader.token() is None:
            yield "another process holds the right to act, or this one has just begun"
        if self._defect:
            yield f"the last look at incidents failed ({self._defect}); the log of this process says where"

    def in_use(self) -> list[RunbookRow]:
        """The runbooks that were read at the start. One whose file went, or cannot be read any more, is kept
        with its record and proposed no more."""
        rows = self.store.runbooks()
        return rows if self._loaded is None else [row for row in rows if row.runbook.name in self._loaded]

    def holder(self) -> Holder:
        """This process and the token that it believes to hold; 0 while it holds none."""
        return Holder(self._leader.holder, self._leader.token() or 0)

    def drive(self, driving: Driving, runs: Runs) -> None:
        """From now on runs are driven here; before `start`."""
        self._driving, self._runs = driving, runs

    def start(self) -> None:
        """Read the runbooks, then look for work."""
        self._loaded, self.faults = keep_runbooks(self._config, self.store, self._clock.now_unix_nano())
        for fault in self.faults:
            log.warning("runbook_refused", reason=fault)
        if self.enabled:
            if self._driving is not None:
                self._driving.start()
            self._thread.start()

    def stop(self) -> None:
        """Stop looking; runs that are under way go on at the next start, from where they are."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)
            if self._driving is not None:
                self._driving.stop()
        self.inventory.close()

    def _run(self) -> None:
        tick = 0
        while not self._stopping.wait(_TICK_SECONDS):
            tick += 1
            try:
                self.watch()
                self.read_kill_file()
                if self._leader.token() is not None and tick % _LOOK_TICKS == 0:
                    self.look()
                    self._defect = ""
            except StormPetrelError as error:
                log.warning("automation_waits", reason=error.reason, error=str(error)[:300])
            # A defect of ours, or of an actuator of another package, must not end all looking in silence.
            except Exception as error:  # logged, and shown on the page; the next look is taken
                log.exception("automation_look_failed")
                self._defect = type(error).__name__

    def read_kill_file(self) -> None:
        """The file engages the global switch; taking it away releases nothing, two people do that."""
        there = self.kill_file.switches()
        if there and not any(one.scope == GLOBAL for one in self.store.switches()):
            self.store.engage(there[0])
            self.changed()

    def look(self) -> list[Proposed]:
        """Tell incidents what was done, and propose for those that are new or have changed."""
        incidents = self._control.list_incidents(_UNRESOLVED, limit=_MOST_INCIDENTS)
        if self.aftermath is not None:
            incidents = self.aftermath.look(incidents)
        wanted = [
            one for one in incidents if one.severity >= Severity.WARNING and one.findings and to_act_on(one)
        ]
        made = self._proposer.look(wanted, self.in_use())
        if made:
            self.changed()
        return made

    def expires(self, run: Run) -> int:
        """Until when a plan waits for people."""
        return waits_until(run, self._proposer.limits)

    # -------------------------------------------------------------------------------------- people

    def answer(self, run_id: str, plan_hash: str, agreed: bool, who: tuple[str, str], reason: str) -> Run:
        """A person's yes or no; when enough agreed the plan is judged again, and begins, within a moment.

        Args:
            who: the person's name, and by which way the answer came.

        Raises:
            NotFoundError, StateError: see `AutomationStore.add_approval`; also when it waited too long.
        """
        run = self.run(run_id)
        now = self._clock.now_unix_nano()
        if run.state is RunState.WAITING and now >= self.expires(run):
            raise StateError(f"the plan {run_id} waited too long for an answer; ask for a new one")
        until = now + from_seconds(self._proposer.limits.approval_seconds)
        name, channel = who
        self.store.add_approval(run_id, Approval(plan_hash, name, agreed, now, until, channel, reason[:500]))
        self._wake(run_id)
        return self.run(run_id)

    def decide(self, run_id: str, decision: Decision, by: str, reason: str) -> Run:
        """A person ends the doubt of a held run.

        Raises:
            NotFoundError, StateError: see `Runs.decide`.
        """
        if self._runs is None:
            raise StateError(f"the run {run_id[:60]} is not driven here")
        run = self._runs.decide(run_id, decision, by, reason)
        self._wake(run_id)
        return run

    def _wake(self, run_id: str) -> None:
        if self._driving is not None:
            self._driving.wake(run_id)
        self.changed()

    def propose(self, runbook: str, incident: Incident, by: str) -> Run:
        """A person asks for a plan.

        Raises:
            NotFoundError: there is no such runbook.
            StateError: it does not fit, and why; or one of it waits or runs already.
        """
        row = next((one for one in self.in_use() if one.runbook.name == runbook), None)
        if row is None:
            raise NotFoundError(f"there is no runbook {runbook[:60]}, or its file is not there any more")
        found = self._proposer.propose(row.runbook, incident, by)
        if isinstance(found, NotFitting):
            raise StateError(f"{runbook} has no plan for this incident: {found.reason}")
        self.changed()
        return found.run

    def run(self, run_id: str) -> Run:
        """One run; NotFoundError when there is none."""
        found = self.store.run(run_id)
        if found is None:
            raise NotFoundError(f"there is no run {run_id[:60]}")
        return found

    def awaited(self) -> Sequence[Run]:
        """Runs that wait for a person, newest first."""
        return self.store.list_runs(AWAITED, limit=100)
