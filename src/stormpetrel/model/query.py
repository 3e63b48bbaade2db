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
