"""From incidents to plans: which runbooks fit, what exactly they would do, and what becomes of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from stormpetrel.act.judge import judge
from stormpetrel.act.planning import Matter, NotFitting, matches, plan
from stormpetrel.act.progress import locked
from stormpetrel.act.words import effect_of
from stormpetrel.app.facts import FactFinder, Holder
from stormpetrel.app.inventory import Inventory
from stormpetrel.errors import StateError, StormPetrelError
from stormpetrel.model import canonical
from stormpetrel.model.action import Plan, Step
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.facts import Facts, Limits
from stormpetrel.model.incident import Incident
from stormpetrel.model.run import ENDS, Run, RunState
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Judgement
from stormpetrel.ports.automation import AutomationStore, BudgetLimits, RunbookRow
from stormpetrel.ports.clock import Clock

log = structlog.get_logger(__name__)

MOST_PROPOSALS = 12  # of one runbook for one incident: what is refused so often is a person's
# Between proposals of one runbook for one incident: as it was, and when it has changed since.
_AGAIN, _CHANGED = from_seconds(30), from_seconds(3)
_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan that was made, judged and recorded."""

    run: Run
    judgement: Judgement


@dataclass(slots=True)
class _Past:
    """What was proposed of one runbook for one incident."""

    count: int = 0
    last_unix_nano: int = 0
    run_id: str = ""
    seen: frozenset[tuple[str, str]] = frozenset()  # findings and their states, when it was made
    unfit: str = ""  # why there was no plan, as it was said last


