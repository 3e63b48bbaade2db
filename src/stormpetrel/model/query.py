"""Questions to the telemetry store, and the shapes of its answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.time import Window


@dataclass(frozen=True, slots=True)
class LastSamples:
    """The newest stored sample of every series: what admission needs after a restart."""

    series: NDArray[np.uint32]
    time_unix_nano: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SampleSpans:
    """What a store holds of each series in a window, by series: how much, from when to when."""

    series: NDArray[np.uint32]
    samples: NDArray[np.int64]
    first_unix_nano: NDArray[np.int64]
    last_unix_nano: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which log records; empty fields do not restrict. `text` is a case-insensitive substring.

    `patterns` are ids as records were stored with: all that ever were one pattern, see `ports.LogMiner`.
    """

    window: Window
    text: str = ""
    entity: str = ""
    source: str = ""
    min_severity: int = 0
    trace_id: str = ""
    patterns: tuple[int, ...] = ()
    limit: int = 200
    newest_first: bool = True
    before_unix_nano: int = 0  # page on: only records strictly older than this (newest first)
    skip: int = 0  # and of those without so many: records of one moment may fill more than a page


@dataclass(frozen=True, slots=True)
class LogCounts:
    """Log records per time bucket and severity: count int64[buckets, 25], column = severity_number."""

    bucket_unix_nano: NDArray[np.int64]
    count: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PatternRows:
    """What the store holds of patterns in a window, most records first; ids as records were stored with.

    Attributes:
        pattern: int64[k].
        count: int64[k, buckets]: records by equal parts of the window.
        severity: uint8[k], the highest.
        first_unix_nano, last_unix_nano: int64[k], within the window.
        entity, source: of one of the records, text[k].
        entities: int64[k], how many there are, about.
    """

    pattern: NDArray[np.int64]
    count: NDArray[np.int64]
    severity: NDArray[np.uint8]
    first_unix_nano: NDArray[np.int64]
    last_unix_nano: NDArray[np.int64]
    entity: list[str]
    source: list[str]
    entities: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pattern)


@dataclass(frozen=True, slots=True)
class TableSize:
    """How much one table holds, for the page *About this system*."""

    table: str
    rows: int
    bytes_on_disk: int


@dataclass(frozen=True, slots=True)
class GridSamples:
    """All samples of many series in a window, by equal steps of time; one row for each series and step.

    Attributes:
        series: uint32[n].
        step: int64[n], which step of the window, from 0.
        mean, high: float64[n], of the samples in that step.
    """

    series: NDArray[np.uint32]
    step: NDArray[np.int64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PatternTally:
    """Log records of a window by step, entity and pattern.

    Attributes:
        step, pattern, count: int64[n]; patterns are ids as records were stored with.
        severity: uint8[n], the highest.
        entity: text[n].
    """

    step: NDArray[np.int64]
    entity: list[str]
    pattern: NDArray[np.int64]
    count: NDArray[np.int64]
    severity: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CallTally:
    """Spans of a window by step, who called, who was called, what, and whether it failed.

    Attributes:
        step, count: int64[n].
        caller: text[n], entity of the parent span, "" where there is none or it is not in the window.
        entity, name: text[n], of the span.
        failing: bool[n], its status was an error.
        own_seconds: float64[n], 95th percentile of the time not spent in child spans.
        toward: text[n], of a client's span the entity of its child spans, "" where there is none, where
            there are several, and for any other span.
    """

    step: NDArray[np.int64]
    caller: list[str]
    entity: list[str]
    name: list[str]
    failing: NDArray[np.bool_]
    count: NDArray[np.int64]
    own_seconds: NDArray[np.float64]
    toward: list[str]
