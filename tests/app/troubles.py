"""A fault of the simulated estate, lived through by the whole pipeline: the incident that comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.app.estate import START, signals_of

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.incident import Incident
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import Fault

CALM_SECONDS, TROUBLE_SECONDS = 5400.0, 600.0


@dataclass(frozen=True, slots=True)
class Lived:
    """What was lived through: every batch, with patterns, and the incident with the most findings, if any."""

    pipeline: Pipeline
    batches: list[tuple[MetricBatch, LogBatch, SpanBatch]]
    incident: Incident | None
    roles: dict[str, str]


def live(seed: int, fault: Fault, start: int = START) -> Lived:
    """Some calm, and the fault to its end; the fault must begin `CALM_SECONDS` after the start."""
    estate, registry = Estate(seed, start, 5.0, (fault,), nightly=False), SeriesRegistry()
    pipeline = Pipeline(Config(), registry)
    found: dict[str, Incident] = {}
    batches = []
    for metrics, records, spans in signals_of(estate, registry, (CALM_SECONDS + TROUBLE_SECONDS) / 3600):
        now = int(metrics.time_unix_nano.max())
        logs = pipeline.mine(records) if len(records) else records
        for outcome in (
            pipeline.judge_spans(spans),
            pipeline.judge_metrics(pipeline.admit(metrics, now).admitted),
            pipeline.judge_logs(logs) if len(logs) else Outcome(),
            pipeline.advance(now),
        ):
            found |= {one.incident_id: one for one in outcome.incidents}
        batches.append((metrics, logs, spans))
    during = [
        one for one in found.values() if one.start_unix_nano >= fault.start_unix_nano - from_seconds(60)
    ]
    worst = max(during, key=lambda one: (len(one.findings), one.incident_id), default=None)
    graph = pipeline.topology.at(estate.now_unix_nano)
    return Lived(pipeline, batches, worst, {node.entity: node.role.value for node in graph.nodes})
