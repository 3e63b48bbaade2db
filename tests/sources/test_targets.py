"""Targets of actuators as series: each actuator at its own pace, unknown is not down."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.targets import AT_ONCE, Lane, TargetSource, Told, labels_of
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.facts import LiveTarget
from stormpetrel.model.signal import MetricBatch
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.memory import MemoryIntake

FAST, SLOW = ("fast", "service:shop"), ("slow", "service:cart")


class Targets:
    """What is listed and how it stands; a target of `held` answers when it is let go."""

    def __init__(self) -> None:
        self.names = [FAST, SLOW]
        self.stands: dict[str, LiveTarget | None] = {
            "service:shop": LiveTarget("service:shop", True, "g", True, None, count=3),
            "service:cart": LiveTarget("service:cart", True, "g", False, None),
        }
        self.asked: list[str] = []
        self.held: set[str] = set()
        self.let_go = threading.Event()

    def listed(self) -> list[tuple[str, str]]:
        return list(self.names)

    def live(self, actuator: str, entity: str) -> LiveTarget | None:
        self.asked.append(entity)
        if entity in self.held:
            self.let_go.wait(60)
        return self.stands[entity]


@pytest.fixture
def targets() -> Iterator[Targets]:
    made = Targets()
    yield made
    made.let_go.set()


class Running:
    """The source in a thread, over an intake that remembers."""

    def __init__(self, targets: Targets) -> None:
        self.registry, self.intake, self.stop = SeriesRegistry(100), MemoryIntake(), threading.Event()
        source = TargetSource(targets, self.registry, SystemClock(), 0.05)
        self.thread = threading.Thread(target=source.run, args=(self.intake, self.stop), daemon=True)
        self.thread.start()

    def values(self, metric: str, entity: str) -> list[float]:
        found: list[float] = []
        for kept in self.intake.kept():
            assert isinstance(kept.batch, MetricBatch)
            for series, value in zip(kept.batch.series.tolist(), kept.batch.value.tolist(), strict=True):
                info = self.registry.info(series)
                if (info.metric, info.entity) == (metric, entity):
                    found.append(value)
        return found

    def wait_for(self, metric: str, entity: str, count: int) -> list[float]:
        for _ in range(6000):
            found = self.values(metric, entity)
            if len(found) >= count:
                return found
            self.thread.join(0.01)
            assert self.thread.is_alive()
        raise AssertionError(f"{metric} of {entity} was told {len(found)} times")

    def end(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def test_it_holds_to_the_contract_of_sources() -> None:
    check_source(lambda: TargetSource(Targets(), SeriesRegistry(100), SystemClock(), 0.05))


def test_what_is_known_is_told_and_no_more(targets: Targets) -> None:
    running = Running(targets)
    assert set(running.wait_for("service_up", "service:cart", 3)) == {0.0}
    assert set(running.wait_for("service_replicas", "service:shop", 3)) == {3.0}
    assert running.values("service_replicas", "service:cart") == [], "it does not scale"
    running.end()


def test_one_that_hangs_delays_nobody_else_and_is_not_asked_twice(targets: Targets) -> None:
    targets.held.add("service:cart")
    running = Running(targets)
    assert set(running.wait_for("service_up", "service:shop", 5)) == {1.0}
    assert targets.asked.count("service:cart") == 1
    assert running.values("service_up", "service:cart") == [], "unknown, and not down"
    targets.let_go.set()
    running.wait_for("service_up", "service:cart", 2)
    running.end()


def test_it_ends_while_a_target_hangs(targets: Targets) -> None:
    targets.held.add("service:cart")
    running = Running(targets)
    running.wait_for("service_up", "service:shop", 1)
    running.end()


def test_what_cannot_be_read_has_no_sample(targets: Targets) -> None:
    targets.stands["service:cart"] = None
    running = Running(targets)
    running.wait_for("service_up", "service:shop", 3)
    running.end()
    assert running.values("service_up", "service:cart") == []


def test_a_lane_reads_a_few_at_once(targets: Targets) -> None:
    targets.held = {f"service:{n}" for n in range(10)}
    targets.stands.update(dict.fromkeys(targets.held))
    told: queue.Queue[Told] = queue.Queue()
    lane = Lane("slow", targets, SystemClock(), told)
    for one in sorted(targets.held):
        lane.ask(one)
    while len(targets.asked) < AT_ONCE:
        threading.Event().wait(0.01)
    assert len(targets.asked) == AT_ONCE
    targets.let_go.set()
    for _ in range(10):
        told.get(timeout=30)
    lane.end()


@pytest.mark.parametrize("entity", ["service:shop", "deployment:shop", "node:n1", "address-list:edge"])
def test_its_series_are_about_the_entity(targets: Targets, entity: str) -> None:
    targets.names = [("it", entity)]
    targets.stands = {entity: LiveTarget(entity, True, "g", True, None)}
    running = Running(targets)
    assert set(running.wait_for("service_up", entity, 1)) == {1.0}
    running.end()


def test_labels_name_kind_and_actuator() -> None:
    assert labels_of("service:shop", "units") == {"service": "shop", "actuator": "units"}
    assert labels_of("address-list:edge", "nft") == {"address_list": "edge", "actuator": "nft"}
