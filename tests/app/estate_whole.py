"""The whole way in memory: what the estate says goes through every stage as shipped, up to causes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

import numpy as np
from tests.app.estate import log_batch, metric_batch, span_batch
from tests.app.estate_store import EstateStore

from stormpetrel.app.config import Config
from stormpetrel.app.derive import Deriver, Told
from stormpetrel.app.diagnose import DiagnoseDesk
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.app.prepare import Prepare
from stormpetrel.app.tally import SourceTally
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.record_columns import build_changes
from stormpetrel.model.records import ChangeBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import from_iso, from_seconds
from stormpetrel.simulate.deploys import deploys_of
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS, Fault
from stormpetrel.simulate.signals import LogColumns, MetricColumns, Signals, SpanColumns
from stormpetrel.testing.clock import FakeClock

Columns = TypeVar("Columns", LogColumns, SpanColumns)
STEP_SECONDS = 15.0
TICK_SECONDS = 5.0
_CHUNK_SECONDS = 600.0
# After an incident opens a person needs some minutes to look at it.
ASKED_SECONDS = 300.0


@dataclass(slots=True)
class Lived:
    """What came of a stretch of time.

    Attributes:
        opened: when each incident was first told, in order; Unix nanoseconds by id.
        diagnoses: what was said of each when it was asked, `ASKED_SECONDS` after it opened.
    """

    opened: dict[str, int] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    diagnoses: dict[str, Diagnosis] = field(default_factory=dict)

    def take(self, outcome: Outcome, now: int) -> None:
        self.findings.update((one.finding_id, one) for one in outcome.findings)
        for incident in outcome.incidents:
            self.opened.setdefault(incident.incident_id, now)
            self.incidents[incident.incident_id] = incident


class Installation:
    """One Storm Petrel, configured by default, that an estate reports to every quarter of a minute.

    Metrics come at their time, log records and spans when their quarter of a minute is over, and time
    advances in the ticks of the judge. No thread, no disk, no network.
    """

    def __init__(self, seed: int, start: int, config: Config | None = None) -> None:
        config = config or Config()
        self.estate = Estate(seed, start, STEP_SECONDS, nightly=False)
        self.registry = SeriesRegistry()
        self.pipeline = Pipeline(config, self.registry)
        self.store = EstateStore()
        self.clock = FakeClock(start)
        self.lived = Lived()
        self._prepare = Prepare(config.redact)
        self._derived: list[MetricBatch] = []
        patterns = self.pipeline.patterns
        self._deriver = Deriver(
            config.derive,
            self.registry,
            self.clock,
            cast("Any", self),
            SourceTally(),
            Told(patterns.find, patterns.values, tuple),
        )
        self.desk = DiagnoseDesk(cast("Any", self.store), cast("Any", self.store), self.pipeline, self.clock)

    def live(self, seconds: float) -> Lived:
        """Go on for so long; what came of it."""
        self.lived = Lived()
        end = self.estate.now_unix_nano + from_seconds(seconds)
        while self.estate.now_unix_nano < end:
            chunk = self.estate.step(min(end, self.estate.now_unix_nano + from_seconds(_CHUNK_SECONDS)))
            for signals in _by_tick(chunk):
                self._tick(signals)
            self.store.forget_before(self.clock.now_unix_nano())
        return self.lived

    def strike(self, name: str, after_seconds: float, seconds: float, magnitude: float = 1.0) -> Fault:
        """Plan a fault; a bad deploy is told as whoever deploys tells it."""
        start = self.estate.now_unix_nano + from_seconds(after_seconds)
        fault = FAULTS[name](start, seconds, magnitude)
        self.estate.add_fault(fault)
        return fault

    # ------------------------------------------------------------------------------------- stages

    def _tick(self, signals: Signals) -> None:
        start = int(signals.metrics.time_unix_nano[0])
        self.clock.set(start)
        self._metrics(metric_batch(signals.metrics, self.registry))
        for number in range(1, round(STEP_SECONDS / TICK_SECONDS) + 1):
            now = start + from_seconds(number * TICK_SECONDS)
            self.clock.set(now)
            if number * TICK_SECONDS >= STEP_SECONDS:
                self._rest(signals)
            self._deriver.step(None, now)
            self._take_derived()
            self._take(self.pipeline.advance(now))
            self._ask(now)

    def _metrics(self, batch: MetricBatch) -> None:
        admitted = self.pipeline.admit(batch, self.clock.now_unix_nano()).admitted
        if not len(admitted.batch):
            return
        self.store.metrics.append(admitted.batch)
        self._deriver.step(admitted, self.clock.now_unix_nano())
        self._take(self.pipeline.judge_metrics(admitted))

    def _rest(self, signals: Signals) -> None:
        if len(signals.logs):
            logs = cast("LogBatch", self._prepare(log_batch(signals.logs)))
            logs = self.pipeline.mine(logs)
            self.store.logs.append(logs)
            self._deriver.step(logs, self.clock.now_unix_nano())
            self._take(self.pipeline.judge_logs(logs))
        if len(signals.spans):
            spans = cast("SpanBatch", self._prepare(span_batch(signals.spans)))
            self.store.spans.append(spans)
            self._deriver.step(spans, self.clock.now_unix_nano())
            self._take(self.pipeline.judge_spans(spans))
        changes = _deploys(signals.logs)
        if changes is not None:
            self.store.changes.append(changes)
            self._take(self.pipeline.judge_records(changes))

    def _take_derived(self) -> None:
        derived, self._derived = self._derived, []
        for batch in derived:
            admitted = self.pipeline.admit(batch, self.clock.now_unix_nano()).admitted
            if len(admitted.batch):
                self.store.metrics.append(admitted.batch)
                self._take(self.pipeline.judge_metrics(admitted))

    def metrics(self, batch: MetricBatch, _source: str) -> Future[None]:
        """Derived samples wait for their turn, as they do in the intake."""
        self._derived.append(batch)
        return Future()

    def _take(self, outcome: Outcome) -> None:
        self.lived.take(outcome, self.clock.now_unix_nano())
        self.store.incidents.update((one.incident_id, one) for one in outcome.incidents)

    def _ask(self, now: int) -> None:
        for incident_id, opened in self.lived.opened.items():
            if incident_id not in self.lived.diagnoses and now - opened >= from_seconds(ASKED_SECONDS):
                self.lived.diagnoses[incident_id] = self.desk.of(self.lived.incidents[incident_id])


def _deploys(logs: LogColumns) -> ChangeBatch | None:
    """The deploys of the estate as changes, as whoever deploys tells them."""
    told = deploys_of(logs)
    if not told:
        return None
    return build_changes(
        [from_iso(one["time"]) for one in told],
        [one["id"] for one in told],
        [one["title"] for one in told],
        source="ci",
        entity=[f"service:{one['service']}" for one in told],
        kind="deploy",
        state=[one["state"] for one in told],
        version=[one["version"] for one in told],
    )


def _by_tick(signals: Signals) -> Iterator[Signals]:
    """One step of the estate cut at its ticks; log records and spans go with the tick they begin after."""
    times = signals.metrics.time_unix_nano
    logs = [*np.searchsorted(signals.logs.time_unix_nano, times).tolist(), len(signals.logs)]
    spans = [*np.searchsorted(signals.spans.start_unix_nano, times).tolist(), len(signals.spans)]
    for k in range(len(times)):
        yield Signals(
            MetricColumns(signals.metrics.specs, times[k : k + 1], signals.metrics.value[k : k + 1]),
            _cut(signals.logs, logs[k], logs[k + 1]),
            _cut(signals.spans, spans[k], spans[k + 1]),
        )


def _cut(columns: Columns, start: int, stop: int) -> Columns:
    return type(columns)(**{one.name: getattr(columns, one.name)[start:stop] for one in fields(columns)})
