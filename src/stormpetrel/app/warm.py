"""Warm start: the stored past goes through the stages again, so that a restart forgets nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.correlate.resolved import REMEMBERED
from stormpetrel.detect import alerts
from stormpetrel.ingest.admit import QualityGate
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Finding, FindingState, closed_unheard, unheard_since
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.query import LogQuery
from stormpetrel.model.records import Alert, AlertState
from stormpetrel.model.signal import LogBatch, MetricBatch
from stormpetrel.model.time import NANOS_PER_SECOND, Window, from_seconds, to_iso, to_seconds
from stormpetrel.ports.algorithms import KeepsState
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED)
# At about a million samples a second this bounds the warm start to some twenty seconds.
MAX_SAMPLES = 20_000_000
MAX_SPANS = 50_000
MAX_ALERTS = 50_000
MAX_RECORDS = 5_000
OWNED_BY = "owned by"  # in the words of `ingest.kubernetes_objects`
# Page decisions taken over: more than any four weeks can hold that the bar learns from.
PAGES_REMEMBERED = 5000
_PROBE, _HOUR, _PIECE, _DAY = from_seconds(60), from_seconds(3600), from_seconds(10), from_seconds(86_400)
_CHUNK_SAMPLES = 2_000_000


@dataclass(frozen=True, slots=True)
class Past:
    """What of the stored past to read, where samples and logs begin at different times; and who belongs
    together, of which a snapshot knows nothing, in a longer one."""

    samples: Window
    logs: Window
    relations: Window | None = None


def warm_start(
    pipeline: Pipeline,
    gate: QualityGate,
    store: TelemetryStore,
    control: ControlStore,
    window: Window | Past,
    arrived: Callable[[], NDArray[np.uint64]] = lambda: np.empty(0, np.uint64),
) -> Outcome:
    """Teach the detectors from what is stored in the window and take over unresolved incidents.

    Findings of the past are not reported a second time. Those that belong to unresolved incidents
    update them: the same input gives the same finding ids. A finding that is open at the end and belongs
    to no incident was stored and not judged before the stop: it is reported now. An open finding that the
    window no longer shows is closed as unknown, or its incident would never resolve.
    Cost: one pass over the window, which is shortened so that it holds about `MAX_SAMPLES` at most.

    Args:
        window: what to read; a `Past` is read as it is.
        gate: a gate of its own, since the live one already admits what arrives meanwhile.
        arrived: gives the request tokens of what was stored since this process began: those log records
            are judged as they come, and must not be counted here too. (Samples need no such care: a
            detector learns nothing from a sample that is not newer than the last.)
    """
    resolved = control.list_incidents((IncidentState.RESOLVED,), limit=REMEMBERED)
    pipeline.grouping.restore([*control.list_incidents(UNRESOLVED, limit=1000), *reversed(resolved)])
    pipeline.budget.restore(control.list_pages(limit=PAGES_REMEMBERED))
    past = window if isinstance(window, Past) else Past(bounded(store, window), window)
    learn_relations(pipeline, store, past.relations or past.logs)
    told = resume_alerts(pipeline, store, past.samples.end_unix_nano)
    newest = {f.finding_id: f for f in [*open_findings(pipeline), *told]}
    samples = records = 0
    for batch in _pieces(store.scan_samples(past.samples, _chunk_seconds(store, past.samples))):
        now = int(batch.time_unix_nano.max())
        admitted = gate.admit(
            batch, now, pipeline.registry.kind_codes(), pipeline.registry.blocked()
        ).admitted
        newest.update((f.finding_id, f) for f in pipeline.find(admitted, now))
        pipeline.slos.learn(admitted)
        samples += len(batch)
    for scanned in store.scan_logs(past.logs):
        logs = _without(scanned, arrived, past.logs.end_unix_nano - _HOUR)
        if not len(logs):
            continue
        pipeline.topology.learn_hosts(logs)
        now = int(logs.records.column("time_unix_nano").to_numpy().max())
        for detector in pipeline.log_detectors:
            found = pipeline.heard(detector, [*detector.update(logs), *detector.advance(now)])
            newest.update((f.finding_id, f) for f in pipeline.context.over(found, now))
        records += len(logs)
    now = past.samples.end_unix_nano
    changes = _to_report(pipeline, newest, now)
    since = to_iso(past.samples.start_unix_nano)
    log.info("warm_start", since=since, samples=samples, log_records=records)
    return Outcome(changes, pipeline.decide(pipeline.grouping.update(changes, now), now))


def open_findings(pipeline: Pipeline) -> list[Finding]:
    """What policies and log detectors hold open now: after a snapshot was put back, as it was then."""
    found = [finding for policy in pipeline.policies for finding in policy.open_findings]
    found += pipeline.groups.open_findings + pipeline.alerts.open_findings
    for detector in pipeline.log_detectors:
        if isinstance(detector, KeepsState):
            found += pipeline.heard(detector, detector.open_findings())
    return found


def _without(logs: LogBatch, arrived: Callable[[], NDArray[np.uint64]], since_unix_nano: int) -> LogBatch:
    """The records that were stored before this process began; those from before `since` all count as such."""
    if int(logs.records.column("time_unix_nano").to_numpy().max()) < since_unix_nano:
        return logs
    live = np.isin(logs.records.column("request_token").to_numpy(), arrived())
    return LogBatch(logs.records.filter(pa.array(~live))) if live.any() else logs


def learn_relations(pipeline: Pipeline, store: TelemetryStore, window: Window) -> None:
    """Who belongs together: from the labels of all series, the newest `MAX_SPANS` spans of the window, its
    newest `MAX_RECORDS` log records, and as many of the last hour that tell of owners."""
    pipeline.learn_new_series()
    pipeline.judge_spans(store.read_spans(window, MAX_SPANS))
    last = Window(max(window.start_unix_nano, window.end_unix_nano - _HOUR), window.end_unix_nano)
    for query in (LogQuery(window, limit=MAX_RECORDS), LogQuery(last, text=OWNED_BY, limit=MAX_RECORDS)):
        records = store.read_logs(query)
        if records:
            pipeline.topology.learn_hosts(
                build_logs(
                    [one.time_unix_nano for one in records],
                    [one.body for one in records],
                    source="",
                    entity=[one.entity for one in records],
                    attributes=[orjson.dumps(dict(one.attributes)).decode() for one in records],
                )
            )


def resume_alerts(pipeline: Pipeline, store: TelemetryStore, now_unix_nano: int) -> list[Finding]:
    """Go on with the alerts of unresolved incidents that fire, or fired when they were last heard of, and
    take what was told of others in the last hour.

    An older one that fires and belongs to no incident was judged when it came: nobody knows whether it
    still fires, and its sender will tell.
    """
    held = [
        finding
        for incident in pipeline.grouping.unresolved()
        for finding in incident.findings
        if finding.detector == alerts.NAME and (finding.state is FindingState.OPEN or unheard_since(finding))
    ]
    pipeline.alerts.restore(held, now_unix_nano)
    since = now_unix_nano - _HOUR

    def is_news(alert: Alert) -> bool:
        new = alert.state is AlertState.FIRING and alert.time_unix_nano >= since
        return new or pipeline.alerts.holds(alert.source, alert.fingerprint)

    stored = store.read_alerts(Window(max(0, now_unix_nano - _DAY), now_unix_nano), MAX_ALERTS)
    changes = pipeline.alerts.update([one for one in reversed(stored) if is_news(one)])
    return pipeline.context.over(changes, now_unix_nano)


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
    # That a job or a backup is missing is told by time, not by samples: it goes on until one is seen.
    go_on = pipeline.context.resume(unseen, now_unix_nano) | pipeline.backups.resume(unseen)
    unseen = [finding for finding in unseen if finding.finding_id not in go_on]
    why = "After a restart the stored past does not show it: closed as unknown, not as recovered."
    closed = [closed_unheard(f, now_unix_nano, why) for f in unseen]
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


def bounded(store: TelemetryStore, window: Window, room: int = MAX_SAMPLES) -> Window:
    """The newest part of the window that holds about `room` samples."""
    step = _HOUR if window.seconds > 4 * _HOUR / NANOS_PER_SECOND else _PROBE
    counts = store.count_samples(window, to_seconds(step))[::-1]
    held = np.cumsum(counts)
    if not len(held) or held[-1] <= room:
        return window
    full = int(np.searchsorted(held, room, side="right"))  # steps from the end that fit whole
    rest = room - (int(held[full - 1]) if full else 0)
    start = window.start_unix_nano + (len(counts) - full) * step - int(step * rest / int(counts[full]))
    return Window(max(window.start_unix_nano, start), window.end_unix_nano)


def _chunk_seconds(store: TelemetryStore, window: Window) -> float:
    """Time to scan at once: some two million samples. It changes the speed, never the result."""
    held = int(store.count_samples(window, max(window.seconds, 1.0)).sum())
    return min(max(_CHUNK_SAMPLES * window.seconds / max(held, 1), 60.0), 86_400.0)
