"""The estate: conditions, bent by faults, worked out once, reported as metrics, logs and spans."""

from __future__ import annotations

import numpy as np

from stormpetrel.model.signal import MetricKind
from stormpetrel.model.time import NANOS_PER_SECOND, from_seconds
from stormpetrel.simulate.conditions import Ticks, normal_conditions
from stormpetrel.simulate.entities import batch, checkout, hosts, mail_queue, orders_db
from stormpetrel.simulate.faults import Fault
from stormpetrel.simulate.noise import Floats, Noise
from stormpetrel.simulate.operation import Operation, Works
from stormpetrel.simulate.records import log_records
from stormpetrel.simulate.signals import Column, MetricColumns, SeriesSpec, Signals
from stormpetrel.simulate.traces import Tracer

ENTITIES = (checkout.columns, orders_db.columns, mail_queue.columns, batch.columns, hosts.columns)
MAX_TICKS_PER_STEP = 200_000  # about 250 MB of columns; longer spans are stepped through by the caller


class Estate:
    """A web service, a database, a queue, a nightly job and ten hosts, about 140 series.

    Deterministic in (seed, start, step, faults), and independent of how time is cut into steps: two
    short steps give what one long one gives, bit for bit. Event time only: it reads no clock.

    Good for demonstrations and for tests of the whole way of a signal. It is not a benchmark of
    detection: its noise is kinder than the world's, and its faults are known.

    Args:
        seed: of everything random.
        start_unix_nano: first moment; rounded up to the sampling grid. Counters start at 0 there.
        step_seconds: sampling interval of every series, in whole milliseconds.
        faults: what goes wrong, in any order; they may overlap.
        nightly: whether the nightly job and the archiving run; over less than some days they are unusual.

    Example:
        >>> estate = Estate(seed=7, start_unix_nano=0)
        >>> len(estate.step(60 * 10**9).metrics.time_unix_nano)
        12
    """

    def __init__(
        self,
        seed: int,
        start_unix_nano: int,
        step_seconds: float = 5.0,
        faults: tuple[Fault, ...] = (),
        nightly: bool = True,
    ) -> None:
        step_nanos = from_seconds(step_seconds)
        if step_nanos < 100_000_000 or step_nanos % 1_000_000:
            raise ValueError(f"step_seconds {step_seconds} must be whole milliseconds and at least 0.1")
        self.step_seconds = step_seconds
        self.faults = faults
        self._nightly = nightly
        self._step_nanos = step_nanos
        self._next = -(-start_unix_nano // step_nanos)
        self._start_seconds = self._next * step_nanos / NANOS_PER_SECOND
        self._noise = Noise(seed)
        self._works = Works(self._noise)
        self._tracer = Tracer(self._noise)
        self._totals: Floats | None = None

    @property
    def now_unix_nano(self) -> int:
        """The first moment that was not emitted yet."""
        return self._next * self._step_nanos

    def add_fault(self, fault: Fault) -> None:
        """Plan another fault; ValueError when it would begin in the past, which is already told."""
        if fault.start_unix_nano < self.now_unix_nano:
            raise ValueError(f"{fault.name} would begin before what the estate has already emitted")
        self.faults = (*self.faults, fault)

    def step(self, until_unix_nano: int) -> Signals:
        """Everything from where the last step ended up to (not including) `until`.

        O(ticks x series), about 20 ms for a thousand ticks. A moment in the past gives empty columns.

        Raises:
            ValueError: the step is longer than `MAX_TICKS_PER_STEP` ticks.
        """
        end = max(-(-until_unix_nano // self._step_nanos), self._next)
        if end - self._next > MAX_TICKS_PER_STEP:
            raise ValueError(f"a step of {end - self._next} ticks is too long; step in shorter spans")
        ticks = Ticks(np.arange(self._next, end, dtype=np.int64), self._step_nanos / NANOS_PER_SECOND)
        self._next = end
        conditions = normal_conditions(ticks, self._noise)
        if not self._nightly:
            conditions.batch[:] = 0.0
            conditions.since_archive = ticks.seconds - self._start_seconds
        for fault in self.faults:
            fault.apply(conditions)
        operation = self._works.run(conditions)
        return Signals(
            metrics=self._metrics(operation),
            logs=log_records(operation, self.faults, self._noise),
            spans=self._tracer.spans(operation),
        )

    def _metrics(self, operation: Operation) -> MetricColumns:
        columns = [column for report in ENTITIES for column in report(operation, self._noise)]
        value = np.column_stack([column.value for column in columns])
        self._accumulate(columns, value)
        specs: tuple[SeriesSpec, ...] = tuple(column.spec for column in columns)
        return MetricColumns(specs, operation.conditions.ticks.time_unix_nano, value)

    def _accumulate(self, columns: list[Column], value: Floats) -> None:
        """Counters: what was added becomes a running total, in place."""
        counters = np.array([column.spec.kind is MetricKind.COUNTER for column in columns])
        if self._totals is None:
            self._totals = np.zeros(int(counters.sum()))
        # One sequential sum from the carried total on: the same additions in the same order however
        # time is cut, so the same bits.
        running = np.cumsum(np.vstack([self._totals, value[:, counters]]), axis=0)
        value[:, counters] = running[1:]
        self._totals = running[-1]
