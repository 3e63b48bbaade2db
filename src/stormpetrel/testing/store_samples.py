"""Batches to try a telemetry store with: a function of their number, so that anyone can check them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.signal import LOG_SCHEMA, SPAN_SCHEMA, LogBatch, MetricBatch, SeriesInfo, SpanBatch

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND + 123_456_789
ODD_TEXT = 'it\'s 50%_of \\ "quoted"\n\ttab {brace} Ünïcode 漢字 \x00 end'


def metric_batch(rows: list[tuple[int, int, float]]) -> MetricBatch:
    """Samples from (series, time, value)."""
    series, times, values = zip(*rows, strict=True)
    return MetricBatch(np.array(series, np.uint32), np.array(times, np.int64), np.array(values, np.float64))


def numbered_samples(number: int, rows: int = 500) -> MetricBatch:
    """Batch `number`: one sample of each of `rows` series, `number` seconds after `NOW`."""
    times = np.full(rows, NOW + number * SECOND, np.int64)
    return MetricBatch(
        np.arange(rows, dtype=np.uint32), times, np.arange(rows, dtype=np.float64) + number / 1024
    )


def numbered_logs(number: int, rows: int = 50) -> LogBatch:
    """Batch `number` of log records, a nanosecond apart, under the request token `number` + 1."""
    return log_batch(
        [
            {
                "time_unix_nano": NOW + number * SECOND + row,
                "body": f"record {row} of batch {number}",
                "request_token": number + 1,
            }
            for row in range(rows)
        ]
    )


def log_batch(rows: list[dict[str, object]]) -> LogBatch:
    """Log records; what is left out of a row is plain."""
    plain: dict[str, object] = {
        "time_unix_nano": NOW,
        "observed_unix_nano": NOW + 7,
        "entity": "host:a",
        "source": "test",
        "severity_number": 9,
        "body": "all is well",
        "attributes": "{}",
        "trace_id": "",
        "span_id": "",
        "request_token": 0,
        "pattern": 0,
    }
    return LogBatch(pa.RecordBatch.from_pylist([{**plain, **row} for row in rows], schema=LOG_SCHEMA))


def span_batch(rows: list[dict[str, object]]) -> SpanBatch:
    """Spans; what is left out of a row is plain."""
    plain: dict[str, object] = {
        "start_unix_nano": NOW,
        "end_unix_nano": NOW + 5,
        "entity": "service:a",
        "source": "test",
        "trace_id": "0" * 31 + "1",
        "span_id": "0" * 15 + "1",
        "parent_span_id": "",
        "name": "GET /",
        "kind": 2,
        "status_code": 0,
        "attributes": "{}",
        "request_token": 0,
    }
    return SpanBatch(pa.RecordBatch.from_pylist([{**plain, **row} for row in rows], schema=SPAN_SCHEMA))


def series_info(series: int) -> SeriesInfo:
    """A plain series."""
    return SeriesInfo(series, "up", (("job", "test"), ("n", str(series))), "job:test", "test")


def finding(number: int, start: int = NOW, end: int = NOW + SECOND) -> Finding:
    """A finding whose evidence holds NaN and both infinities."""
    evidence = Evidence(
        "metric",
        f'up{{n="{number}"}}',
        number,
        start,
        end,
        2.5,
        float("nan"),
        float("-inf"),
        float("inf"),
        1e-300,
    )
    return Finding(
        f"f{number}", "robust", 3, "level", "host:a", "up is strange", ODD_TEXT, Severity.ERROR,
        FindingState.OPEN, start, end, evidence, {"key": ODD_TEXT},
    )  # fmt: skip


def same_finding(one: Finding, other: Finding) -> bool:
    """Equal, with NaN equal to NaN."""
    return repr(dataclasses.asdict(one)) == repr(dataclasses.asdict(other))


def same_samples(one: MetricBatch, other: MetricBatch) -> bool:
    """Equal to the bit."""
    return (
        bool(np.array_equal(one.series, other.series))
        and bool(np.array_equal(one.time_unix_nano, other.time_unix_nano))
        and bool(np.array_equal(one.value.view(np.uint64), other.value.view(np.uint64)))
    )
