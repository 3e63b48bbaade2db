"""The simulated estate's signals as the batches that decoders would make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs, build_spans
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.signals import LogColumns, MetricColumns, SpanColumns

# 06:00 UTC: the nightly batch job of 02:00 is new, and so rightly strange, in its first nights.
START = 1_700_028_000_000_000_000


def batches(
    estate: Estate, registry: SeriesRegistry, hours: float, chunk_seconds: float = 60.0
) -> Iterator[tuple[MetricBatch, LogBatch]]:
    """What the estate says in each chunk of time."""
    end = estate.now_unix_nano + from_seconds(hours * 3600)
    while estate.now_unix_nano < end:
        signals = estate.step(min(end, estate.now_unix_nano + from_seconds(chunk_seconds)))
        yield metric_batch(signals.metrics, registry), log_batch(signals.logs)


def signals_of(
    estate: Estate, registry: SeriesRegistry, hours: float, chunk_seconds: float = 60.0
) -> Iterator[tuple[MetricBatch, LogBatch, SpanBatch]]:
    """The same with spans."""
    end = estate.now_unix_nano + from_seconds(hours * 3600)
    while estate.now_unix_nano < end:
        signals = estate.step(min(end, estate.now_unix_nano + from_seconds(chunk_seconds)))
        yield metric_batch(signals.metrics, registry), log_batch(signals.logs), span_batch(signals.spans)


def span_batch(spans: SpanColumns) -> SpanBatch:
    """Spans as the decoder of OTLP would hand them on."""
    return build_spans(
        [int(t) for t in spans.start_unix_nano],
        [int(t) for t in spans.end_unix_nano],
        spans.name,
        source="estate",
        entity=[f"service:{service}" for service in spans.service],
        trace_id=[one.hex() for one in spans.trace_id],
        span_id=[one.hex() for one in spans.span_id],
        parent_span_id=[one.hex() for one in spans.parent_span_id],
        kind=[int(one) for one in spans.kind],
        status_code=[int(one) for one in spans.status_code],
        attributes=[_said(service, host) for service, host in zip(spans.service, spans.host, strict=True)],
    )


def _said(service: str, host: str) -> str:
    """The attributes of a record as the decoder of OTLP has them: those of its resource."""
    named = {"resource.service.name": service, "resource.host.name": host}
    return json.dumps({name: value for name, value in named.items() if value}, separators=(",", ":"))


def metric_batch(metrics: MetricColumns, registry: SeriesRegistry) -> MetricBatch:
    ids = np.array(
        [registry.intern(s.metric, s.labels, "estate", s.kind, s.unit) for s in metrics.specs], np.uint32
    )
    ticks = len(metrics.time_unix_nano)
    value = metrics.value.ravel()
    keep = ~np.isnan(value)
    return MetricBatch(
        np.tile(ids, ticks)[keep], np.repeat(metrics.time_unix_nano, len(ids))[keep], value[keep]
    )


def log_batch(logs: LogColumns) -> LogBatch:
    entity = [f"service:{s}" if s else f"host:{h}" for s, h in zip(logs.service, logs.host, strict=True)]
    times = [int(t) for t in logs.time_unix_nano]
    return build_logs(
        times,
        logs.body,
        source="estate",
        entity=entity,
        severity_number=[int(s) for s in logs.severity_number],
        attributes=[_said(service, host) for service, host in zip(logs.service, logs.host, strict=True)],
    )
