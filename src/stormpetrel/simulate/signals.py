"""What the estate emits: plain columns, in the words of the protocols that will carry them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stormpetrel.model.signal import MetricKind
from stormpetrel.simulate.noise import Floats, Ints


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """One series as its sender names it. `labels` are sorted and do not hold the metric's name."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    kind: MetricKind
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One series over the ticks of a step; of a counter it holds what was added in each tick."""

    spec: SeriesSpec
    value: Floats


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """Samples of all series at common times: time int64[t] in Unix nanoseconds, value float64[t, series]."""

    specs: tuple[SeriesSpec, ...]
    time_unix_nano: Ints
    value: Floats

    def column(self, metric: str, **labels: str) -> Floats:
        """The one series with this metric and (at least) these labels; KeyError when not exactly one."""
        wanted = set(labels.items())
        found = [i for i, s in enumerate(self.specs) if s.metric == metric and wanted <= set(s.labels)]
        if len(found) != 1:
            raise KeyError(f"{metric} {labels}: {len(found)} series match, one is needed")
        return self.value[:, found[0]]


@dataclass(frozen=True, slots=True)
class LogColumns:
    """Log records ordered by time; equally long columns."""

    time_unix_nano: Ints
    service: list[str]  # "" for a record of the host itself
    host: list[str]
    severity_number: Ints
    body: list[str]
    attributes: list[tuple[tuple[str, str], ...]]

    def __len__(self) -> int:
        return len(self.body)


@dataclass(frozen=True, slots=True)
class SpanColumns:
    """Spans ordered by start; ids are raw bytes: 16 of a trace, 8 of a span."""

    start_unix_nano: Ints
    end_unix_nano: Ints
    trace_id: list[bytes]
    span_id: list[bytes]
    parent_span_id: list[bytes]  # b"" for a root
    service: list[str]
    host: list[str]
    name: list[str]
    kind: Ints  # OpenTelemetry SpanKind
    status_code: Ints  # 0 unset, 1 ok, 2 error

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything the estate emitted in one step."""

    metrics: MetricColumns
    logs: LogColumns
    spans: SpanColumns


def series(metric: str, kind: MetricKind = MetricKind.GAUGE, unit: str = "", **labels: str) -> SeriesSpec:
    """A series specification with sorted labels."""
    return SeriesSpec(metric, tuple(sorted(labels.items())), kind, unit)


def counter(metric: str, increment: Ints | Floats, unit: str = "", **labels: str) -> Column:
    """A counter's column from what each tick adds."""
    return Column(series(metric, MetricKind.COUNTER, unit, **labels), increment.astype(np.float64))


def gauge(metric: str, value: Floats | Ints, unit: str = "", **labels: str) -> Column:
    """A gauge's column from its values."""
    return Column(series(metric, MetricKind.GAUGE, unit, **labels), value.astype(np.float64))
