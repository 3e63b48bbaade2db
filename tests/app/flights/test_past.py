"""What a flight sees: nothing of what comes later, targets as they stood, and acts in a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.app.flights.past import MINUTE, START, RealShop
from tests.app.intake import FailingStore

from stormpetrel.app.flight.actuator import PastActuator, past_actuators
from stormpetrel.app.flight.past import FlightClock, PastStore
from stormpetrel.app.flight.readings import PastReadings
from stormpetrel.errors import ActuatorError, NotFoundError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Action, EffectClass, Origin, Parameter, Target
from stormpetrel.model.facts import Group, LiveTarget, Owner
from stormpetrel.model.run import ActOutcome
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import Window
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema, Reading

A, B = "service:a", "service:b"
SCALE = ActionSchema(
    "service.scale", EffectClass.REVERSIBLE, "replicas",
    (ParameterSchema("replicas", "int", required=True, least=0, most=100),), "service.scale", fences=True,
)  # fmt: skip
STOP = ActionSchema("service.stop", EffectClass.DISRUPTIVE, "running", (), "service.start", fences=True)
START_IT = ActionSchema("service.start", EffectClass.REVERSIBLE, "running", (), "service.stop", fences=True)
GROUP = Group("shop", (A, B), (A, B), 1)
READING = Reading(
    LiveTarget(A, True, "today", True, None, 9, 1, 20, True), False, GROUP,
    (Owner(A, "replicas", "autoscaler"), Owner(A, "", "run:r1")),
)  # fmt: skip


@pytest.fixture
def clock() -> FlightClock:
    return FlightClock(START)


@pytest.fixture
def actuator(failing: FailingStore, clock: FlightClock) -> PastActuator:
    """Two members: `a` served throughout, 2 replicas, then 5; `b` fell after ten minutes, then silence."""
    registry = SeriesRegistry()

    def series(metric: str, name: str) -> int:
        return registry.intern(metric, {"service": name, "actuator": "x"}, "targets", MetricKind.GAUGE, "")

    rows: list[tuple[int, int, float]] = []
    for minute in range(30):
        rows += [
            (series("service_up", "a"), minute, 1.0),
            (series("service_replicas", "a"), minute, 2.0 if minute < 20 else 5.0),
        ]
        if minute < 20:
            rows.append((series("service_up", "b"), minute, float(minute < 10)))
    failing.insert_series([registry.info(number) for number in range(len(registry))])
    failing.insert_samples(
        MetricBatch(
            np.array([row[0] for row in rows], np.uint32),
            np.array([START + row[1] * MINUTE for row in rows], np.int64),
            np.array([row[2] for row in rows]),
        ),
        "past",
    )
    stood = {A: READING, B: replace(READING, live=replace(READING.live, entity=B), owners=())}
    return PastActuator("x", (SCALE, STOP, START_IT), stood, PastReadings(failing, registry, clock))


def scale(entity: str, replicas: int) -> Action:
    target = Target(entity, "x", "shop", "g", False, Origin.INVENTORY)
    wanted = Parameter("replicas", replicas, Origin.FACT, validated=True)
    return Action("service.scale", "replicas", (target,), (wanted,), EffectClass.REVERSIBLE)


def test_targets_stand_as_was_stored_and_are_built_as_today(
    actuator: PastActuator, clock: FlightClock
) -> None:
    clock.set(START + 5 * MINUTE)
    reading = actuator.read(A)
    assert (reading.live.healthy, reading.live.count, reading.live.most) == (True, 2, 20)
    assert reading.group == GROUP
    assert [one.owner for one in reading.owners] == ["autoscaler"], "runs of today are not of then"
    clock.set(START + 12 * MINUTE)
    assert actuator.read(B).live.healthy is False
    group = actuator.read(A).group
    assert group is not None
    assert group.healthy == (A,)
    clock.set(START + 25 * MINUTE)
    silent = actuator.read(B).live
    assert (silent.healthy, silent.count, silent.inputs_known) == (None, None, False)
    with pytest.raises(NotFoundError):
        actuator.read("service:stranger")


def test_what_is_asked_is_done_once_in_the_model_until_the_record_moves(
    actuator: PastActuator, clock: FlightClock
) -> None:
    clock.set(START + 5 * MINUTE)
    before = actuator.read(A).live
    inverse = actuator.inverse(scale(A, 4))
    assert inverse is not None
    assert (inverse.kind, inverse.parameter("replicas")) == ("service.scale", 2)
    order = Order("k1", scale(A, 4), 10.0, 1)
    assert actuator.resolve(order).outcome is ActOutcome.NOT_DONE
    assert actuator.act(order) == actuator.act(order) == actuator.resolve(order)
    after = actuator.read(A).live
    assert (after.count, after.healthy) == (4, True)
    assert after.generation != before.generation, "a plan that was made before is stale"
    clock.set(START + 21 * MINUTE)
    assert actuator.read(A).live.count == 5, "somebody scaled it at the time"
    stranger = Order("k2", scale("service:stranger", 4), 10.0, 1)
    assert actuator.act(stranger).outcome is ActOutcome.NOT_DONE
    stop = replace(scale(A, 0), kind="service.stop", parameters=())
    back = actuator.inverse(stop)
    assert back is not None
    assert back.kind == "service.start"


def test_nothing_is_seen_of_what_comes_later(failing: FailingStore, actuator: PastActuator) -> None:
    clock = FlightClock(START + 7 * MINUTE)
    past = PastStore(failing, clock)
    wide = Window(START, START + 60 * MINUTE)
    assert len(past.read_points(0, wide, 1000).mean) == 7
    assert int(past.grid_samples(wide, 60.0, 10).step.max()) == 6
    assert len(past.read_points(0, Window(START + 8 * MINUTE, START + 9 * MINUTE), 10).mean) == 0
    assert past.read_changes(wide) == []
    assert len(past.tally_patterns(wide, 60.0, 10).step) == 0
    assert len(past.tally_calls(wide, 60.0, 10, 10).step) == 0


class Broken(RealShop):
    """Its system does not answer; or one target of it does not."""

    def __init__(self, silent: bool) -> None:
        super().__init__()
        self.silent = silent

    def targets(self) -> tuple[str, ...]:
        if self.silent:
            raise ActuatorError("no route")
        return (*super().targets(), "service:gone")


def test_what_cannot_be_read_today_is_told(failing: FailingStore, clock: FlightClock) -> None:
    readings = PastReadings(failing, SeriesRegistry(), clock)
    real = {"away": Broken(silent=True), "shop": Broken(silent=False)}
    found, missing = past_actuators(real, readings)
    assert list(found) == ["shop"]
    assert found["shop"].targets() == ("service:shop",)
    assert missing == [
        "The actuator away does not answer now, so nothing of it was flown.",
        "shop cannot read service:gone now, so no plan of the flight has them as a target.",
    ]
    assert found["shop"].read("service:shop").live.healthy is None
    assert readings.unknown == {"service:shop"}
