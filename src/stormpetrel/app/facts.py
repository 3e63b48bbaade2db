"""The facts that are not the store's: signals, context, live targets, groups, and our own health."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stormpetrel.app.inventory import Inventory
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.watches import HealthWatch
from stormpetrel.ingest.derive_families import parts_of
from stormpetrel.ingest.derive_series import DERIVED_SOURCE
from stormpetrel.ingest.derive_service import METRICS as SERVICE_METRICS
from stormpetrel.model.action import Plan
from stormpetrel.model.calendar import EntryKind
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.facts import (
    Backup,
    ContextEntry,
    Facts,
    Group,
    Limits,
    LiveTarget,
    Owner,
    TriggerSignal,
)
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.incident import Incident
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.actuate import Reading

MOST_SIGNALS = 50
_STALE = from_seconds(600)
_CONTEXT = {
    EntryKind.FREEZE: "freeze",
    EntryKind.MAINTENANCE: "maintenance",
    EntryKind.EXPECTED_JOB: "expected_job",
    EntryKind.DEPLOY: "deploy",
}
_OF_LOGS = "log_"  # how all that is derived from log records is called
_OBJECTIVE = "slo"  # the detector of burning objectives


@dataclass(frozen=True, slots=True)
class Holder:
    """Who acts: this process's name, and the fencing token that it believes to hold."""

    me: str
    token: int


class FactFinder:
    """Finds out what guardrails look at, except what the store knows (see `AutomationStore.admit`).

    Args:
        within: asks something of the pipeline while nothing is judged.
        backups: newest verified backup of each entity that is named.

    `calendar_read` tells whether every source of the calendar was read once; until then nobody knows what it
    says.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        within: Callable[[Callable[[], object]], object],
        inventory: Inventory,
        health: HealthWatch,
        backups: Callable[[Sequence[str]], tuple[Backup, ...] | None],
        limits: Limits,
    ) -> None:
        self._pipeline, self._within = pipeline, within
        self._inventory, self._health, self._backups, self._limits = inventory, health, backups, limits
        self.calendar_read: Callable[[], bool] = lambda: True

    def of(
        self, plan: Plan, incident: Incident, diagnosis: Diagnosis | None, holder: Holder, now_unix_nano: int
    ) -> Facts:
        """The facts for a plan as they are now; every target is read anew. Cost: one reading a target."""
        readings = {one.entity: self._inventory.read(one.actuator, one.entity) for one in plan.targets}
        signals, context = self._asked(plan, incident, now_unix_nano)
        firing = _open(incident)
        return Facts(
            now_unix_nano=now_unix_nano,
            limits=self._limits,
            run_id=plan.plan_id,
            me=holder.me,
            my_token=holder.token,
            switches=None,
            lease=None,
            health=self._health.look(),
            runbook=None,
            approvals=None,
            known_actions=self._inventory.known_actions(),
            signals=signals,
            objective_burns=any(one.detector == _OBJECTIVE for one in firing),
            confidence=_confidence(diagnosis),
            context=context if self.calendar_read() else None,
            live=_live(readings, bool(firing)),
            groups=_groups(plan, readings),
            backups=self._backups([one.entity for one in plan.targets]),
            hour=None,
            day=None,
            rate=None,
            touched=None,
            owners=_owners(readings),
            tries=None,
            breaker_open=None,
        )

    def _asked(
        self, plan: Plan, incident: Incident, now: int
    ) -> tuple[tuple[TriggerSignal, ...], tuple[ContextEntry, ...]]:
        """What only the pipeline knows, asked while it stands still."""
        found: list[tuple[tuple[TriggerSignal, ...], tuple[ContextEntry, ...]]] = []

        def ask() -> None:
            firing = _open(incident)[:MOST_SIGNALS]
            counted = self._counted(firing)
            signals = tuple(self._signal(one, now, counted) for one in firing)
            found.append((signals, self._context(plan, now)))

        self._within(ask)
        return found[0]

    def _counted(self, findings: Sequence[Finding]) -> str:
        """The first metric of requests that is among what fires, from which a service's series are made."""
        for one in findings:
            series = one.evidence.series
            if 0 <= series < len(self._pipeline.registry):
                info = self._pipeline.registry.info(series)
                if parts_of(info):
                    return info.metric
        return "requests"

    def _signal(self, finding: Finding, now: int, counted: str) -> TriggerSignal:
        """`counted`: what a service's own series count as, which are no second witness of what made them."""
        evidence = finding.evidence
        name = evidence.query or finding.title
        if evidence.signal == "metric" and evidence.series >= 0:
            metric = name.partition("{")[0]
            source = self._log_behind(evidence.series)
            source = source or f"metric {counted if metric in SERVICE_METRICS else metric}"
            return TriggerSignal(name[:200], source[:200], self._series_state(evidence.series, now))
        state = "stale" if now - finding.end_unix_nano > _STALE else "fresh"
        source = f"{evidence.signal} {finding.detector} {finding.title}"
        if evidence.signal == "log":
            source = _log_of(finding.entity)
        return TriggerSignal(name[:200], source[:200], state)

    def _log_behind(self, series: int) -> str:
        """Whose log a series was counted from; "" for none."""
        if not 0 <= series < len(self._pipeline.registry):
            return ""
        info = self._pipeline.registry.info(series)
        counted = info.source == DERIVED_SOURCE and info.metric.startswith(_OF_LOGS)
        return _log_of(info.entity) if counted else ""

    def _series_state(self, series: int, now: int) -> str:
        gate = self._pipeline.gate
        unknown = gate.unknown(now)
        blocked = self._pipeline.registry.blocked()
        if series < len(blocked) and blocked[series]:
            return "quarantined"
        if series >= len(unknown) or unknown[series]:
            return "unknown"
        return "fresh"

    def _context(self, plan: Plan, now: int) -> tuple[ContextEntry, ...]:
        """What of the calendar covers a target or a neighbour of one."""
        topology, timetable = self._pipeline.topology, self._pipeline.context.timetable
        near: dict[str, None] = {}
        for target in plan.targets:
            near[target.entity] = None
            near[root_of(target.entity)] = None
            near.update(dict.fromkeys(topology.neighbours(root_of(target.entity))))
        found = []
        for kind, word in _CONTEXT.items():
            for entity in near:
                one = timetable.covering(kind, entity, -1, now)
                entry = one.entry if one is not None else None
                if kind is EntryKind.DEPLOY and entry is None:  # told as a change, not entered
                    entry = self._pipeline.context.marks.deploying(entity, now)
                if entry is not None:
                    change = entry.entry_id.removeprefix("deploy:") if kind is EntryKind.DEPLOY else ""
                    found.append(ContextEntry(word, entry.title, entity, change))
        return tuple(sorted(found, key=lambda one: (one.kind, one.title, one.entity)))


