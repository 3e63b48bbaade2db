"""The source of this host's own metrics and connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol

import numpy as np
import psutil

from stormpetrel.adapters.sources.host_connections import ConnectionReader
from stormpetrel.adapters.sources.host_processes import ProcessReader
from stormpetrel.adapters.sources.host_readings import (
    CpuReader,
    Reading,
    read_disks,
    read_filesystems,
    read_interfaces,
    read_memory,
    read_pressure,
    read_system,
)
from stormpetrel.errors import OverloadedError
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import SeriesInterner

STALE = np.array([STALE_MARKER_BITS], np.int64).view(np.float64)[0]


class HostSettings(Protocol):
    """What the source wants to know; `app.config.HostSourceConfig` is one."""

    @property
    def interval_seconds(self) -> float:
        """Time between readings."""
        ...

    @property
    def connections(self) -> bool:
        """Whether to tell which process is connected to whom."""
        ...

    @property
    def top_processes(self) -> int:
        """How many process names get series, by processor time and by memory each."""
        ...


class HostSource:
    """Reads the host on a fixed grid of event time and hands over one batch a reading.

    Works on Linux. A part that cannot be read is reported as `unreadable` and tried again at the next
    reading; a series that is not read any more (a process out of the top, an unmounted file system) is
    ended by a staleness marker. A reading that the intake refuses is counted and lost: the past of a
    host cannot be read again. Connections go with the readings, see `ConnectionReader`. Cost: about 0.1 ms a
    process and a few milliseconds for the rest.

    Args:
        config: interval and number of processes.
        interner: gives series their ids.
        clock: what the readings are dated by.
        entity_name: the host's name, as in `host:NAME`.
    """

    name = "host"

    def __init__(
        self, config: HostSettings, interner: SeriesInterner, clock: Clock, entity_name: str
    ) -> None:
        self._step = from_seconds(config.interval_seconds)
        self._interner = interner
        self._clock = clock
        self._entity = f"host:{entity_name}"
        self._labels = (("host", entity_name),)
        self._cpu = CpuReader()
        self._processes = ProcessReader(config.top_processes)
        self._alive: set[int] = set()
        self._connections = ConnectionReader(self._entity, self.name) if config.connections else None

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Read until `stop` is set; the first batch comes at the second point of the grid or earlier."""
        self.read(intake)  # shares of time need a reading before the first
        while not stop.is_set():
            now = self._clock.now_unix_nano()
            due = (now // self._step + 1) * self._step
            if stop.wait(to_seconds(due - now)):
                return
            # A timer may fire a little before the clock says so, and the clock may have jumped ahead.
            late = self._clock.now_unix_nano()
            stamp = due if late < due + self._step else late // self._step * self._step
            self._hand_over(self._batch(self.read(intake), stamp), intake)
            self.tell_connections(intake)

    def read(self, intake: Intake) -> list[Reading]:
        """Everything the host tells now; what it does not tell is reported to the intake."""
        now = self._clock.now_unix_nano()
        readers: list[Callable[[], Iterable[Reading]]] = [
            self._cpu.read,
            read_memory,
            read_system,
            read_pressure,
            read_disks,
            read_filesystems,
            read_interfaces,
            lambda: self._processes.read(now),
        ]
        readings: list[Reading] = []
        for reader in readers:
            try:
                readings.extend(reader())
            except (OSError, ValueError, psutil.Error) as error:
                intake.rejected(self.name, "unreadable", 1, str(error)[:200])
        return readings

    def tell_connections(self, intake: Intake) -> None:
        """Hand over whom this host is connected to, when it is time to look; see `ConnectionReader`."""
        if self._connections is None:
            return
        try:
            flows = self._connections.read(self._clock.now_unix_nano())
        except (OSError, ValueError, psutil.Error) as error:
            intake.rejected(self.name, "unreadable", 1, str(error)[:200])
            return
        if flows is not None:
            self._hand_over(flows, intake)

    def _batch(self, readings: list[Reading], stamp: int) -> MetricBatch:
        ids = [self._intern(reading) for reading in readings]
        values = [float(reading.value) for reading in readings]
        gone = sorted(self._alive - set(ids))
        self._alive = set(ids)
        series = np.array(ids + gone, np.uint32)
        value = np.full(len(series), STALE)
        value[: len(values)] = values
        return MetricBatch(series, np.full(len(series), stamp, np.int64), value)

    def _intern(self, reading: Reading) -> int:
        entity = f"{self._entity}/{reading.part}" if reading.part else self._entity
        labels = self._labels + reading.labels
        return self._interner.intern(reading.metric, labels, self.name, reading.kind, reading.unit, entity)

    def _hand_over(self, batch: MetricBatch | FlowBatch, intake: Intake) -> None:
        rows = len(batch)

        def count_failure(future: Future[None]) -> None:
            error = future.exception()
            if error is not None:
                intake.rejected(self.name, getattr(error, "reason", "error"), rows, str(error)[:200])

        try:
            if isinstance(batch, FlowBatch):
                intake.records(batch, self.name).add_done_callback(count_failure)
            else:
                intake.metrics(batch, self.name).add_done_callback(count_failure)
        except OverloadedError as error:
            intake.rejected(self.name, error.reason, rows, str(error)[:200])
