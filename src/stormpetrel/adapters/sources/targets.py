"""The source of what automation may act on: whether each target serves, as its actuator says."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog

from stormpetrel.errors import OverloadedError, StoreError
from stormpetrel.model.facts import LiveTarget
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import SeriesInterner

log = structlog.get_logger(__name__)

NAME = "targets"
UP, REPLICAS = "service_up", "service_replicas"
AT_ONCE = 2  # targets of one actuator that are read at once
_GATHER_SECONDS = 0.1  # readings this close together are one batch
_SLOW_SECONDS = 5.0  # a target that has not answered for so long is told of, once each time


class Readable(Protocol):
    """What lists targets and says how they stand; `app.inventory.Inventory` is one. Safe from any thread."""

    def listed(self) -> Sequence[tuple[str, str]]:
        """(actuator, entity) of every target."""
        ...

    def live(self, actuator: str, entity: str) -> LiveTarget | None:
        """How a target stands now; None when it cannot be read. May take as long as its actuator allows."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """One reading, and when it was there."""

    actuator: str
    entity: str
    live: LiveTarget | None
    time_unix_nano: int


class Lane:
    """The targets of one actuator, read by a few threads of its own: what is slow holds up its own lane only.

    A target that waits or is being read is not asked for again, so that nothing piles up.
    """

    def __init__(self, actuator: str, inventory: Readable, clock: Clock, told: queue.Queue[Told]) -> None:
        self._actuator, self._inventory, self._clock, self._told = actuator, inventory, clock, told
        self._wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._since: dict[str, float] = {}
        self._slow: set[str] = set()
        self._lock = threading.Lock()
        self._threads = 0

    def ask(self, entity: str) -> None:
        """Have a target read, unless it is already under way."""
        with self._lock:
            if entity in self._since:
                return
            self._since[entity] = time.monotonic()
            more = self._threads < min(AT_ONCE, len(self._since))
            self._threads += more
        self._wanted.put(entity)
        if more:
            name = f"source-{NAME}-{self._actuator}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def slow(self) -> list[str]:
        """Targets that did not answer for long and were not told of yet."""
        now = time.monotonic()
        with self._lock:
            late = {one for one, since in self._since.items() if now - since > _SLOW_SECONDS}
            new = sorted(late - self._slow)
            self._slow = late
        return new

    def end(self) -> None:
        """Its threads end when they have read what they are reading."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._wanted.put(None)

    def _work(self) -> None:
        while (entity := self._wanted.get()) is not None:
            live = None
            try:
                live = self._inventory.live(self._actuator, entity)
            except Exception:  # an actuator with a defect: its target is unknown, and the others are read on
                log.exception("target_not_read", actuator=self._actuator, entity=entity)
            with self._lock:
                del self._since[entity]
            self._told.put(Told(self._actuator, entity, live, self._clock.now_unix_nano()))


class TargetSource:
    """Reads every target of every actuator at a fixed interval: `service_up` (0 or 1, where it is known) and
    `service_replicas` (where it scales).

    Each actuator has a lane of its own, so that one that is slow, or hangs until its time-out, delays no
    other. What cannot be read has no sample: it is unknown, not down. A reading that cannot be stored is
    left out; a target that does not answer for five seconds is counted as refused, with the reason `slow`.

    Args:
        inventory: lists and reads.
        interner: gives the series their ids.
        interval_seconds: between two readings.
    """

    name = NAME

    def __init__(
        self, inventory: Readable, interner: SeriesInterner, clock: Clock, interval_seconds: float = 2.0
    ) -> None:
        self._inventory, self._interner, self._clock = inventory, interner, clock
        self._interval = interval_seconds

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Read and hand over until stopped; what is on its way to the store holds up no reading."""
        told: queue.Queue[Told] = queue.Queue()
        lanes: dict[str, Lane] = {}
        due = time.monotonic()
        try:
            while not stop.is_set():
                for actuator, entity in self._inventory.listed():
                    if actuator not in lanes:
                        lanes[actuator] = Lane(actuator, self._inventory, self._clock, told)
                    lanes[actuator].ask(entity)
                due = max(due + self._interval, time.monotonic())
                self._gather(told, due, intake, stop)
                for actuator, lane in lanes.items():
                    for entity in lane.slow():
                        intake.rejected(self.name, "slow", 1, f"{entity} of {actuator} does not answer")
        finally:
            for lane in lanes.values():
                lane.end()

    def _gather(self, told: queue.Queue[Told], until: float, intake: Intake, stop: threading.Event) -> None:
        """Hand over what comes until the time is there; what comes together goes together."""
        while not stop.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return
            try:
                readings = [told.get(timeout=min(left, _GATHER_SECONDS))]
            except queue.Empty:
                continue
            stop.wait(min(_GATHER_SECONDS, max(0.0, until - time.monotonic())))
            while not told.empty():
                readings.append(told.get())
            batch = self._batch(readings)
            if len(batch):
                self._hand_over(batch, intake)

    def _hand_over(self, batch: MetricBatch, intake: Intake) -> None:
        def count_failure(future: Future[None]) -> None:
            error = future.exception()
            if error is not None:
                intake.rejected(self.name, getattr(error, "reason", "error"), len(batch), str(error)[:200])

        try:
            intake.metrics(batch, self.name).add_done_callback(count_failure)
        except (OverloadedError, StoreError) as error:
            intake.rejected(self.name, error.reason, len(batch), str(error))

    def _batch(self, readings: Sequence[Told]) -> MetricBatch:
        series: list[int] = []
        times: list[int] = []
        values: list[float] = []
        for one in readings:
            if one.live is None:
                continue
            labels = labels_of(one.entity, one.actuator)
            for metric, value in ((UP, one.live.healthy), (REPLICAS, one.live.count)):
                if value is not None:
                    number = self._interner.intern(metric, labels, NAME, MetricKind.GAUGE, "", one.entity)
                    series.append(number)
                    times.append(one.time_unix_nano)
                    values.append(float(value))
        return MetricBatch(
            np.array(series, np.uint32), np.array(times, np.int64), np.array(values, np.float64)
        )


def labels_of(entity: str, actuator: str) -> Mapping[str, str]:
    """Labels that say which entity it is: of `service:shop` they are `service="shop"`, with the actuator."""
    kind, _, name = entity.partition(":")
    return {kind.replace("-", "_"): name, "actuator": actuator}
