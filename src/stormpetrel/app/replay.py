"""Replay: stored telemetry through the very stages that judge live, with the recording's clock."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge

import numpy as np
import orjson
from numpy.typing import NDArray

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.app.feedback import book_of, stored_feedback
from stormpetrel.app.judge import TICK_SECONDS
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.app.replay_told import told_by_others
from stormpetrel.app.warm import learn_relations
from stormpetrel.detect.feedback import FeedbackBook
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.feedback import Feedback
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.records import AlertBatch, ChangeBatch
from stormpetrel.model.signal import LogBatch, MetricBatch
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.store import TelemetryStore

# Rows to scan at once: about 50 MB; a query a minute of event time would cost more than the judging.
_CHUNK_SAMPLES = 2_000_000
_PROBES = 4
_PROBE_SECONDS = 60.0

Recorded = MetricBatch | LogBatch | AlertBatch | ChangeBatch
Ticked = Callable[[int, Sequence[Incident]], None]


@dataclass(slots=True)
class ReplayReport:
    """What a replay found. `digest` is the SHA-256 of all incidents: equal digests, equal incidents."""

    window: Window
    samples: int = 0
    log_records: int = 0
    quarantined: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over the incidents in order of id, every field included."""
        ordered = [self.incidents[key] for key in sorted(self.incidents)]
        return hashlib.sha256(orjson.dumps(ordered, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def take(self, outcome: Outcome) -> None:
        """Add what a step changed."""
        self.findings.update((f.finding_id, f) for f in outcome.findings)
        self.incidents.update((i.incident_id, i) for i in outcome.incidents)


def replay(
    config: Config, window: Window, progress: Callable[[float], None] = lambda _share: None
) -> ReplayReport:
    """Run the stored telemetry of a window through a fresh pipeline.

    Deterministic: the same stored input and configuration give the same report, bit for bit. Detectors
    start cold, so the beginning of the window is warm-up.

    Args:
        progress: called with the share done, 0 to 1.

    Raises:
        StoreLockedError: a running Storm Petrel owns the data directory.
    """
    store = open_store(config.store, config.data_dir)
    try:
        registry = SeriesRegistry(config.intake.max_series_per_source)
        registry.load(store.all_series())
        book = book_of(_opinions(config, window), registry)
        return replay_store(config, store, registry, window, progress, book)
    finally:
        store.close()


def _opinions(config: Config, window: Window) -> list[Feedback]:
    """What people said by then; nothing where there is no control store yet."""
    path = config.data_dir / "control.sqlite"
    if not config.store.control_url and not path.exists():
        return []
    control = open_control_store(config.store.control_url or f"sqlite:///{path.resolve()}")
    try:
        return stored_feedback(control, window.start_unix_nano)
    finally:
        control.close()


def replay_store(
    config: Config,
    store: TelemetryStore,
    registry: SeriesRegistry,
    window: Window,
    progress: Callable[[float], None] = lambda _share: None,
    feedback: FeedbackBook | None = None,
) -> ReplayReport:
    """`replay` over a store that is already open; opinions weigh as they did at the time."""
    pipeline = Pipeline(config, registry, stored=True)
    pipeline.feedback = feedback or FeedbackBook()
    return play(pipeline, store, window, progress)


def play(
    pipeline: Pipeline,
    store: TelemetryStore,
    window: Window,
    progress: Callable[[float], None] = lambda _share: None,
    ticked: Ticked = lambda _now, _changed: None,
) -> ReplayReport:
    """Take what is stored of a window through a fresh pipeline, in the ticks of the judge.

    Args:
        progress: called with the share done, 0 to 1.
        ticked: called at each tick with its time and the incidents that changed since the last one.
    """
    learn_relations(pipeline, store, window)
    playing = _Playing(pipeline, window, ticked)
    for start, batch in _recorded(store, window):
        playing.until(start)
        playing.judge(batch)
        progress((start - window.start_unix_nano) / max(1, window.end_unix_nano - window.start_unix_nano))
    playing.until(window.end_unix_nano)
    progress(1.0)
    return playing.report


class _Playing:
    """A replay under way: its clock and what it found."""

    def __init__(self, pipeline: Pipeline, window: Window, ticked: Ticked) -> None:
        self._pipeline, self.report, self._ticked = pipeline, ReplayReport(window), ticked
        self._tick = from_seconds(TICK_SECONDS)
        self._next = window.start_unix_nano // self._tick * self._tick + self._tick
        self._changed: list[Incident] = []

    def until(self, time_unix_nano: int) -> None:
        """Every tick up to a moment."""
        while self._next <= time_unix_nano:
            self._take(self._pipeline.advance(self._next))
            changed, self._changed = self._changed, []
            self._ticked(self._next, changed)
            self._next += self._tick

    def judge(self, batch: Recorded) -> None:
        """One batch, as it is judged live."""
        pipeline, report = self._pipeline, self.report
        if isinstance(batch, MetricBatch):
            admission = pipeline.admit(batch, int(batch.time_unix_nano.max()))
            report.samples += len(batch)
            report.quarantined += len(admission.quarantined.batch)
            self._take(pipeline.judge_metrics(admission.admitted))
        elif isinstance(batch, LogBatch):
            report.log_records += len(batch)
            self._take(pipeline.judge_logs(pipeline.mine(batch)))
        else:
            self._take(pipeline.judge_records(batch))

    def _take(self, outcome: Outcome) -> None:
        self.report.take(outcome)
        self._changed += outcome.incidents


def _recorded(store: TelemetryStore, window: Window) -> Iterator[tuple[int, Recorded]]:
    """Stored batches, each cut at the tick grid, in order of their first time; metrics before logs, and
    what others told after both."""
    chunk = _chunk_seconds(store, window)
    metrics = ((_first(cut), 0, cut) for b in store.scan_samples(window, chunk) for cut in _cut_samples(b))
    logs = ((_first(cut), 1, cut) for b in store.scan_logs(window, min(chunk, 900.0)) for cut in _cut_logs(b))
    told = ((time, 2, one) for time, one in told_by_others(store, window))
    every: Iterator[tuple[int, int, Recorded]] = merge(metrics, logs, told, key=lambda entry: entry[:2])
    for start, _, batch in every:
        yield start, batch


def _chunk_seconds(store: TelemetryStore, window: Window) -> float:
    """Time to scan at once, from the busiest of a few probes. It changes the speed, never the result."""
    step = (window.end_unix_nano - window.start_unix_nano) // _PROBES
    ends = (window.end_unix_nano - number * step for number in range(_PROBES))
    probes = (Window(end - from_seconds(_PROBE_SECONDS), end) for end in ends)
    busiest = max(sum(len(batch) for batch in store.scan_samples(probe)) for probe in probes)
    return min(max(_CHUNK_SAMPLES * _PROBE_SECONDS / max(busiest, 1), 10.0), 3600.0)


def _first(batch: MetricBatch | LogBatch) -> int:
    if isinstance(batch, MetricBatch):
        return int(batch.time_unix_nano[0])
    return int(batch.records.column("time_unix_nano")[0].as_py())


def _cut_samples(batch: MetricBatch) -> Iterator[MetricBatch]:
    for start, stop in _tick_ranges(batch.time_unix_nano):
        yield MetricBatch(batch.series[start:stop], batch.time_unix_nano[start:stop], batch.value[start:stop])


def _cut_logs(batch: LogBatch) -> Iterator[LogBatch]:
    for start, stop in _tick_ranges(batch.records.column("time_unix_nano").to_numpy()):
        yield LogBatch(batch.records.slice(start, stop - start))


def _tick_ranges(times: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Row ranges of sorted times that lie between two ticks."""
    cell = times // from_seconds(TICK_SECONDS)
    edges = np.flatnonzero(np.diff(cell)) + 1
    bounds = [0, *edges.tolist(), len(times)]
    yield from ((a, b) for a, b in itertools.pairwise(bounds) if b > a)
