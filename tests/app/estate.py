"""The simulated estate's signals as the batches that decoders would make of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch, MetricBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.signals import LogColumns, MetricColumns

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
    )
