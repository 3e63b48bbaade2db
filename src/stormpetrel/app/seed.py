"""Cold start: seasons, levels and tails from a past that is too long to be read whole.

Of every quarter of an hour of every series one sample is taken, of counters two neighbours (their rate is
what is judged). They are real samples at real times, fed to the banks like any other, so no bank needs
to know of it. What this gets right and what not is in the decision page on model state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import structlog
from numpy.typing import NDArray

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline, build_gate
from stormpetrel.ingest.series import KIND_CODES
from stormpetrel.model.query import SampleSpans
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind
from stormpetrel.model.time import NANOS_PER_SECOND, Window, to_iso
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

EVERY_SECONDS = 900.0
# Samples for the banks: some five seconds.
MAX_SAMPLES = 8_000_000
# Samples that a query reads at most, and series that it names.
_READ, _SERIES = 20_000_000, 4_000
_LEAST_SAMPLES = 96
_COUNTER = KIND_CODES[MetricKind.COUNTER]


def seed(
    pipeline: Pipeline, config: Config, store: TelemetryStore, window: Window, banks: Collection[str]
) -> int:
    """Teach banks that know nothing from a few samples of each step of the window.

    Series by series, which a bank's contract allows: the scores of one do not depend on the others.
    Findings of the past are not made.

    Args:
        window: the past before what is read whole.
        banks: names of those to teach.

    Returns:
        how many samples were given to the banks.
    """
    spans = store.sample_spans(window)
    many = np.flatnonzero(spans.samples >= _LEAST_SAMPLES)
    if not len(many) or not banks:
        return 0
    intervals = (spans.last_unix_nano[many] - spans.first_unix_nano[many]) / (spans.samples[many] - 1) / 1e9
    every = _step(window, len(many))
    given = 0
    for rows, counters, interval in _alike(pipeline, spans, many, intervals):
        burst = min(every, interval * (2.2 if counters else 1.0))
        for series in _slices(spans, rows):
            batch = store.scan_bursts(series, window, every, burst)
            admitted = _admitted(pipeline, config, batch, 1.5 * interval if counters else 0.0)
            for bank in pipeline.banks:
                if bank.name in banks:
                    bank.update(admitted)
            given += len(batch)
    log.info("seeded", since=to_iso(window.start_unix_nano), series=len(many), samples=given)
    return given


def _step(window: Window, series: int) -> float:
    """The step of time; longer where there are many series, so that the whole stays bounded."""
    return max(EVERY_SECONDS, window.seconds * series / MAX_SAMPLES)


def _alike(
    pipeline: Pipeline, spans: SampleSpans, many: NDArray[np.int64], intervals: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.int64], bool, float]]:
    """Rows of `spans` of one kind and one interval by factors of two, of which the largest."""
    counters = pipeline.registry.kind_codes()[spans.series[many]] == _COUNTER
    octave = np.floor(np.log2(np.maximum(intervals, 1e-3))).astype(np.int64)
    for kind in (False, True):
        for size in np.unique(octave[counters == kind]).tolist():
            alike = np.flatnonzero((counters == kind) & (octave == size))
            yield many[alike], kind, float(intervals[alike].max())


def _slices(spans: SampleSpans, rows: NDArray[np.int64]) -> Iterator[list[int]]:
    """Series to ask for at once."""
    read = np.cumsum(spans.samples[rows])
    turn = np.maximum(read // _READ, np.arange(len(rows)) // _SERIES)
    for part in np.split(rows, np.flatnonzero(np.diff(turn)) + 1):
        yield spans.series[part].tolist()


def _admitted(pipeline: Pipeline, config: Config, batch: MetricBatch, gap_seconds: float) -> AdmittedMetrics:
    """The samples as the banks judge them. No rate goes over a gap; the silence between is none."""
    ever = config.model_copy(update={"intake": config.intake.model_copy(update={"late_seconds": 1e9})})
    now = int(batch.time_unix_nano.max()) if len(batch) else 0
    registry = pipeline.registry
    given = (
        build_gate(ever, stored=True).admit(batch, now, registry.kind_codes(), registry.blocked()).admitted
    )
    signal = given.signal
    if gap_seconds > 0 and len(given.batch) > 1:
        far = np.diff(given.batch.time_unix_nano) > gap_seconds * NANOS_PER_SECOND
        signal = np.where(np.concatenate([[True], far]), np.nan, signal)
    return AdmittedMetrics(given.batch, signal, np.zeros(len(given.batch), np.bool_))
