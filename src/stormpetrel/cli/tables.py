"""What `petrel export` writes: stored telemetry as a stream of Arrow tables of one schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import orjson
import pyarrow as pa

from stormpetrel.model.finding import Finding
from stormpetrel.model.signal import LOG_SCHEMA, SPAN_SCHEMA, SeriesInfo
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.store import TelemetryStore

Progress = Callable[[float], None]
_SPAN_SLICE = from_seconds(60.0)
_MAX_SPANS_PER_SLICE = 2_000_000
_MAX_FINDINGS = 5_000_000
_FINDINGS_PER_TABLE = 10_000

SERIES_SCHEMA = pa.schema(
    [
        ("series", pa.uint32()),
        ("metric", pa.string()),
        ("labels", pa.string()),  # a JSON object
        ("entity", pa.string()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("unit", pa.string()),
    ]
)
SAMPLE_SCHEMA = pa.schema(
    [
        ("time_unix_nano", pa.int64()),
        ("series", pa.uint32()),
        ("metric", pa.string()),
        ("labels", pa.string()),
        ("value", pa.float64()),
    ]
)
_TEXTS = ("finding_id", "detector", "head", "entity", "title", "why", "state", "signal", "query")
_NUMBERS = ("observed", "expected", "low", "high", "p_value")
FINDING_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        ("severity_number", pa.int32()),
        ("start_unix_nano", pa.int64()),
        ("end_unix_nano", pa.int64()),
        ("series", pa.int64()),
        *((name, pa.float64()) for name in _NUMBERS),
        ("unit", pa.string()),
    ]
)
SCHEMAS = {
    "samples": SAMPLE_SCHEMA,
    "logs": LOG_SCHEMA,
    "spans": SPAN_SCHEMA,
    "findings": FINDING_SCHEMA,
    "series": SERIES_SCHEMA,
}


def tables(
    store: TelemetryStore, what: str, window: Window, words: str, progress: Progress
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """The schema, and the tables one after the other: a bounded number of rows at a time.

    Args:
        what: "samples", "logs", "spans", "findings" or "series".
        words: only series (and their samples) whose selector holds all of them, case-insensitive.
        progress: told the share done, 0 to 1.
    """
    streams: dict[str, Callable[[], Iterator[pa.Table]]] = {
        "samples": lambda: _samples(store, window, words, progress),
        "logs": lambda: _logs(store, window, progress),
        "spans": lambda: _spans(store, window, progress),
        "findings": lambda: _findings(store, window),
        "series": lambda: iter([_series_table(_selected(store, words))]),
    }
    return SCHEMAS[what], streams[what]()


def _selected(store: TelemetryStore, words: str) -> list[SeriesInfo]:
    wanted = words.lower().split()
    return [i for i in store.all_series() if not wanted or all(w in i.text().lower() for w in wanted)]


def _labels(found: SeriesInfo) -> str:
    return orjson.dumps(dict(found.labels)).decode()


def _series_table(found: list[SeriesInfo]) -> pa.Table:
    columns = [
        [i.series for i in found],
        [i.metric for i in found],
        [_labels(i) for i in found],
        [i.entity for i in found],
        [i.source for i in found],
        [i.kind.value for i in found],
        [i.unit for i in found],
    ]
    return pa.table(columns, schema=SERIES_SCHEMA)


def _samples(store: TelemetryStore, window: Window, words: str, progress: Progress) -> Iterator[pa.Table]:
    found = _selected(store, words)
    # By series id; a dictionary column names each series once however many samples it has.
    place = np.full(max((i.series for i in found), default=0) + 1, -1, np.int32)
    place[[i.series for i in found]] = np.arange(len(found), dtype=np.int32)
    metrics = pa.array([i.metric for i in found], pa.string())
    labels = pa.array([_labels(i) for i in found], pa.string())
    for batch in store.scan_samples(window):
        progress(_share(int(batch.time_unix_nano[0]), window))
        inside = batch.take(batch.series < len(place))
        kept = inside.take(place[inside.series] >= 0)
        if len(kept):
            at = pa.array(place[kept.series])
            columns = [kept.time_unix_nano, kept.series, metrics.take(at), labels.take(at), kept.value]
            yield pa.table(columns, schema=SAMPLE_SCHEMA)


def _logs(store: TelemetryStore, window: Window, progress: Progress) -> Iterator[pa.Table]:
    for batch in store.scan_logs(window):
        progress(_share(int(batch.records.column("time_unix_nano")[0].as_py()), window))
        yield pa.Table.from_batches([batch.records])


def _spans(store: TelemetryStore, window: Window, progress: Progress) -> Iterator[pa.Table]:
    for start in range(window.start_unix_nano, window.end_unix_nano, _SPAN_SLICE):
        part = Window(start, min(start + _SPAN_SLICE, window.end_unix_nano))
        progress(_share(start, window))
        batch = store.read_spans(part, _MAX_SPANS_PER_SLICE)
        if len(batch):
            yield pa.Table.from_batches([batch.records]).sort_by("start_unix_nano")


def _findings(store: TelemetryStore, window: Window) -> Iterator[pa.Table]:
    found = store.read_findings(window, _MAX_FINDINGS)
    found.sort(key=lambda f: (f.start_unix_nano, f.finding_id))
    for start in range(0, len(found), _FINDINGS_PER_TABLE):
        part = found[start : start + _FINDINGS_PER_TABLE]
        yield pa.Table.from_pylist([_finding_row(finding) for finding in part], schema=FINDING_SCHEMA)


def _finding_row(finding: Finding) -> dict[str, object]:
    evidence = finding.evidence
    return {
        **{name: str(getattr(finding, name)) for name in _TEXTS[:7]},
        "signal": evidence.signal,
        "query": evidence.query,
        "severity_number": int(finding.severity),
        "start_unix_nano": finding.start_unix_nano,
        "end_unix_nano": finding.end_unix_nano,
        "series": evidence.series,
        **{name: float(getattr(evidence, name)) for name in _NUMBERS},
        "unit": evidence.unit,
    }


def _share(at_unix_nano: int, window: Window) -> float:
    whole = max(1, window.end_unix_nano - window.start_unix_nano)
    return (at_unix_nano - window.start_unix_nano) / whole