class Proposer:
    """Makes plans for incidents and puts them before the guardrails. Safe from several threads.

    Every runbook that fits is proposed, whatever its level: a judgement that nothing follows from is what a
    runbook's record is made of. While a plan of a runbook waits or runs for an incident, no other of it is
    made.

    Args:
        judge: what all guardrails say of a plan.
        diagnose: what caused an incident; None when that cannot be told now.
        holder: this process and the fencing token that it holds.
        start: called with a run that may begin.
    """

    def __init__(
        self,
        store: AutomationStore,
        inventory: Inventory,
        facts: FactFinder,
        clock: Clock,
        budget: BudgetLimits,
        limits: Limits,
    ) -> None:
        self._store, self._inventory, self._facts = store, inventory, facts
        self._clock, self._budget, self.limits = clock, budget, limits
        self.judge: Callable[[Plan, Facts], Judgement] = judge
        self.diagnose: Callable[[Incident], Diagnosis | None] = lambda _: None
        self.holder: Callable[[], Holder] = lambda: Holder("", 0)
        self.start: Callable[[Run], None] = lambda _: None
        self._past: OrderedDict[tuple[str, str], _Past] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, incidents: Sequence[Incident], rows: Sequence[RunbookRow]) -> list[Proposed]:
        """Propose what fits these incidents now. One that fails is logged and leaves the others alone."""
        made = []
        for incident in incidents:
            due = [row.runbook for row in rows if self._due(incident, row)]
            if not due:
                continue
            matter = self._matter(incident, "petrel")
            for runbook in due:
                try:
                    found = self._propose(runbook, matter)
                except StormPetrelError as error:
                    found = NotFitting(runbook.name, str(error)[:300], matched=True)
                if isinstance(found, Proposed):
                    made.append(found)
                elif found.matched:
                    self._say_once(incident.incident_id, found)
        return made

    def _say_once(self, incident_id: str, unfit: NotFitting) -> None:
        """A runbook that is for this trouble has no plan: whoever looks for why nothing was done finds it."""
        past = self._remember(incident_id, unfit.runbook)
        if past.unfit != unfit.reason:
            past.unfit = unfit.reason
            log.warning(
                "runbook_not_planned", runbook=unfit.runbook, incident=incident_id, reason=unfit.reason
            )

    def propose(self, runbook: Runbook, incident: Incident, by: str) -> Proposed | NotFitting:
        """A person asks for a plan of one runbook for one incident.

        Raises:
            StateError: a plan of it waits or runs for this incident already, or the incident has had all its
                tries.
        """
        if self._locked(incident.incident_id):
            tries = self.limits.tries_per_incident
            raise StateError(
                f"{tries} tries did not end this incident: it is a person's, with all the evidence"
            )
        past = self._remember(incident.incident_id, runbook.name)
        if past.run_id and not self._ended(past.run_id):
            raise StateError(f"a plan of {runbook.name} for this incident waits or runs already")
        return self._propose(runbook, self._matter(incident, by))

    # ------------------------------------------------------------------------------------ making

    def _matter(self, incident: Incident, by: str) -> Matter:
        diagnosis = self.diagnose(incident)
        entities = self._inventory.entities()
        wanted = [one for one in self._entities(incident, diagnosis) if one in entities]
        inventory = {entity: self._inventory.owned(entity) for entity in wanted}
        for owners in list(inventory.values()):  # the members of their groups
            for owned in owners:
                group = owned.reading.group
                for member in group.members if group is not None else ():
                    if member in entities and member not in inventory:
                        inventory[member] = self._inventory.owned(member)
        return Matter(incident, diagnosis, inventory, self._clock.now_unix_nano(), by)

    def _entities(self, incident: Incident, diagnosis: Diagnosis | None) -> list[str]:
        """Whom a runbook can be about: the first cause, and the entities of the incident."""
        causes = diagnosis.causes[:1] if diagnosis is not None and diagnosis.found else ()
        return list(dict.fromkeys([*(one.entity for one in causes), *incident.entities]))[:50]

    def _propose(self, runbook: Runbook, matter: Matter) -> Proposed | NotFitting:
        unfit = matches(runbook, matter)
        if unfit is not None:
            return unfit
        matter = self._with_literals(runbook, matter)
        made = plan(runbook, matter, effect_of)
        if isinstance(made, NotFitting):
            return made
        made = self._with_inverses(made, runbook)
        past = self._remember(matter.incident.incident_id, runbook.name)
        past.count, past.last_unix_nano, past.run_id = past.count + 1, matter.now_unix_nano, made.plan_id
        past.seen = _seen(matter.incident)
        digest = canonical.plan_hash(made)
        run = Run(
            made.plan_id, made, digest, RunState.WAITING, 0, (), 0, False, "proposed", matter.now_unix_nano
        )
        facts = self._facts.of(made, matter.incident, matter.diagnosis, self.holder(), matter.now_unix_nano)
        _, judgement = self._store.admit(facts, lambda whole: self.judge(made, whole), run, self._budget)
        kept = self._store.run(run.run_id)
        if kept is None:
            raise StateError(f"the run {run.run_id} was admitted and is not there")
        if kept.state is RunState.READY:
            self.start(kept)
        return Proposed(kept, judgement)

    def _with_literals(self, runbook: Runbook, matter: Matter) -> Matter:
        """The matter with the entities that the runbook names itself."""
        named = [step.targets for step in runbook.steps if ":" in step.targets]
        missing = {one: self._inventory.owned(one) for one in named if one not in matter.inventory}
        return replace(matter, inventory={**matter.inventory, **missing}) if missing else matter

    def _with_inverses(self, made: Plan, runbook: Runbook) -> Plan:
        """The plan with what would undo each step, from how things stand now; it is captured anew before
        acting.

        Raises:
            ActuatorError: of a step that is to be undone nobody can say how: there is no plan without that.
        """
        wanted = {spec.step_id for spec in runbook.steps if spec.undo}

        def with_inverse(step: Step) -> Step:
            if step.step_id not in wanted or not step.action.targets:
                return step
            owner = step.action.targets[0].actuator
            return replace(step, inverse=self._inventory.inverse(owner, step.action))

        return replace(made, steps=tuple(with_inverse(step) for step in made.steps))

    # ------------------------------------------------------------------------------------ the past

    def _due(self, incident: Incident, row: RunbookRow) -> bool:
        """Whether a plan of this runbook may be made for this incident now."""
        past = self._remember(incident.incident_id, row.runbook.name)
        now = self._clock.now_unix_nano()
        pause = _CHANGED if _seen(incident) != past.seen else _AGAIN
        if past.count >= MOST_PROPOSALS or abs(now - past.last_unix_nano) < pause:
            return False
        if past.run_id and not self._ended(past.run_id):
            return False
        return not self._locked(incident.incident_id)

    def _locked(self, incident_id: str) -> bool:
        """Whether an incident has had all its tries; a run that did several things is one try."""
        return locked(len({one.run_id for one in self._store.tries(incident_id)}), self.limits)

    def _ended(self, run_id: str) -> bool:
        run = self._store.run(run_id)
        return run is None or run.state in ENDS

    def _remember(self, incident_id: str, runbook: str) -> _Past:
        """What was proposed; after a restart it is read from the store."""
        key = (incident_id, runbook)
        with self._lock:
            found = self._past.get(key)
        if found is None:
            runs = [
                one for one in self._store.list_runs((), incident_id, limit=50) if one.plan.runbook == runbook
            ]
            found = _Past(len(runs), runs[0].begun_unix_nano if runs else 0, runs[0].run_id if runs else "")
        with self._lock:
            found = self._past.setdefault(key, found)
            while len(self._past) > _REMEMBERED:
                self._past.popitem(last=False)
        return found


def _seen(incident: Incident) -> frozenset[tuple[str, str]]:
    return frozenset((one.finding_id, one.state.value) for one in incident.findings)
