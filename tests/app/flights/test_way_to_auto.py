"""The way to `auto`: not without a flight over seven days of this very version, and then at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.app.flights.past import DAY, SHOP, START, RealShop, until, write_past
from tests.app.intake import FailingStore

from stormpetrel.act.library import shipped
from stormpetrel.act.runbook import read_runbook
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.automation_build import Means, Surroundings, assemble
from stormpetrel.app.config import Config
from stormpetrel.app.flight.desk import MAX_WAITING, FlightDesk
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.errors import ConfigError, NotFoundError, OverloadedError, StateError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Autonomy
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.job import JobState
from stormpetrel.model.ledger import EntryKind
from stormpetrel.model.run import RunState
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import Window
from stormpetrel.model.verdict import Outcome
from stormpetrel.ports.actuate import Actuator, Reading
from stormpetrel.testing.clock import FakeClock

RESTART = next(one for one in shipped() if one.name == "restart-failed-service")
NOW = START + 9 * DAY
WEEK = Window(START, START + 7 * DAY)


class FallenShop(RealShop):
    """It does not serve, now."""

    def read(self, entity: str) -> Reading:
        reading = super().read(entity)
        return replace(reading, live=replace(reading.live, healthy=False))


class Unsure:
    """Knows no cause."""

    def of(self, incident: Incident) -> Diagnosis:
        return Diagnosis(incident.start_unix_nano, (), (), "", 0.0, False, ())


def nothing() -> Pipeline:
    """One that knows no series."""
    return Pipeline(Config(), SeriesRegistry())


def fallen(number: int, now: int) -> Incident:
    """Two signals say that the shop does not serve."""
    bare = Evidence("alert", "", -1, now, now, 0.0, 1.0, 1.0, 1.0, 1.0)
    first = Finding("", "down", 1, "down", SHOP, "", "w", Severity.ERROR, FindingState.OPEN, now, now, bare)
    findings = tuple(
        replace(first, finding_id=f"f{number}-{name}", title=name, evidence=replace(bare, query=name))
        for name in ("up", "service_up")
    )
    return Incident(f"i{number}", "s", IncidentState.OPEN, Severity.ERROR, (SHOP,), now, now, 0, findings, ())


class Live:
    """The live wiring over a control store, judging one incident after the other."""

    def __init__(self, control: SqlControlStore, store: FailingStore, folder: Path) -> None:
        config, self.clock, self.control = Config(data_dir=folder), FakeClock(NOW), control
        registry = SeriesRegistry()
        self._series = registry.intern("m", {"service": "shop"}, "s", MetricKind.GAUGE, "")
        self.pipeline = Pipeline(config, registry)
        around = Surroundings(self.pipeline, store, lambda ask: ask(), Unsure(), lambda: True, str)
        inventory = Inventory({"shop": FallenShop()})
        means = Means(inventory, "me", lambda _: (), lambda: True, lambda: self.clock.now_unix_nano() / 1e9)
        self.made = assemble(config, control, around, self.clock, means)
        self._number = 0

    def proposed(self) -> tuple[RunState, str, Outcome]:
        """What becomes of a plan for another incident; what guardrail 4 says of it."""
        self._number += 1
        self.clock.advance(7200.0)  # out of every cooldown
        now = self.clock.now_unix_nano()
        one = MetricBatch(np.array([self._series], np.uint32), np.array([now]), np.array([1.0]))
        self.pipeline.admit(one, now)
        incident = fallen(self._number, now)
        self.control.save_incidents([incident])
        self.made.leader.renew()
        (found,) = self.made.proposer.look([incident], self.control.runbooks())
        said = found.judgement.verdicts[3]
        return found.run.state, said.reason, said.outcome


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqlControlStore]:
    """A control store that can keep a ledger, with the runbook signed and raised early by an admin."""
    store = open_control_store(f"sqlite:///{tmp_path / 'kept.sqlite'}", tmp_path, FakeClock(NOW))
    store.save_runbook(RESTART, "petrel", NOW)
    store.sign_runbook(RESTART.name, RESTART.version, "ada", NOW)
    store.set_autonomy(RESTART.name, Autonomy.AUTO, "ada", NOW, "we know it")
    yield store
    store.close()


@pytest.fixture
def desk(failing: FailingStore, kept: SqlControlStore) -> Iterator[FlightDesk]:
    registry = SeriesRegistry()
    write_past(failing, registry, 7.0)
    shop: dict[str, Actuator] = {"shop": RealShop()}
    one = FlightDesk(Config(), failing, kept, Pipeline(Config(), registry), shop, FakeClock(NOW))
    yield one
    one.close()


def test_auto_takes_a_flight_over_seven_days_of_this_version(
    desk: FlightDesk, failing: FailingStore, kept: SqlControlStore, tmp_path: Path
) -> None:
    live = Live(kept, failing, tmp_path)
    state, reason, outcome = live.proposed()
    assert (state, outcome) == (RunState.WAITING, Outcome.ASK)
    assert reason.startswith("the flight report of this version covers 0 days, 7 are needed")
    flight = desk.submit(WEEK, "ada")
    until(lambda: not desk.flight(flight.flight_id).open)
    done = desk.flight(flight.flight_id)
    assert (done.state, done.error, done.progress_ratio) == (JobState.DONE, "", 1.0)
    assert done.report is not None
    assert done.report.covered_days == 7.0
    assert done.recorded == ((RESTART.name, RESTART.version),)
    (entry,) = [one for one in kept.ledger(limit=500) if "flown_days" in one.body]
    assert (entry.kind, entry.runbook) == (EntryKind.RUNBOOK, RESTART.name)
    assert json.loads(entry.body)["version"] == RESTART.version
    state, reason, outcome = live.proposed()
    assert (state, outcome) == (RunState.READY, Outcome.ALLOW), reason
    assert reason == "raised to auto by ada before its record did"
    # A shorter flight takes nothing away; another version begins with nothing.
    kept.set_replay_days(RESTART.name, RESTART.version, 1.0)
    assert kept.runbooks()[0].track.replay_days == 7.0
    newer = read_runbook(RESTART.text.replace("timeout: 60s", "timeout: 61s"), "newer")
    kept.save_runbook(newer, "petrel", NOW)
    kept.sign_runbook(newer.name, newer.version, "ada", NOW)
    kept.set_autonomy(newer.name, Autonomy.AUTO, "ada", NOW, "we know it")
    _, reason, outcome = live.proposed()
    assert outcome is Outcome.ASK
    assert reason.startswith("the flight report of this version covers 0 days")
    # What was flown is there after a restart, to the last digit.
    again = FlightDesk(Config(), failing, kept, nothing(), {}, FakeClock(NOW))
    assert again.flights() == desk.flights()


def test_flights_wait_in_a_short_queue_and_are_stopped(desk: FlightDesk, kept: SqlControlStore) -> None:
    made = [desk.submit(WEEK, f"p{number}") for number in range(MAX_WAITING + 1)]
    with pytest.raises(OverloadedError, match="wait already"):
        desk.submit(WEEK, "one too many")
    for one in reversed(made):
        desk.cancel(one.flight_id)
    until(lambda: not any(one.open for one in desk.flights()))
    assert {one.state for one in desk.flights()} == {JobState.CANCELLED}
    with pytest.raises(StateError, match="cannot be cancelled"):
        desk.cancel(made[0].flight_id)
    with pytest.raises(NotFoundError):
        desk.flight("none")
    assert kept.runbooks()[0].track.replay_days == 0.0, "a flight that did not end counts for nothing"


def test_what_cannot_be_flown_is_refused_at_once(
    desk: FlightDesk, failing: FailingStore, kept: SqlControlStore, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="longer than 31 days"):
        desk.submit(Window(START, START + 32 * DAY), "ada")
    without = FlightDesk(Config(), failing, kept, nothing(), {}, FakeClock(NOW))
    with pytest.raises(ConfigError, match="no actuator is configured"):
        without.submit(WEEK, "ada")
    (tmp_path / "bare").mkdir()
    bare = open_control_store(f"sqlite:///{tmp_path / 'bare' / 'c.sqlite'}", tmp_path / "bare")
    empty = FlightDesk(Config(), failing, bare, nothing(), {"shop": RealShop()}, FakeClock(NOW))
    with pytest.raises(ConfigError, match="no runbook is in use"):
        empty.submit(WEEK, "ada")
    bare.close()
