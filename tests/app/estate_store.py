"""What the estate said, kept in memory, answering a diagnosis as the stores do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from stormpetrel.model.incident import Incident, IncidentLine, IncidentState, line_of
from stormpetrel.model.query import CallTally, GridSamples, PatternTally
from stormpetrel.model.records import Change, ChangeBatch, ChangeKind, ChangeState
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import NANOS_PER_SECOND, Window, from_seconds

_CLIENT = 3  # kind of a span


def grid_in(batch: MetricBatch, window: Window, step_seconds: float) -> GridSamples:
    """What the store would add up of samples."""
    times = batch.time_unix_nano
    batch = batch.take((times >= window.start_unix_nano) & (times < window.end_unix_nano))
    step = (batch.time_unix_nano - window.start_unix_nano) // from_seconds(step_seconds)
    keys, at = np.unique(batch.series.astype(np.int64) << 32 | step, return_inverse=True)
    total, high = np.bincount(at, batch.value), np.full(len(keys), -np.inf)
    np.maximum.at(high, at, batch.value)
    return GridSamples((keys >> 32).astype(np.uint32), keys & 0xFFFFFFFF, total / np.bincount(at), high)


def patterns_in(batches: Sequence[LogBatch], window: Window, step_seconds: float) -> PatternTally:
    """What it would add up of log records."""
    held: Counter[tuple[int, str, int]] = Counter()
    worst: dict[tuple[int, str, int], int] = {}
    names = ["time_unix_nano", "entity", "pattern", "severity_number"]
    for batch in batches:
        columns = batch.records.select(names).to_pydict()
        for time, entity, pattern, severity in zip(*(columns[name] for name in names), strict=True):
            if not window.start_unix_nano <= time < window.end_unix_nano:
                continue
            key = ((time - window.start_unix_nano) // from_seconds(step_seconds), entity, pattern)
            held[key] += 1
            worst[key] = max(worst.get(key, 0), severity)
    keys = sorted(held)
    return PatternTally(
        np.array([key[0] for key in keys], np.int64),
        [key[1] for key in keys],
        np.array([key[2] for key in keys], np.int64),
        np.array([held[key] for key in keys], np.int64),
        np.array([worst[key] for key in keys], np.uint8),
    )


def calls_in(batches: Sequence[SpanBatch], window: Window, step_seconds: float) -> CallTally:
    """What it would add up of spans."""
    rows = [
        row
        for batch in batches
        for row in batch.records.to_pylist()
        if window.start_unix_nano <= row["start_unix_nano"] < window.end_unix_nano
    ]
    of = {row["span_id"]: row["entity"] for row in rows}
    below: Counter[str] = Counter()
    served: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        below[row["parent_span_id"]] += row["end_unix_nano"] - row["start_unix_nano"]
        served[row["parent_span_id"]].add(row["entity"])
    seen: dict[tuple[int, str, str, str, bool, str], list[int]] = {}
    for row in rows:
        step = (row["start_unix_nano"] - window.start_unix_nano) // from_seconds(step_seconds)
        way = served[row["span_id"]] if row["kind"] == _CLIENT else set()
        toward = next(iter(way - {row["entity"]}), "") if len(way) == 1 else ""
        caller, failed = of.get(row["parent_span_id"], ""), row["status_code"] == 2
        key = (step, caller, row["entity"], row["name"], failed, toward)
        own = row["end_unix_nano"] - row["start_unix_nano"] - below[row["span_id"]]
        seen.setdefault(key, []).append(max(own, 0))
    keys = sorted(seen)
    return CallTally(
        np.array([key[0] for key in keys], np.int64),
        [key[1] for key in keys],
        [key[2] for key in keys],
        [key[3] for key in keys],
        np.array([key[4] for key in keys], np.bool_),
        np.array([len(seen[key]) for key in keys], np.int64),
        np.array([np.percentile(seen[key], 95) / NANOS_PER_SECOND for key in keys]),
        [key[5] for key in keys],
    )


@dataclass(slots=True)
class EstateStore:
    """A telemetry and a control store, as far as a diagnosis asks. `keep_seconds` of the past are held."""

    keep_seconds: float = 9000.0
    metrics: list[MetricBatch] = field(default_factory=list)
    logs: list[LogBatch] = field(default_factory=list)
    spans: list[SpanBatch] = field(default_factory=list)
    changes: list[ChangeBatch] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)

    def forget_before(self, now_unix_nano: int) -> None:
        """Let go of what no diagnosis will ask for."""
        since = now_unix_nano - from_seconds(self.keep_seconds)
        self.metrics = [one for one in self.metrics if int(one.time_unix_nano.max()) >= since]
        self.logs = [one for one in self.logs if _newest(one.records.column("time_unix_nano")) >= since]
        self.spans = [one for one in self.spans if _newest(one.records.column("start_unix_nano")) >= since]

    def grid_samples(self, window: Window, step_seconds: float, _limit: int) -> GridSamples:
        return grid_in(MetricBatch.concat(self.metrics), window, step_seconds)

    def tally_patterns(self, window: Window, step_seconds: float, _limit: int) -> PatternTally:
        return patterns_in(self.logs, window, step_seconds)

    def tally_calls(self, window: Window, step_seconds: float, _spans: int, _limit: int) -> CallTally:
        return calls_in(self.spans, window, step_seconds)

    def read_changes(self, window: Window, _limit: int) -> list[Change]:
        rows = [row for batch in self.changes for row in batch.records.to_pylist()]
        return [
            Change(
                row["time_unix_nano"], row["entity"], row["source"], row["change_id"],
                ChangeKind(row["kind"]), ChangeState(row["state"]), row["title"], row["environment"],
                row["version"], row["actor"], row["url"],
            )
            for row in rows
            if window.start_unix_nano <= row["time_unix_nano"] < window.end_unix_nano
        ]  # fmt: skip

    def list_incidents(
        self, _states: Sequence[IncidentState], _text: str, limit: int, _offset: int
    ) -> list[Incident]:
        newest = sorted(self.incidents.values(), key=lambda one: -one.start_unix_nano)
        return newest[:limit]

    def incident(self, incident_id: str) -> Incident | None:
        return self.incidents.get(incident_id)

    def list_incident_lines(
        self, states: Sequence[IncidentState], text: str, limit: int, offset: int
    ) -> list[IncidentLine]:
        return [line_of(one) for one in self.list_incidents(states, text, limit, offset)]


def _newest(column: pa.Array) -> int:
    return int(column.to_numpy().max())