def _log_of(entity: str) -> str:
    """All that the log of one entity says is one witness, in lines, patterns or counts: whoever writes its
    lines, and be it a stranger through what is logged of their requests, writes all of it."""
    return f"log of {root_of(entity)}"


def _open(incident: Incident) -> list[Finding]:
    """The findings that still hold and are worth an incident."""
    return [
        one
        for one in incident.findings
        if one.state is FindingState.OPEN and one.severity >= Severity.WARNING
    ]


def _confidence(diagnosis: Diagnosis | None) -> float:
    """Of the cause; a cause that is not told is none."""
    return diagnosis.certainty if diagnosis is not None and diagnosis.found else 0.0


def _live(readings: dict[str, Reading | None], fires: bool) -> tuple[LiveTarget, ...]:
    found = []
    for entity, reading in sorted(readings.items()):
        live = reading.live if reading is not None else None
        if live is None:
            found.append(LiveTarget(entity, None, None, None, None))
        else:
            found.append(
                LiveTarget(
                    entity, live.exists, live.generation, live.healthy, fires,
                    live.count, live.least, live.most, live.inputs_known,
                )
            )  # fmt: skip
    return tuple(found)


def _groups(plan: Plan, readings: dict[str, Reading | None]) -> tuple[Group, ...] | None:
    """The group of every target; None when one of them cannot be read."""
    found: dict[str, Group] = {}
    for target in plan.targets:
        reading = readings[target.entity]
        if reading is None:
            return None
        group = reading.group
        if group is None:  # it stands alone
            healthy = (target.entity,) if reading.live.healthy else ()
            group = Group(target.group, (target.entity,), healthy, 0)
        found[group.name] = group
    return tuple(found[name] for name in sorted(found))


def _owners(readings: dict[str, Reading | None]) -> tuple[Owner, ...] | None:
    """Other controllers of the targets; None when one of them cannot be read."""
    found: list[Owner] = []
    for reading in readings.values():
        if reading is None:
            return None
        found += reading.owners
    return tuple(sorted(found, key=lambda one: (one.entity, one.field, one.owner)))
