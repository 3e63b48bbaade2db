"""Patterns of log lines: what a source says again and again, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Alias:
    """An entry of the alias log: what was `old` is `new` from here on.

    Attributes:
        position: of the entry in the log, counted from the first ever written.
        old, new: pattern ids; equal when a pattern came back under an id that had been merged.
        reason: `merged` on evidence, `layout` when the header was learnt, `returned`.
    """

    position: int
    old: int
    new: int
    reason: str


@dataclass(frozen=True, slots=True)
class LogLines:
    """Log lines on their way to the miner, in order of arrival.

    Attributes:
        text: pa.StringArray[n]; a record of several lines is one line here. Null counts as empty.
        source: int32[n], index into `sources`. Lines of one source share a header and a set of patterns.
        sources: names; the same name is the same source in every batch.
        time_unix_nano: int64[n].
        severity_number: uint8[n], as OpenTelemetry counts it; 0 is unknown.
        origin: int32[n], index into `origins`: who wrote the line (a host, a pod), for showing.
    """

    text: pa.Array
    source: NDArray[np.int32]
    sources: tuple[str, ...]
    time_unix_nano: NDArray[np.int64]
    severity_number: NDArray[np.uint8]
    origin: NDArray[np.int32]
    origins: tuple[str, ...] = ("",)

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a pattern, from a sample of its lines.

    Attributes:
        name: the key before it (`rhost` in `rhost=<*>`), the word before it, or `v1`, `v2`, ….
        seen: values looked at.
        top: most frequent values and how often they were seen (a lower bound), most frequent first.
        numeric: how many of them were numbers; below NaN when there are none.
        least, most, mean: of the numbers.
        quantiles: of the numbers, at 5, 50 and 95 %, within some 10 %.
    """

    name: str
    seen: int
    top: tuple[tuple[str, int], ...]
    numeric: int
    least: float
    most: float
    mean: float
    quantiles: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class WatchedVariable:
    """A variable that somebody (`by`) chose to watch as a series, by the pattern's id at that time."""

    pattern: int
    variable: str
    by: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of a source.

    Attributes:
        id: hash of source and template; survives restarts and does not depend on the order of lines.
        source: name of the source.
        text: `<*>` is a variable; what only looks variable but never varied is shown as it is.
        template: the text with every variable masked. The id is a hash of it: the same id, the same template.
        lines: seen since `first_unix_nano`.
        first_unix_nano, last_unix_nano: first and last sighting, in event time.
        by_minute: lines by minute (minutes since 1970), at most the last 1,440 minutes that had any.
        severities: lines by OpenTelemetry severity: unknown, trace, debug, info, warn, error, fatal.
        origins: who wrote it, as far as sampled, most frequent first.
        samples: a few lines as they came, the first one first.
        variables: left to right.
        merged: ids of patterns that became this one, the last hundred.
        kin: patterns of the source that differ from it in one word only.
    """

    id: int
    source: str
    text: str
    template: str
    lines: int
    first_unix_nano: int
    last_unix_nano: int
    by_minute: Mapping[int, int]
    severities: tuple[int, ...]
    origins: tuple[tuple[str, int], ...]
    samples: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    merged: tuple[int, ...] = field(default=())
    kin: int = 0


@dataclass(frozen=True, slots=True)
class Mined:
    """The answer of the miner to a batch.

    Attributes:
        pattern: int64[n], the id of each line's pattern at its arrival; `resolve` says what became of it.
        new: ids of patterns seen for the first time, in order.
    """

    pattern: NDArray[np.int64]
    new: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MinerSizes:
    """How much a miner holds, and what it let go.

    Attributes:
        sources, patterns, skeletons: held now.
        evicted: patterns that went because the source had too many, least recently seen first.
        cache_cleared: times the skeleton cache was emptied.
        folded_lines: lines of sources beyond the limit, mined together as one.
    """

    sources: int
    patterns: int
    skeletons: int
    evicted: int
    cache_cleared: int
    folded_lines: int
