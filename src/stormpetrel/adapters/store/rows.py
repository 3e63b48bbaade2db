"""Between the model's values and the tables' rows (Arrow both ways)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.query import PatternRows
from stormpetrel.model.signal import LogRecord, MetricBatch, MetricKind, SeriesInfo

SERIES_SCHEMA = pa.schema(
    [
        ("series", pa.uint32()),
        ("metric", pa.string()),
        ("labels", pa.map_(pa.string(), pa.string())),
        ("entity", pa.string()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("unit", pa.string()),
        ("change", pa.uint64()),
    ]
)

FINDING_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("finding_id", "detector", "head", "entity", "title", "why")),
        ("model_version", pa.int64()),
        ("severity", pa.uint8()),
        ("state", pa.string()),
        ("start_unix_nano", pa.int64()),
        ("end_unix_nano", pa.int64()),
        ("evidence_signal", pa.string()),
        ("evidence_query", pa.string()),
        ("evidence_series", pa.int64()),
        ("evidence_start_unix_nano", pa.int64()),
        ("evidence_end_unix_nano", pa.int64()),
        *((name, pa.float64()) for name in ("observed", "expected", "low", "high", "p_value")),
        ("unit", pa.string()),
        ("attributes", pa.string()),  # a JSON object; "" for None
        ("change", pa.uint64()),
        ("stored", pa.uint16()),  # days since 1970
    ]
)

# Columns of records whose texts may repeat; how many texts say so, and how few they then are.
_REPEATING = frozenset({"entity", "source", "attributes"})
_LOOKED_AT, _REPEATED = 128, 16

_KINDS = {kind.value: kind for kind in MetricKind}


def column(table: pa.Table, name: str, kind: type[np.generic]) -> NDArray[Any]:
    """One column as a NumPy array of its own."""
    return np.array(table[name].to_numpy(), dtype=kind)


def constant(value: int, rows: int, kind: pa.DataType) -> pa.Array:
    """A column that says one thing."""
    return pa.array(np.full(rows, value, dtype=kind.to_pandas_dtype()), type=kind)


def coded(table: pa.Table) -> pa.Table:
    """The table with texts that repeat written once: the engine takes that form, and reads it in half the
    time. What is stored is the same."""
    for place, field in enumerate(table.schema):
        texts = table.column(place)
        if field.name not in _REPEATING or texts.null_count:
            continue
        if pc.count_distinct(texts.slice(0, _LOOKED_AT)).as_py() <= _REPEATED:
            table = table.set_column(place, field.name, texts.dictionary_encode())
    return table


def sample_table(batch: MetricBatch, stored_day: int) -> pa.Table:
    """Samples as rows of the table `samples`."""
    return pa.table(
        {
            "series": batch.series,
            "time_unix_nano": batch.time_unix_nano,
            "value": batch.value,
            "stored": constant(stored_day, len(batch), pa.uint16()),
        }
    )


def quarantine_table(quarantined: Quarantined, stored_day: int) -> pa.Table:
    """Quarantined samples as rows of the table `quarantine`."""
    return sample_table(quarantined.batch, stored_day).append_column("verdict", pa.array(quarantined.verdict))


def metric_batch(table: pa.Table) -> MetricBatch:
    """Rows (series, time_unix_nano, value) as samples."""
    return MetricBatch(
        column(table, "series", np.uint32),
        column(table, "time_unix_nano", np.int64),
        column(table, "value", np.float64),
    )


def record_batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    """A table of one chunk as a record batch of exactly this schema."""
    if table.num_rows == 0:
        return _empty(schema)
    batch = table.select(schema.names).combine_chunks().to_batches()[0]
    return pa.RecordBatch.from_arrays(
        [batch.column(field.name).cast(field.type) for field in schema], schema=schema
    )


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def series_table(series: Sequence[SeriesInfo], change: int) -> pa.Table:
    """Series as rows of the table `series`; a later one of the same id wins."""
    return pa.table(
        {
            "series": [one.series for one in series],
            "metric": [one.metric for one in series],
            "labels": [one.labels for one in series],
            "entity": [one.entity for one in series],
            "source": [one.source for one in series],
            "kind": [one.kind.value for one in series],
            "unit": [one.unit for one in series],
            "change": np.arange(change, change + len(series), dtype=np.uint64),
        },
        schema=SERIES_SCHEMA,
    )


def series_infos(table: pa.Table) -> Iterator[SeriesInfo]:
    """The other way."""
    names = ("series", "metric", "labels", "entity", "source", "kind", "unit")
    columns = [table[name].to_pylist() for name in names]
    for series, metric, labels, entity, source, kind, unit in zip(*columns, strict=True):
        yield SeriesInfo(series, metric, tuple(labels), entity, source, _KINDS[kind], unit)


def finding_table(findings: Sequence[Finding], change: int, stored_day: int) -> pa.Table:
    """Finding changes as rows of the table `findings`; a later one of the same id wins."""
    rows = [
        {
            **_finding_row(one),
            **_evidence_row(one.evidence),
            "change": change + position,
            "stored": stored_day,
        }
        for position, one in enumerate(findings)
    ]
    return pa.Table.from_pylist(rows, schema=FINDING_SCHEMA)


def _finding_row(one: Finding) -> dict[str, object]:
    return {
        "finding_id": one.finding_id,
        "detector": one.detector,
        "model_version": one.model_version,
        "head": one.head,
        "entity": one.entity,
        "title": one.title,
        "why": one.why,
        "severity": int(one.severity),
        "state": one.state.value,
        "start_unix_nano": one.start_unix_nano,
        "end_unix_nano": one.end_unix_nano,
        "attributes": "" if one.attributes is None else orjson.dumps(dict(one.attributes)).decode(),
    }


def _evidence_row(evidence: Evidence) -> dict[str, object]:
    return {
        "evidence_signal": evidence.signal,
        "evidence_query": evidence.query,
        "evidence_series": evidence.series,
        "evidence_start_unix_nano": evidence.start_unix_nano,
        "evidence_end_unix_nano": evidence.end_unix_nano,
        "observed": evidence.observed,
        "expected": evidence.expected,
        "low": evidence.low,
        "high": evidence.high,
        "p_value": evidence.p_value,
        "unit": evidence.unit,
    }


def finding(row: Mapping[str, Any]) -> Finding:
    """One row of the table `findings`."""
    evidence = Evidence(
        signal=row["evidence_signal"],
        query=row["evidence_query"],
        series=row["evidence_series"],
        start_unix_nano=row["evidence_start_unix_nano"],
        end_unix_nano=row["evidence_end_unix_nano"],
        observed=row["observed"],
        expected=row["expected"],
        low=row["low"],
        high=row["high"],
        p_value=row["p_value"],
        unit=row["unit"],
    )
    return Finding(
        finding_id=row["finding_id"],
        detector=row["detector"],
        model_version=row["model_version"],
        head=row["head"],
        entity=row["entity"],
        title=row["title"],
        why=row["why"],
        severity=Severity(row["severity"]),
        state=FindingState(row["state"]),
        start_unix_nano=row["start_unix_nano"],
        end_unix_nano=row["end_unix_nano"],
        evidence=evidence,
        attributes=orjson.loads(row["attributes"]) if row["attributes"] else None,
    )


def log_record(row: Mapping[str, Any]) -> LogRecord:
    """One row of the table `logs`."""
    return LogRecord(
        time_unix_nano=row["time_unix_nano"],
        entity=row["entity"],
        source=row["source"],
        severity_number=row["severity_number"],
        body=row["body"],
        attributes=text_map(row["attributes"]),
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        pattern=row["pattern"],
    )


def pattern_rows(table: pa.Table, buckets: int) -> PatternRows:
    """Rows of `LogReader.count_patterns`."""
    count = np.zeros((table.num_rows, buckets), np.int64)
    pairs = zip(table["places"].to_pylist(), table["counts"].to_pylist(), strict=True)
    for row, (places, held) in enumerate(pairs):
        np.add.at(count[row], places, held)
    return PatternRows(
        pattern=column(table, "pattern", np.int64),
        count=count,
        severity=column(table, "severity", np.uint8),
        first_unix_nano=column(table, "first", np.int64),
        last_unix_nano=column(table, "last", np.int64),
        entity=[str(one) for one in table["entity"].to_pylist()],
        source=[str(one) for one in table["source"].to_pylist()],
        entities=column(table, "entities", np.int64),
    )


def text_map(text: str) -> dict[str, str]:
    """A JSON object as texts; what is no JSON object is shown under the name `attributes`."""
    if not text:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"attributes": text}
    if not isinstance(found, dict):
        return {"attributes": text}
    return {name: one if isinstance(one, str) else orjson.dumps(one).decode() for name, one in found.items()}
