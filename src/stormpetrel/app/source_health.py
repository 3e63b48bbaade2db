"""How good each source is: what the gate said of its samples, what drifted, and what its silence means."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from stormpetrel.ingest.drift import FieldDrift, LabelChurn, by_source
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.source_quality import SourceQuality, SourceReport
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, SpanBatch
from stormpetrel.model.time import to_iso, to_seconds
from stormpetrel.model.view import SourceView

# A source name comes from outside: more than this many share one entry.
MAX_SOURCES = 500
_OTHER = "other"

Records = LogBatch | SpanBatch | FlowBatch | AlertBatch | ChangeBatch


@dataclass(slots=True)
class _Health:
    quality: SourceQuality = field(default_factory=SourceQuality)
    fields: FieldDrift = field(default_factory=FieldDrift)
    labels: LabelChurn = field(default_factory=LabelChurn)


class SourceHealth:
    """Thread-safe; some 20 kB a source that sends logs, under a kilobyte otherwise, at most 500 sources."""

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._sources: dict[str, _Health] = {}
        self._series_seen = len(registry)

    def _of(self, source: str) -> _Health:
        if source not in self._sources and len(self._sources) >= MAX_SOURCES:
            source = _OTHER
        return self._sources.setdefault(source, _Health())

    def judged(self, source: str, counts: NDArray[np.int64], now_unix_nano: int) -> None:
        """The gate gave verdicts to samples of a source."""
        with self._lock:
            self._of(source).quality.judged(counts, now_unix_nano)

    def accepted(self, source: str, rows: int, now_unix_nano: int) -> None:
        """Records of a source were stored."""
        with self._lock:
            self._of(source).quality.accepted(rows, now_unix_nano)

    def rejected(self, source: str, reason: str, rows: int, now_unix_nano: int) -> None:
        """Rows of a source were refused before the gate."""
        with self._lock:
            self._of(source).quality.rejected(reason, rows, now_unix_nano)

    def see(self, batch: Records, now_unix_nano: int) -> None:
        """Count records that were stored, and look at the fields of a few log records."""
        column = batch.records.column("source")
        for counted in pc.value_counts(column).to_pylist():
            source = counted["values"]
            self.accepted(source, counted["counts"], now_unix_nano)
            if isinstance(batch, LogBatch):
                mine = LogBatch(batch.records.filter(pc.equal(column, source)))
                with self._lock:
                    self._of(source).fields.update(mine)

    def report(self, view: SourceView, now_unix_nano: int) -> SourceReport:
        """Ratio and reasons of one source, its silence first."""
        with self._lock:
            self._catch_up(now_unix_nano)
            health = self._of(view.name)
            found = health.quality.report(now_unix_nano)
            reasons = [*_silence(view, now_unix_nano), *_drift(health, now_unix_nano), *found.reasons]
        return SourceReport(found.quality_ratio, tuple(reasons))

    def _catch_up(self, now: int) -> None:
        """New series of the registry since the last look, by who sends them."""
        known = len(self._registry)
        fresh = map(self._registry.info, range(self._series_seen, known))
        for source, infos in by_source(fresh):
            self._of(source).labels.update(infos, now)
        self._series_seen = known


def _silence(view: SourceView, now: int) -> list[str]:
    if view.state != "quiet":
        return []
    usual = f"; it usually speaks every {_span(view.usual_seconds)}" if view.usual_seconds > 0 else ""
    return [f"quiet for {_span(to_seconds(now - view.last_unix_nano))}{usual}"]


def _drift(health: _Health, now: int) -> list[str]:
    reasons = [
        f"the field {name[:80]}, usual until then, is missing since {to_iso(since)}"
        for name, since in health.fields.vanished()[:5]
    ]
    churn = health.labels.churning(now)
    if churn is not None:
        series, label, values = churn
        reasons.append(
            f"{series} new series within the hour; the label {label[:80]} has {values} values:"
            " does it hold ids?"
        )
    return reasons


def _span(seconds: float) -> str:
    """A length of time in one unit.

    >>> _span(15), _span(720), _span(9000)
    ('15 s', '12 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
