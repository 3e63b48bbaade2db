"""Self-observation: this system's own counters, for Prometheus and for its own pipeline."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from stormpetrel import __version__
from stormpetrel.app.derive import Deriver
from stormpetrel.app.judge import Judge
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.prepare import Prepare
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.writer import StoreWriter
from stormpetrel.model.incident import IncidentState
from stormpetrel.ports.control import ControlStore

_UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED)


@dataclass(frozen=True, slots=True)
class Observed:
    """The parts that are observed."""

    writer: StoreWriter
    judge: Judge
    pipeline: Pipeline
    tally: SourceTally
    control: ControlStore
    now: Callable[[], int]
    prepare: Prepare
    deriver: Deriver


def memory_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds() -> float:
    """CPU time this process used, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class OwnMetrics:
    """Collects `petrel_*` metrics on demand; nothing is counted twice, everything is read where it lives."""

    def __init__(self, observed: Observed) -> None:
        self._seen = observed
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def also(self, collector: Collector) -> None:
        """Metrics that another part collects itself."""
        self._registry.register(collector)

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing up front: names are fixed in `collect`."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All families; called by the exposition."""
        yield from self._process()
        yield from self._intake()
        yield from self._spill()
        yield from self._sources()
        yield from self._judging()
        yield from self._preparing()
        yield from self._deriving()
        yield from self._patterns()

    def _process(self) -> Iterable[Metric]:
        build = GaugeMetricFamily(
            "petrel_build", "Version of Storm Petrel and of Python.", labels=["version", "python"]
        )
        build.add_metric([__version__, sys.version.split()[0]], 1)
        yield build
        yield GaugeMetricFamily("petrel_memory_bytes", "Resident memory.", value=memory_bytes())
        yield CounterMetricFamily("petrel_cpu_seconds", "CPU time used.", value=cpu_seconds())

    def _intake(self) -> Iterable[Metric]:
        stats = self._seen.writer.stats
        yield CounterMetricFamily("petrel_samples", "Metric samples stored.", value=stats.samples_total)
        yield CounterMetricFamily("petrel_log_records", "Log records stored.", value=stats.log_records_total)
        yield CounterMetricFamily("petrel_spans", "Spans stored.", value=stats.spans_total)
        yield CounterMetricFamily("petrel_quarantined", "Samples kept apart.", value=stats.quarantined_total)
        yield CounterMetricFamily(
            "petrel_refused_rows", "Rows refused because the queue was full.", value=stats.refused_rows_total
        )
        yield CounterMetricFamily(
            "petrel_failed_inserts", "Inserts that failed.", value=stats.failed_inserts_total
        )
        yield CounterMetricFamily(
            "petrel_unstorable_rows",
            "Rows of batches that could not be stored while others could.",
            value=stats.unstorable_rows_total,
        )
        queue = self._seen.writer.queue
        yield GaugeMetricFamily("petrel_queue_rows", "Rows waiting to be stored.", value=queue.rows)
        yield GaugeMetricFamily("petrel_queue_bytes", "Bytes waiting to be stored.", value=queue.bytes)
        yield GaugeMetricFamily(
            "petrel_queue_wait_seconds",
            "How long the oldest batch has been waiting to be stored.",
            value=queue.waiting_seconds(),
        )
        yield GaugeMetricFamily(
            "petrel_insert_p99_seconds", "99th percentile of insert times.", value=stats.insert_p99_seconds()
        )

    def _spill(self) -> Iterable[Metric]:
        spill = self._seen.writer.spill
        if spill is None:
            return
        yield GaugeMetricFamily(
            "petrel_spill_rows", "Acknowledged rows on disk that wait for the store.", value=spill.rows
        )
        yield GaugeMetricFamily(
            "petrel_spill_bytes", "Bytes that the spill takes on disk.", value=spill.bytes
        )
        yield GaugeMetricFamily(
            "petrel_spill_limit_bytes", "Bytes that the spill may take.", value=spill.limit_bytes
        )
        yield CounterMetricFamily(
            "petrel_spill_set_aside",
            "Spilled inserts that were damaged or that the store would not take.",
            value=spill.aside_total,
        )

    def _sources(self) -> Iterable[Metric]:
        rows = CounterMetricFamily("petrel_source_rows", "Rows stored by source.", labels=["source"])
        lag = GaugeMetricFamily(
            "petrel_source_lag_seconds", "Age of the newest row when stored.", labels=["source"]
        )
        for view in self._seen.tally.views(self._seen.now()):
            rows.add_metric([view.name], view.rows_total)
            lag.add_metric([view.name], view.lag_seconds)
        yield rows
        yield lag
        refused = CounterMetricFamily(
            "petrel_source_refused_rows", "Rows refused before admission.", labels=["source", "reason"]
        )
        for source, reason, count in self._seen.tally.rejections():
            refused.add_metric([source, reason], count)
        yield refused
        overloaded = CounterMetricFamily(
            "petrel_source_overloaded_rows",
            "Rows that found no room in the queue and were to be sent again.",
            labels=["source"],
        )
        for source, count in self._seen.tally.overloads():
            overloaded.add_metric([source], count)
        yield overloaded
        quality = CounterMetricFamily(
            "petrel_quality_verdicts", "Verdicts of admission.", labels=["source", "verdict"]
        )
        for entry in self._seen.tally.quality_counts():
            quality.add_metric([entry.source, entry.verdict.name.lower()], entry.count)
        yield quality

    def _judging(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("petrel_series", "Series known.", value=len(self._seen.pipeline.registry))
        yield GaugeMetricFamily(
            "petrel_judge_lag_seconds",
            "How far judging is behind storing.",
            value=self._seen.judge.lag_seconds(),
        )
        yield CounterMetricFamily(
            "petrel_judge_failures",
            "Batches that could not be judged.",
            value=self._seen.judge.failures_total,
        )
        yield GaugeMetricFamily(
            "petrel_open_incidents",
            "Incidents not resolved.",
            value=self._seen.control.count_incidents(_UNRESOLVED),
        )
        ledger = self._seen.pipeline.budget.ledger
        yield GaugeMetricFamily(
            "petrel_pages_used", "Pages on the budget in seven days.", value=ledger.used(self._seen.now())
        )
        yield GaugeMetricFamily(
            "petrel_pages_per_week", "Pages that seven days may hold.", value=ledger.allowance.per_week
        )

    def _preparing(self) -> Iterable[Metric]:
        redacted = CounterMetricFamily(
            "petrel_redacted_texts", "Texts that something of a kind was taken out of.", labels=["kind"]
        )
        for kind, count in sorted(self._seen.prepare.counts().items()):
            redacted.add_metric([kind], count)
        yield redacted

    def _deriving(self) -> Iterable[Metric]:
        deriver = self._seen.deriver
        yield CounterMetricFamily("petrel_derived_samples", "Samples derived.", value=deriver.samples_total)
        followed = GaugeMetricFamily("petrel_derived_followed", "What is followed.", labels=["family"])
        for family, count in deriver.held().items():
            followed.add_metric([family], count)
        yield followed
        dropped = CounterMetricFamily(
            "petrel_derive_dropped_rows", "Rows not derived from, or not taken.", labels=["reason"]
        )
        for reason, count in sorted(deriver.dropped().items()):
            dropped.add_metric([reason], count)
        yield dropped

    def _patterns(self) -> Iterable[Metric]:
        book = self._seen.pipeline.patterns
        sizes = book.sizes()
        yield GaugeMetricFamily("petrel_log_patterns", "Patterns of log records held.", value=sizes.patterns)
        yield GaugeMetricFamily("petrel_log_sources", "Sources of log lines held.", value=sizes.sources)
        yield CounterMetricFamily(
            "petrel_log_patterns_let_go", "Patterns that went for want of room.", value=sizes.evicted
        )
        yield CounterMetricFamily(
            "petrel_log_lines_folded",
            "Lines of sources beyond the limit, mined together.",
            value=sizes.folded_lines,
        )
        yield CounterMetricFamily(
            "petrel_mining_failures", "Batches of records left without patterns.", value=book.failures_total
        )
