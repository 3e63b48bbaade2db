"""A simulated system with one trouble, and the live wiring of automation over it, without a thread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.app.automation_build import Means, Surroundings, assemble
from stormpetrel.app.config import Config
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.proposals import Proposed
from stormpetrel.errors import NotFoundError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Action, Autonomy, Origin, Parameter
from stormpetrel.model.cause import Cause, CauseClass, Diagnosis
from stormpetrel.model.facts import Backup, LiveTarget
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.query import CallTally, GridSamples, PatternTally
from stormpetrel.model.records import Change
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.signal import MetricBatch, MetricKind, SeriesPoints
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.actuate import ActionSchema, Order, Reading
from stormpetrel.simulate.stories.stage import empty_store_in
from stormpetrel.testing.clock import FakeClock

START = 1_767_225_600_000_000_000
STEP = 5.0
_BAND = (0.0, 2.0)  # of the two symptoms; they are 1 when all is calm
_CALM_SECONDS, _TROUBLE_SECONDS = 600.0, 120.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What a runbook of the library is for. What its trigger and its verification name, is taken from it.

    Attributes:
        subject: the entity of the cause.
        offers: what the actuator of the target offers: the real actuators' own schemas.
        healthy: whether the target serves in the trouble.
        stateful: whether it holds data.
        count: replicas, of what scales.
        change: that is held to be the cause.
        attributes: of the findings.
    """

    subject: str
    offers: tuple[ActionSchema, ...]
    healthy: bool = True
    stateful: bool = False
    count: int | None = None
    change: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class System:
    """The actuator and what it acts on: whether an act mends the trouble is up to the test."""

    name = "simulated"

    def __init__(self, scene: Scene, entity: str, helps: bool) -> None:
        self.scene, self.entity, self.helps = scene, entity, helps
        self.troubled = self.mended = False
        self.count = scene.count
        self.acts: dict[str, Action] = {}

    @property
    def ill(self) -> bool:
        return self.troubled and not self.mended

    @property
    def serves(self) -> bool:
        return self.scene.healthy or not self.ill

    def actions(self) -> tuple[ActionSchema, ...]:
        return self.scene.offers

    def targets(self) -> tuple[str, ...]:
        return (self.entity,)

    def read(self, entity: str) -> Reading:
        if entity != self.entity:
            raise NotFoundError(entity)
        scales = (self.count, 1, 8, True) if self.count is not None else (None, None, None, None)
        live = LiveTarget(entity, True, f"g{len(self.acts)}", self.serves, None, *scales)
        return Reading(live, self.scene.stateful, None, ())

    def inverse(self, action: Action) -> Action | None:
        back = {one.kind: one.reversible_by for one in self.scene.offers}[action.kind]
        schema = next((one for one in self.scene.offers if one.kind == back), None)
        if schema is None:
            return None
        given = {one.name: one.value for one in action.parameters}
        if self.count is not None:
            given["replicas"] = self.count
        kept = tuple(
            Parameter(one.name, given[one.name], Origin.FACT, validated=True)
            for one in schema.parameters
            if one.name in given
        )
        return Action(back, schema.field, action.targets, kept, schema.effect)

    def act(self, order: Order) -> ActResult:
        assert order.key not in self.acts, "nothing is ordered twice"
        self.acts[order.key] = order.action
        wanted = order.action.parameter("replicas")
        if isinstance(wanted, int):
            self.count = wanted
        self.mended = self.mended or self.helps
        return ActResult(ActOutcome.DONE, "done")

    def resolve(self, order: Order) -> ActResult:
        return ActResult(ActOutcome.DONE if order.key in self.acts else ActOutcome.NOT_DONE, "looked")

    def close(self) -> None:
        pass


class Samples:
    """A store of samples alone, in memory: a `StoredPast`."""

    def __init__(self) -> None:
        self.times: defaultdict[int, list[int]] = defaultdict(list)
        self.values: defaultdict[int, list[float]] = defaultdict(list)

    def keep(self, batch: MetricBatch) -> None:
        for series, time, value in zip(batch.series, batch.time_unix_nano, batch.value, strict=True):
            self.times[int(series)].append(int(time))
            self.values[int(series)].append(float(value))

    def read_points(self, series: int, window: Window, max_points: int) -> SeriesPoints:
        times, values = np.array(self.times[series], np.int64), np.array(self.values[series])
        inside = (times >= window.start_unix_nano) & (times < window.end_unix_nano)
        found = values[inside]
        return SeriesPoints(times[inside], found, found, found, 0.0, len(found))

    def grid_samples(self, window: Window, step_seconds: float, limit: int) -> GridSamples:
        raise AssertionError("the scene says what the cause is")

    def tally_patterns(self, window: Window, step_seconds: float, limit: int) -> PatternTally:
        raise AssertionError("the scene says what the cause is")

    def tally_calls(self, window: Window, step_seconds: float, spans: int, limit: int) -> CallTally:
        raise AssertionError("the scene says what the cause is")

    def read_changes(self, window: Window, limit: int = 500) -> list[Change]:
        raise AssertionError("the scene says what the cause is")


