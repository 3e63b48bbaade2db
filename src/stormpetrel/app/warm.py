"""Warm start: the stored past goes through the stages again, so that a restart forgets nothing."""

from __future__ import annotations

import structlog

from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.ingest.admit import QualityGate
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.time import Window, from_seconds, to_iso
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED)
# At about a million samples a second this bounds the warm start to some twenty seconds.
MAX_SAMPLES = 20_000_000
MAX_SPANS = 50_000
_PROBE_SECONDS = 120.0


def warm_start(
    pipeline: Pipeline, gate: QualityGate, store: TelemetryStore, control: ControlStore, window: Window
) -> Outcome:
    """Teach the detectors from what is stored in the window and take over unresolved incidents.

    Findings of the past are not reported a second time. Those that belong to unresolved incidents
    update them: the same input gives the same finding ids. Cost: one pass over the window, which is
    shortened so that it holds at most `MAX_SAMPLES`.

    Args:
        gate: a gate of its own, since the live one already admits what arrives meanwhile.
    """
    pipeline.grouping.restore(control.list_incidents(UNRESOLVED, limit=1000))
    learn_relations(pipeline, store, window)
    window = _bounded(store, window)
    newest: dict[str, Finding] = {}
    samples = records = 0
    for batch in store.scan_samples(window):
        now = int(batch.time_unix_nano.max())
        admitted = gate.admit(
            batch, now, pipeline.registry.kind_codes(), pipeline.registry.blocked()
        ).admitted
        for bank, policy in zip(pipeline.banks, pipeline.policies, strict=True):
            newest.update((f.finding_id, f) for f in policy.update(admitted, bank.update(admitted), now))
        samples += len(batch)
    for logs in store.scan_logs(window):
        now = int(logs.records.column("time_unix_nano").to_numpy().max())
        for detector in pipeline.log_detectors:
            changes = [*detector.update(logs), *detector.advance(now)]
            newest.update((f.finding_id, f) for f in changes)
        records += len(logs)
    known = [f for f in newest.values() if pipeline.grouping.knows(f.finding_id)]
    log.info("warm_start", since=to_iso(window.start_unix_nano), samples=samples, log_records=records)
    return Outcome(known, pipeline.grouping.update(known, window.end_unix_nano))


def learn_relations(pipeline: Pipeline, store: TelemetryStore, window: Window) -> None:
    """Who calls whom, from the newest spans of the window (at most `MAX_SPANS`)."""
    pipeline.judge_spans(store.read_spans(window, MAX_SPANS))


def _bounded(store: TelemetryStore, window: Window) -> Window:
    """The newest part of the window that holds at most about `MAX_SAMPLES` at the present rate."""
    probe = Window(window.end_unix_nano - from_seconds(_PROBE_SECONDS), window.end_unix_nano)
    rate = sum(len(batch) for batch in store.scan_samples(probe)) / _PROBE_SECONDS
    if rate * window.seconds <= MAX_SAMPLES:
        return window
    return Window(window.end_unix_nano - from_seconds(MAX_SAMPLES / rate), window.end_unix_nano)
