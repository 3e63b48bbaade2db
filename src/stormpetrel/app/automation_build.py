"""Puts automation together: actuators, facts, proposals and the desk over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog

from stormpetrel.act.verify import Measured
from stormpetrel.adapters.kill_file import KillFile
from stormpetrel.app.actuators import build_actuators, overlapping
from stormpetrel.app.aftermath import Aftermath
from stormpetrel.app.automation import AutomationDesk
from stormpetrel.app.config import Config
from stormpetrel.app.config_automation import budget_of, limits_of
from stormpetrel.app.driving import Driving, durable, durable_url, process_name
from stormpetrel.app.facts import FactFinder
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.leader import Leader
from stormpetrel.app.measure import Measurer
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.policy import installed_judge
from stormpetrel.app.proposals import Proposer
from stormpetrel.app.runs import Around, Bounds, Runs
from stormpetrel.app.watches import HealthWatch, Heard
from stormpetrel.errors import StateError, StoreError, StormPetrelError
from stormpetrel.model.calendar import DAY_SECONDS
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.facts import Backup, Facts, Limits
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.run import Run, StepRecord
from stormpetrel.model.time import to_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import StoredPast


class Diagnoses(Protocol):
    """Says what caused an incident; `app.diagnose.DiagnoseDesk` is one."""

    def of(self, incident: Incident) -> Diagnosis:
        """What caused it, as far as can be told now; BusyError."""
        ...


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What automation looks at.

    Attributes:
        within: asks something of the pipeline while nothing is judged.
        diagnose: the desk of causes.
        healthy: whether what comes in is stored and judged.
        calendar_read: whether every source of the calendar was read once.
        redact: takes secrets out of texts.
        move, note: steps of an incident: its state, and an entry in its timeline; see `Judge`. None: no
            incident is told what became of its runs.
    """

    pipeline: Pipeline
    store: StoredPast
    within: Callable[[Callable[[], object]], object]
    diagnose: Diagnoses
    healthy: Callable[[], bool]
    redact: Callable[[str], str]
    move: Callable[[str, IncidentState, str, str], Incident] | None = None
    note: Callable[[str, str, str], Incident] | None = None
    calendar_read: Callable[[], bool] = lambda: True


Measure = Callable[[Run, StepRecord, int], Measured]
Backups = Callable[[Sequence[str]], tuple[Backup, ...] | None]


@dataclass(frozen=True, slots=True)
class Means:
    """What automation acts with.

    Attributes:
        inventory: what may be acted on.
        holder: this process, in a name that no other has.
        backups: newest verified backup of each entity that is named.
        ledger_whole: walks the chain; whether all of it is as it should be.
        monotonic: seconds that only grow.
        measured: made of what measures an act, what is asked instead.
        told: hears of every step of a run; None: the log does.
    """

    inventory: Inventory
    holder: str
    backups: Backups
    ledger_whole: Callable[[], bool]
    monotonic: Callable[[], float] = time.monotonic
    measured: Callable[[Measure], Measure] = lambda measure: measure
    told: Callable[[Run], None] | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """Automation put together: nothing of it runs by itself yet."""

    desk: AutomationDesk
    proposer: Proposer
    runs: Runs
    leader: Leader


def build_automation(
    config: Config, control: ControlStore, around: Surroundings, clock: Clock
) -> AutomationDesk:
    """The desk, not started.

    Raises:
        ConfigError: an actuator's section is wrong.
    """
    inventory = Inventory(build_actuators(config, around.redact))
    for said in overlapping(inventory.actuators):
        log.warning("actuators_overlap", said=said)
    means = Means(
        inventory,
        process_name(),
        partial(backups_of, config, control),
        lambda: not control.check_ledger(),
    )
    made = assemble(config, control, around, clock, means)
    url = durable_url(config.store.control_url, config.data_dir)
    driving = Driving(made.runs, made.leader, lambda: durable(url, made.leader.holder, made.runs))
    made.desk.drive(driving, made.runs)
    if around.move is not None and around.note is not None:
        made.desk.aftermath = Aftermath(control, around.move, around.note)
    made.proposer.start = lambda run: driving.wake(run.run_id)
    return made.desk


def assemble(
    config: Config, control: ControlStore, around: Surroundings, clock: Clock, means: Means
) -> Assembled:
    """Facts, guardrails, proposals, runs and verification over these stores, for whoever brings the time:
    the driver of a live process, or a flight over the past."""
    limits, budget = limits_of(config.automation), budget_of(config.automation)
    health = _health(control, around, clock, means, limits)
    inventory, switches = means.inventory, KillFile(config.data_dir).switches
    facts = FactFinder(around.pipeline, around.within, inventory, health, means.backups, limits)
    facts.calendar_read = around.calendar_read
    leader = Leader(control, clock, means.holder, config.automation.lease_seconds)
    proposer = Proposer(control, inventory, facts, clock, budget, limits)
    proposer.judge, proposer.diagnose = installed_judge(), partial(_diagnosed, around.diagnose)
    desk = AutomationDesk(config, control, inventory, proposer, leader, clock)
    desk.watch = health.watch
    measurer = Measurer(
        around.store, around.pipeline.registry, inventory, control.incident, config.automation.verify_seconds
    )

    def facts_of(run: Run, now_unix_nano: int) -> Facts:
        incident = control.incident(run.plan.incident_id)
        if incident is None:
            raise StateError(f"the incident {run.plan.incident_id} of this run is gone")
        diagnosis = _diagnosed(around.diagnose, incident)
        return facts.of(run.plan, incident, diagnosis, desk.holder(), now_unix_nano)

    measure = means.measured(measurer.measure)
    bounds = Bounds(limits, budget, config.automation.verify_seconds)
    seen = Around(facts_of, proposer.judge, inventory.actuator, measure, switches)
    if means.told is not None:
        seen = replace(seen, told=means.told)
    return Assembled(desk, proposer, Runs(control, seen, leader, clock, bounds), leader)


def _health(
    control: ControlStore, around: Surroundings, clock: Clock, means: Means, limits: Limits
) -> HealthWatch:
    """What is known of this process's own health."""
    gate, registry = around.pipeline.gate, around.pipeline.registry
    heard = Heard(gate.last_times, registry.info, registry.__len__, limits.clock_skew_seconds)
    return HealthWatch(
        clock,
        lambda: heard.newest(clock.now_unix_nano()),
        lambda: around.healthy() and _answers(control),
        means.ledger_whole,
        means.monotonic,
    )


def _answers(control: ControlStore) -> bool:
    try:
        control.switches()
    except StoreError:
        return False
    return True


def _diagnosed(desk: Diagnoses, incident: Incident) -> Diagnosis | None:
    """What caused it; None when nobody can say now, which guardrails take for "not sure at all"."""
    try:
        return desk.of(incident)
    except StormPetrelError:
        return None


def backups_of(config: Config, control: ControlStore, entities: Sequence[str]) -> tuple[Backup, ...] | None:
    """The newest backup of each entity whose restore was tested, as backup tools reported it; None when that
    cannot be looked up. Where the configuration asks for no recovery point, a day is asked for here."""
    found = []
    try:
        standings = [control.backup_standing(entity) for entity in entities]
    except StoreError:
        return None
    for standing in standings:
        if standing is None or standing.verified is None or standing.test is None or not standing.test.ok:
            continue
        objective = to_seconds(config.backups.objective(standing.entity)) or DAY_SECONDS
        finished, tested = standing.verified.finished_unix_nano, standing.test.finished_unix_nano
        found.append(Backup(standing.entity, finished, tested, objective))
    return tuple(found)
