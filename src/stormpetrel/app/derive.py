"""Derived series: what was stored goes through `ingest.derive_*`, and the samples through the intake.

In a thread of its own behind a bounded queue: neither the writer nor the judge ever waits for it. What does
not fit is dropped and counted, and so is a derived batch that the intake refuses. Derived samples are
samples of the source `derived`: admitted, stored, judged and replayed like others, and never derived from,
but for those of spans, which a service's requests and errors may be summed up from.
A replay reads them as they were stored and derives nothing.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from stormpetrel.app.config import DeriveConfig
from stormpetrel.app.tally import SourceTally
from stormpetrel.errors import OverloadedError
from stormpetrel.ingest.derive_edges import EdgeSeries
from stormpetrel.ingest.derive_histograms import HistogramQuantiles
from stormpetrel.ingest.derive_levels import LevelSeries
from stormpetrel.ingest.derive_patterns import PatternSeries
from stormpetrel.ingest.derive_red import DeriveLimits, RedSeries
from stormpetrel.ingest.derive_series import DERIVED_SOURCE
from stormpetrel.ingest.derive_service import ServiceSeries
from stormpetrel.ingest.derive_variables import VariableSeries
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.pattern import Pattern, WatchedVariable
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake

log = structlog.get_logger(__name__)

Derivable = AdmittedMetrics | SpanBatch | LogBatch
# Stored batches that may wait, each at most two inserts' worth of rows.
_BACKLOG = 32
_TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of log patterns: one by its id, the variables of a line, and which are followed; and
    whether somebody wants the records of entities counted."""

    find: Callable[[int], Pattern | None]
    values: Callable[[int, str], Sequence[tuple[str, str]]]
    watched: Callable[[], Sequence[WatchedVariable]]
    levels: bool = False


class Deriver:
    """Makes series from what was stored. `start`, then `put` from the writer's thread, then `stop`.

    Windows move with the clock, never with the times that senders claim. While batches wait, the clock is
    taken to stand where the oldest of them was put, so that a backlog makes nothing late.
    What an interrupted window held is not told: its count would be too low.

    Args:
        config: bounds.
        registry: the series.
        clock: moves the windows.
        intake: takes the derived samples.
        tally: is told of the source `derived` once there is one.
        told: what is known of log patterns; None: nothing is derived from log records.
    """

    def __init__(
        self,
        config: DeriveConfig,
        registry: SeriesRegistry,
        clock: Clock,
        intake: Intake,
        tally: SourceTally,
        told: Told | None = None,
    ) -> None:
        grid = WindowGrid(from_seconds(config.step_seconds), from_seconds(config.late_seconds))
        limits = DeriveLimits(grid, config.max_series, config.max_operations)
        now = clock.now_unix_nano()
        self._enabled = config.enabled
        self._clock = clock
        self._intake = intake
        self._tally = tally
        self._red = RedSeries(registry, limits, now)
        self._edges = EdgeSeries(registry, limits, now)
        self._services = ServiceSeries(registry, grid.step_nanos, config.max_series)
        self._histograms = HistogramQuantiles(registry, config.max_histograms)
        slow = WindowGrid(from_seconds(config.pattern_seconds), from_seconds(config.late_seconds))
        known = told or Told(lambda _pattern: None, lambda _pattern, _line: (), tuple)
        self._patterns = PatternSeries(registry, slow, config.max_patterns, known.find, now)
        self._variables = VariableSeries(registry, slow, known.find, known.values, known.watched, now)
        self._levels = LevelSeries(registry, slow, config.max_series, now)
        self._counts_levels = known.levels
        self._queue: queue.Queue[tuple[int, Derivable | None]] = queue.Queue(_BACKLOG)
        self._dropped: Counter[str] = Counter()
        self._tick = min(_TICK_SECONDS, config.step_seconds / 2)
        self._thread = threading.Thread(target=self._run, name="deriver", daemon=True)
        self.samples_total = 0

    def start(self) -> None:
        """Begin to derive, unless it is switched off."""
        if self._enabled:
            self._thread.start()

    def stop(self) -> None:
        """Derive from what waits, then end; open windows are given up."""
        if self._thread.ident is not None:
            self._queue.put((self._clock.now_unix_nano(), None))
            self._thread.join()

    def put(self, stored: object) -> None:
        """Take what was stored; never waits. Samples, spans and log records are looked at."""
        if not self._enabled or not isinstance(stored, AdmittedMetrics | SpanBatch | LogBatch):
            return
        try:
            self._queue.put_nowait((self._clock.now_unix_nano(), stored))
        except queue.Full:
            rows = len(stored.batch) if isinstance(stored, AdmittedMetrics) else len(stored)
            self._dropped["behind"] += rows

    def dropped(self) -> dict[str, int]:
        """Rows and samples that were not derived from, or not taken, by reason."""
        counts = Counter(self._dropped)
        for series in (self._red.series, self._edges.series):
            counts.update(series.windows.dropped.by_reason())
        counts["histograms"] = self._histograms.refused
        counts["late"] += self._patterns.late
        counts["overflow"] += self._levels.overflow + self._services.overflow
        return dict(counts)

    def held(self) -> dict[str, int]:
        """What is followed now, by family."""
        return {
            "operations": len(self._red.series),
            "edges": len(self._edges.series),
            "services": len(self._services),
            "histograms": len(self._histograms),
            "patterns": len(self._patterns),
            "log_entities": len(self._levels),
        }

    def _run(self) -> None:
        while True:
            stored: Derivable | None = None
            try:
                since, stored = self._queue.get(timeout=self._tick)
                if stored is None:
                    return
            except queue.Empty:
                since = self._clock.now_unix_nano()
            try:
                self.step(stored, since)
            # One batch that cannot be digested must not end all deriving: it is counted and logged.
            except Exception:  # logged and counted; the next batch is taken
                self._dropped["failed"] += 1
                log.exception("deriving_failed")

    def step(self, stored: Derivable | None, now: int) -> None:
        """Derive from one batch, or from time alone, in the caller's thread: the thread's own work, for
        whoever goes through a recording and starts no thread."""
        batches = []
        if isinstance(stored, AdmittedMetrics):
            batches.append(self._histograms.take(stored))
            self._services.take(stored)
        elif isinstance(stored, LogBatch):
            self._patterns.take(stored)
            self._variables.take(stored)
            if self._counts_levels:
                self._levels.take(stored)
        elif stored is not None:
            self._red.take(stored)
            self._edges.take(stored)
        makers = (self._red, self._edges, self._services, self._patterns, self._variables, self._levels)
        batches += [maker.advance(now) for maker in makers]
        self._hand_over(MetricBatch.concat([batch for batch in batches if len(batch)]))

    def _hand_over(self, batch: MetricBatch) -> None:
        if not len(batch):
            return
        if not self.samples_total:
            self._tally.expect(DERIVED_SOURCE, "derived")
        try:
            # Nobody can send it again: when the insert fails, its samples are missing and counted as such.
            self._intake.metrics(batch, DERIVED_SOURCE)
            self.samples_total += len(batch)
        except OverloadedError:
            self._dropped["overloaded"] += len(batch)
