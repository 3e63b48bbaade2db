"""Automation awake in the past: the live code over a control store of its own, at the pace of a replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stormpetrel.act.guardrails.autonomy import REPLAY_DAYS
from stormpetrel.act.progress import Verified
from stormpetrel.act.verify import Measured, judged
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.automation_build import Means, Measure, Surroundings, assemble, backups_of
from stormpetrel.app.config import Config
from stormpetrel.app.config_automation import limits_of
from stormpetrel.app.diagnose import DiagnoseDesk
from stormpetrel.app.flight.actuator import past_actuators
from stormpetrel.app.flight.past import FlightClock, PastDiagnoses, PastStore
from stormpetrel.app.flight.readings import PastReadings
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.judge import TICK_SECONDS
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.proposals import Proposed
from stormpetrel.errors import StateError
from stormpetrel.model.action import Autonomy
from stormpetrel.model.calendar import CalendarEntry
from stormpetrel.model.facts import Backup
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.run import Run, StepRecord, Verification
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.time import Window, from_seconds, to_seconds
from stormpetrel.ports.actuate import Actuator
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

NAME = "flight"
# Between looks at incidents that have not changed; live it is some seconds, and nothing else differs by it.
_LOOK = from_seconds(30.0)
_TICK = from_seconds(TICK_SECONDS)
_MOST_AT_ONCE = 200  # things that are done for one run at one moment


@dataclass(frozen=True, slots=True)
class Stored:
    """What a flight is made of; it changes none of it.

    Attributes:
        store: the telemetry.
        control: what people said, and what backup tools reported.
        runbooks: that fly, each in one version.
        actuators: the real ones, which are read once and never act.
        entries: of the calendar, that came from elsewhere than the configuration and people.
    """

    store: TelemetryStore
    control: ControlStore
    runbooks: tuple[Runbook, ...]
    actuators: Mapping[str, Actuator]
    entries: tuple[CalendarEntry, ...] = ()


class Crew:
    """Proposes, judges, admits and drives runs as the live process does, at the pace of a replay.

    Every runbook is signed here, counts as flown, and has the highest level that its file asks for: a flight
    is to show what follows from that. Nobody answers and nobody decides. Not safe from several threads.

    Args:
        config: as it is in force.
        stored: see there.
        pipeline: the fresh one that the replay goes through.
        window: in which automation is awake; before it the detectors warm up.
        folder: where the control store of the flight is made.
    """

    def __init__(
        self, config: Config, stored: Stored, pipeline: Pipeline, window: Window, folder: Path
    ) -> None:
        self._window = window
        self.clock = FlightClock(window.start_unix_nano)
        self.limits = limits_of(config.automation)
        url = f"sqlite:///{folder / 'flight.sqlite'}"
        self.control: SqlControlStore = open_control_store(url, folder, self.clock, self.limits)
        self.readings = PastReadings(stored.store, pipeline.registry, self.clock)
        actuators, self.missing = past_actuators(stored.actuators, self.readings)
        past = PastStore(stored.store, self.clock)
        causes = PastDiagnoses(DiagnoseDesk(past, self.control, pipeline, self.clock), self.clock)
        around = Surroundings(pipeline, past, lambda ask: ask(), causes, lambda: True, str)
        backups = partial(_known_backups, partial(backups_of, config, stored.control), self.clock)
        means = Means(
            Inventory(actuators), NAME, backups, lambda: True, self.clock.seconds, self._measured,
            lambda _run: None,
        )  # fmt: skip
        lasting = config.automation.model_copy(update={"lease_seconds": 2 * to_seconds(_LOOK)})
        own = config.model_copy(update={"data_dir": folder, "automation": lasting})
        self._made = assemble(own, self.control, around, self.clock, means)
        self._due: dict[str, int] = {}
        self._unresolved: set[str] = set()
        self._looked = 0
        self.proposed: list[str] = []
        self.incidents: dict[str, Incident] = {}
        self.afterwards: dict[str, Verified] = {}  # what the past says, by run
        for runbook in stored.runbooks:
            self._trust(runbook)

    def close(self) -> None:
        """Release the store."""
        self.control.close()

    def _trust(self, runbook: Runbook) -> None:
        now, store = self.clock.now_unix_nano(), self.control
        store.save_runbook(runbook, NAME, now)
        store.sign_runbook(runbook.name, runbook.version, NAME, now)
        store.set_replay_days(runbook.name, runbook.version, REPLAY_DAYS)
        if runbook.autonomy > Autonomy.SUGGEST:
            store.set_autonomy(runbook.name, runbook.autonomy, NAME, now, "to see what would follow")

    # ------------------------------------------------------------------------------------- the ticks

    def tick(self, now_unix_nano: int, changed: Sequence[Incident]) -> None:
        """One tick of the replay, with the incidents that changed in it."""
        self.clock.set(now_unix_nano)
        if changed:
            self._keep(changed)
        if now_unix_nano < self._window.start_unix_nano:
            return
        if self._unresolved and (changed or now_unix_nano - self._looked >= _LOOK):
            self._looked = now_unix_nano
            self._made.leader.renew()
            for one in self._made.desk.look():
                self._take(one)
        if any(due <= now_unix_nano for due in self._due.values()):
            self._made.leader.renew()
            for run_id in [one for one, due in self._due.items() if due <= now_unix_nano]:
                self._advance(run_id)

    def _keep(self, changed: Sequence[Incident]) -> None:
        newest = {one.incident_id: one for one in changed}
        self.control.save_incidents(list(newest.values()))
        for one in newest.values():
            self.incidents[one.incident_id] = one
            if one.state is not IncidentState.RESOLVED:
                self._unresolved.add(one.incident_id)
                continue
            self._unresolved.discard(one.incident_id)
            if self.clock.now_unix_nano() < self._window.start_unix_nano:
                del self.incidents[one.incident_id]  # over before automation was awake

    def _take(self, made: Proposed) -> None:
        self.proposed.append(made.run.run_id)
        if not made.run.ended:
            self._due[made.run.run_id] = self.clock.now_unix_nano()

    def _measured(self, measure: Measure) -> Measure:
        """Measures as live, but where the past did not come right it says nothing about the act: the act was
        not really done, so that it did not help, or did harm, would be made up. It is inconclusive."""

        def measured(run: Run, record: StepRecord, now_unix_nano: int) -> Measured:
            found = measure(run, record, now_unix_nano)
            said = self.afterwards[run.run_id] = judged(found)
            if said.result is Verification.FIXED:
                return found
            raise StateError(f"the past knows nothing of this act; without it: {said.result.value}")

        return measured

    def _advance(self, run_id: str) -> None:
        """Take a run as far as it goes at this moment."""
        for _ in range(_MOST_AT_ONCE):
            pause = self._made.runs.advance(run_id)
            if pause is None:
                del self._due[run_id]
                return
            if pause > 0:
                self._due[run_id] = self.clock.now_unix_nano() + from_seconds(pause)
                return
        self._due[run_id] = self.clock.now_unix_nano() + _TICK


def _known_backups(
    found: Callable[[Sequence[str]], tuple[Backup, ...] | None], clock: FlightClock, entities: Sequence[str]
) -> tuple[Backup, ...] | None:
    """The backups of today that were there at the flight's time. Of earlier ones nothing is kept for sure,
    and what is not known to be there is not."""
    now = clock.now_unix_nano()
    kept = found(entities)
    return kept and tuple(one for one in kept if one.restore_verified_unix_nano <= now)
