"""Warm start: the stored past goes through the stages again, so that a restart forgets nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.correlate.group import REMEMBERED
from stormpetrel.ingest.admit import QualityGate
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.signal import LogBatch, MetricBatch
from stormpetrel.model.time import Window, from_seconds, to_iso
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED)
# At about a million samples a second this bounds the warm start to some twenty seconds.
MAX_SAMPLES = 20_000_000
MAX_SPANS = 50_000
# Page decisions taken over: more than any four weeks can hold that the bar learns from.
PAGES_REMEMBERED = 5000
_PROBE, _HOUR, _PIECE = from_seconds(60), from_seconds(3600), from_seconds(10)


def warm_start(
    pipeline: Pipeline,
    gate: QualityGate,
    store: TelemetryStore,
    control: ControlStore,
    window: Window,
    arrived: Callable[[], NDArray[np.uint64]] = lambda: np.empty(0, np.uint64),
) -> Outcome:
    """Teach the detectors from what is stored in the window and take over unresolved incidents.

    Findings of the past are not reported a second time. Those that belong to unresolved incidents
    update them: the same input gives the same finding ids. A finding that is open at the end and belongs
    to no incident was stored and not judged before the stop: it is reported now. An open finding that the
    window no longer shows is closed as unknown, or its incident would never resolve.
    Cost: one pass over the window, which is shortened so that it holds about `MAX_SAMPLES` at most.

    Args:
        gate: a gate of its own, since the live one already admits what arrives meanwhile.
        arrived: gives the request tokens of what was stored since this process began: those log records
            are judged as they come, and must not be counted here too. (Samples need no such care: a
            detector learns nothing from a sample that is not newer than the last.)
    """
    resolved = control.list_incidents((IncidentState.RESOLVED,), limit=REMEMBERED)
    pipeline.grouping.restore([*control.list_incidents(UNRESOLVED, limit=1000), *reversed(resolved)])
    pipeline.budget.restore(control.list_pages(limit=PAGES_REMEMBERED))
    learn_relations(pipeline, store, window)
    window = _bounded(store, window)
    newest: dict[str, Finding] = {}
    samples = records = 0
    for batch in _pieces(store.scan_samples(window)):
        now = int(batch.time_unix_nano.max())
        admitted = gate.admit(
            batch, now, pipeline.registry.kind_codes(), pipeline.registry.blocked()
        ).admitted
        newest.update((f.finding_id, f) for f in pipeline.find(admitted, now))
        pipeline.slos.learn(admitted)
        samples += len(batch)
    for scanned in store.scan_logs(window):
        logs = _without(scanned, arrived, window.end_unix_nano - _HOUR)
        if not len(logs):
            continue
        now = int(logs.records.column("time_unix_nano").to_numpy().max())
        for detector in pipeline.log_detectors:
            found = pipeline.context.over([*detector.update(logs), *detector.advance(now)], now)
            newest.update((f.finding_id, f) for f in found)
        records += len(logs)
    changes = _to_report(pipeline, newest, window.end_unix_nano)
    log.info("warm_start", since=to_iso(window.start_unix_nano), samples=samples, log_records=records)
    now = window.end_unix_nano
    return Outcome(changes, pipeline.decide(pipeline.grouping.update(changes, now), now))


def _without(logs: LogBatch, arrived: Callable[[], NDArray[np.uint64]], since_unix_nano: int) -> LogBatch:
    """The records that were stored before this process began; those from before `since` all count as such."""
    if int(logs.records.column("time_unix_nano").to_numpy().max()) < since_unix_nano:
        return logs
    live = np.isin(logs.records.column("request_token").to_numpy(), arrived())
    return LogBatch(logs.records.filter(pa.array(~live))) if live.any() else logs


def learn_relations(pipeline: Pipeline, store: TelemetryStore, window: Window) -> None:
    """Who belongs together: from the labels of all series, and the newest `MAX_SPANS` spans of the window."""
    pipeline.learn_new_series()
    pipeline.judge_spans(store.read_spans(window, MAX_SPANS))


def _to_report(pipeline: Pipeline, newest: dict[str, Finding], now_unix_nano: int) -> list[Finding]:
    """Of what the past shows: changes of known findings, and what is open; and what it does not show."""
    told = [
        f for f in newest.values() if f.state is FindingState.OPEN or pipeline.grouping.knows(f.finding_id)
    ]
    unseen = [
        finding
        for incident in pipeline.grouping.unresolved()
        for finding in incident.findings
        if finding.state is FindingState.OPEN
        and finding.finding_id not in newest
        and not pipeline.slos.take_over(finding)
    ]
    # That a job is missing is told by time, not by samples: it goes on until the job is seen.
    go_on = pipeline.context.resume(unseen, now_unix_nano)
    unseen = [finding for finding in unseen if finding.finding_id not in go_on]
    why = "After a restart the stored past does not show it: closed as unknown, not as recovered."
    closed = [replace(f, state=FindingState.CLOSED, why=f"{f.why} {why}") for f in unseen]
    return told + closed


def _pieces(batches: Iterable[MetricBatch]) -> Iterator[MetricBatch]:
    """The first chunk in small pieces, as it once came: thresholds depend on how many series are known."""
    for number, batch in enumerate(batches):
        if number:
            yield batch
            continue
        times = batch.time_unix_nano
        edges = np.arange(times[0], times[-1] + _PIECE, _PIECE)[1:]
        for rows in np.split(np.arange(len(batch)), np.searchsorted(times, edges)):
            if len(rows):
                yield batch.take(rows)


def _bounded(store: TelemetryStore, window: Window) -> Window:
    """The newest part of the window that holds about `MAX_SAMPLES`, from the last minute of every hour."""
    room = float(MAX_SAMPLES)
    end = window.end_unix_nano
    while end > window.start_unix_nano:
        hour = Window(max(window.start_unix_nano, end - _HOUR), end)
        probe = Window(max(hour.start_unix_nano, end - _PROBE), end)
        rate = sum(len(batch) for batch in store.scan_samples(probe)) / probe.seconds
        if rate * hour.seconds > room:
            return Window(end - from_seconds(room / rate), window.end_unix_nano)
        room -= rate * hour.seconds
        end = hour.start_unix_nano
    return window