class World:
    """One runbook, signed, flown and raised as far as its file asks for, and its trouble."""

    def __init__(self, runbook: Runbook, scene: Scene, folder: Path, helps: bool) -> None:
        self.runbook, self.scene = runbook, scene
        self.clock = FakeClock(START)
        config = Config(data_dir=folder)
        self.store = open_control_store(empty_store_in(folder), folder, self.clock)
        literal = [step.targets for step in runbook.steps if ":" in step.targets]
        self.system, self.samples = System(scene, (*literal, scene.subject)[0], helps), Samples()
        self.registry = SeriesRegistry()
        self.pipeline = Pipeline(config, self.registry)
        self._series = self._levels()
        around = Surroundings(self.pipeline, self.samples, lambda ask: ask(), self, lambda: True, str)
        means = Means(
            Inventory({"simulated": self.system}), "me", self._backups, lambda: True,
            lambda: self.clock.now_unix_nano() / 1e9, told=lambda _run: None,
        )  # fmt: skip
        self.made = assemble(config, self.store, around, self.clock, means)
        now = self.clock.now_unix_nano()
        self.store.save_runbook(runbook, "petrel", now)
        self.store.sign_runbook(runbook.name, runbook.version, "ada", now)
        self.store.set_replay_days(runbook.name, runbook.version, 30.0)
        if runbook.autonomy > Autonomy.SUGGEST:
            self.store.set_autonomy(runbook.name, runbook.autonomy, "ada", now, "the scene wants it")
        self.live(_CALM_SECONDS)
        self.system.troubled, self.began = True, self.clock.now_unix_nano()
        self.live(_TROUBLE_SECONDS)
        self.store.save_incidents([self.incident])

    def close(self) -> None:
        self.store.close()

    # ---------------------------------------------------------------------------------- the signals

    def _levels(self) -> dict[int, tuple[float, float]]:
        """Each series with its level in calm and in trouble: what the runbook looks at, and two symptoms."""
        found: dict[int, tuple[float, float]] = {}

        def series(metric: str, entity: str, calm: float, trouble: float) -> None:
            number = self.registry.intern(metric, {"of": entity}, "s", MetricKind.GAUGE, "", entity)
            found[number] = (calm, trouble)

        series("symptom_a", self.scene.subject, 1.0, 10.0)
        series("symptom_b", self.scene.subject, 1.0, 10.0)
        series("service_up", self.system.entity, 1.0, float(self.scene.healthy))
        for one in self.runbook.verification:
            metric = one.series.partition("{")[0]
            if metric not in ("", "service_up"):  # "": it is a finding that has to be over
                calm, trouble = (10.0, 1.0) if one.direction == "up" else (1.0, 10.0)
                holds = getattr(one, "hold", False)  # it is not touched by the trouble
                series(metric, self.system.entity, calm, calm if holds else trouble)
        return found

    def live(self, seconds: float) -> None:
        """Time goes on, and everything is sampled."""
        for _ in range(max(0, -(-int(seconds * 1000) // int(STEP * 1000)))):
            self.clock.advance(STEP)
            now = self.clock.now_unix_nano()
            wobble = 1.0 + 0.01 * ((now // from_seconds(STEP)) % 3 - 1)
            values = [levels[self.system.ill] * wobble for levels in self._series.values()]
            series = np.array(list(self._series), np.uint32)
            batch = MetricBatch(series, np.full(len(series), now, np.int64), np.array(values))
            self.samples.keep(self.pipeline.admit(batch, now).admitted.batch)

    @property
    def incident(self) -> Incident:
        """The incident of the runbook's trigger, with two signals that do not depend on one another."""
        trigger, subject = self.runbook.trigger, self.scene.subject
        severity = Severity[trigger.severities[0].upper()] if trigger.severities else Severity.ERROR
        detector = trigger.detectors[0] if trigger.detectors else "robust"
        now = self.clock.now_unix_nano()
        findings = tuple(
            Finding(
                f"f{series}", detector, 1, "h", subject, "strange", "w", severity, FindingState.OPEN,
                self.began, now,
                Evidence(
                    "metric", self.registry.info(series).text(), series, self.began, now, 10.0, 1.0,
                    *_BAND, 1e-9,
                ),
                self.scene.attributes,
            )
            for series in range(2)
        )  # fmt: skip
        return Incident("i1", "s", IncidentState.OPEN, severity, (subject,), self.began, now, 0, findings, ())

    def of(self, incident: Incident) -> Diagnosis:
        """What caused it: as the scene says."""
        classes = self.runbook.trigger.cause_classes
        kind = CauseClass(classes[0]) if classes else CauseClass.SATURATION
        cause = Cause(self.scene.subject, "", kind, 9.0, (), self.scene.change)
        return Diagnosis(incident.start_unix_nano, (cause,), (), self.scene.change, 0.95, True, ())

    def _backups(self, entities: Sequence[str]) -> tuple[Backup, ...]:
        now = self.clock.now_unix_nano()
        hour = from_seconds(3600.0)
        return tuple(Backup(entity, now - 2 * hour, now - hour, 86_400.0) for entity in entities)

    # ------------------------------------------------------------------------------------- the runs

    def look(self) -> list[Proposed]:
        """What is proposed now."""
        self.made.leader.renew()
        return self.made.proposer.look([self.incident], self.store.runbooks())

    def agree(self, run: Run) -> None:
        """Two people agree, who did not ask for it."""
        for name in ("rob", "eve"):
            self.made.desk.answer(run.run_id, run.plan_hash, True, (name, "page"), "")

    def to_end(self, run: Run) -> Run:
        """Drive a run to its end, while time passes as it asks for; whoever is asked agrees."""
        if run.state is RunState.WAITING:
            self.agree(run)
        for _ in range(200):
            self.made.leader.renew()
            pause = self.made.runs.advance(run.run_id)
            if pause is None:
                found = self.store.run(run.run_id)
                assert found is not None
                return found
            self.live(pause)
        raise AssertionError(f"no end in sight: {self.store.run(run.run_id)}")

    def pass_time(self, seconds: float) -> None:
        """Time goes on unseen, then is sampled again for a while."""
        self.clock.advance(seconds)
        self.live(_CALM_SECONDS)
