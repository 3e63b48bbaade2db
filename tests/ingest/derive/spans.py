"""Spans for tests, as rows that can be put in any order and cut into any batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stormpetrel.ingest.derive_red import DeriveLimits
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_spans
from stormpetrel.model.signal import MetricBatch, SpanBatch
from stormpetrel.model.time import from_seconds

SECOND = from_seconds(1)
T0 = 1_700_000_000 * SECOND
GRID = WindowGrid(10 * SECOND, 20 * SECOND)
LIMITS = DeriveLimits(GRID)
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


@dataclass(frozen=True)
class Span:
    """One span; times in milliseconds since T0."""

    service: str
    name: str = "op"
    end: int = 10_500
    took: int = 5
    kind: int = SERVER
    failed: bool = False
    span: int = 0
    parent: int = 0
    source: str = "otel"
    attributes: str = "{}"


def batch(spans: Sequence[Span]) -> SpanBatch:
    """The spans as a batch, in this order."""
    end = [T0 + one.end * 1_000_000 for one in spans]
    return build_spans(
        [time - one.took * 1_000_000 for time, one in zip(end, spans, strict=True)],
        end,
        [one.name for one in spans],
        ["ab" * 16] * len(spans),
        [f"{one.span:016x}" for one in spans],
        parent_span_id=[f"{one.parent:016x}" if one.parent else "" for one in spans],
        entity=[f"service:{one.service}" for one in spans],
        kind=[one.kind for one in spans],
        status_code=[2 if one.failed else 0 for one in spans],
        source=[one.source for one in spans],
        attributes=[one.attributes for one in spans],
    )


def told(registry: SeriesRegistry, samples: MetricBatch) -> dict[tuple[str, int], float]:
    """Value by series text and second since T0."""
    seconds = ((samples.time_unix_nano - T0) // SECOND).tolist()
    return {
        (registry.info(series).text(), second): value
        for series, second, value in zip(
            samples.series.tolist(), seconds, samples.value.tolist(), strict=True
        )
    }
