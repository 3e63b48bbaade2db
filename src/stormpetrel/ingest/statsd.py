"""StatsD: messages summed up over windows of time, and each window as samples of series.

    type         series                                                    kind    when silent
    c            NAME: the sum, each value divided by its sample rate      delta   0
    g            NAME: the last value; `+1`, `-1` change the one before    gauge   no sample
    ms, h, d     NAME_count, NAME_sum (by sample rate too)                 delta   0
                 NAME_min, NAME_max, NAME{quantile="0.5", "0.9", "0.99"}   gauge   no sample
    s            NAME: how many distinct members                           gauge   0

Windows lie on a fixed grid of the receiver's clock, as StatsD has no times; samples carry the end of
theirs. What was silent for an hour is forgotten and its series ended by staleness markers; a gauge then
begins at 0 again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.ingest.statsd_line import Head, LineError, Measured, number_of, read_line
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Rejected
from stormpetrel.model.resource import UNKNOWN_ENTITY, entity_of
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.source import SeriesInterner

DEFAULT_ENTITY = "job:statsd"
QUANTILES = (0.5, 0.9, 0.99)
IDLE_SECONDS = 3600.0
_STALE = float(np.array([STALE_MARKER_BITS], np.int64).view(np.float64)[0])
_TIMERS = ("ms", "h", "d")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a window may hold. `values` are those of one timer from which its quantiles are taken."""

    heads: int = 20_000
    values: int = 500
    members: int = 10_000
    members_in_all: int = 500_000


def _no_values() -> array[float]:
    return array("d")


@dataclass(slots=True)
class _Summed:
    """One name with its tags: what this window brought, and the series it goes to."""

    kind: str
    series: tuple[int, ...]
    idle_windows: int = 0
    heard: bool = False
    count: float = 0.0
    total: float = 0.0
    last: float = 0.0  # of a gauge; stays from window to window
    values: array[float] = field(default_factory=_no_values)
    stride: int = 1  # one of so many values is kept
    passed: int = 0
    least: float = 0.0
    most: float = 0.0
    members: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """A new window."""
        self.idle_windows = 0 if self.heard else self.idle_windows + 1
        self.heard = False
        self.count = self.total = 0.0
        self.stride, self.passed = 1, 0
        self.values = _no_values()
        self.members = set()


class StatsdWindows:
    """Sums messages up and hands out finished windows. Not thread-safe.

    Series belong to the entity that their tags name (`service`, `pod`, `host` …), else to `job:statsd`.

    Args:
        interner: gives series their ids.
        source: name of the source.
        flush_seconds: length of a window.
        bounds: beyond them lines are refused: `too_many_series`, `set_full`.
    """

    def __init__(
        self,
        interner: SeriesInterner,
        source: str = "statsd",
        flush_seconds: float = 10.0,
        bounds: Bounds | None = None,
    ) -> None:
        self._interner = interner
        self._source = source
        self._step = from_seconds(flush_seconds)
        self._idle_windows = max(1, round(IDLE_SECONDS / flush_seconds))
        self._bounds = bounds or Bounds()
        self._heads: dict[Head, _Summed] = {}
        self._members = 0
        self._end = 0
        self._tally = RejectTally()
        self._finished: list[MetricBatch] = []

    def add(self, packet: bytes, now_unix_nano: int) -> None:
        """Take the lines of a packet; bad ones are counted. 5 microseconds a line."""
        self._reach(now_unix_nano)
        for line in packet.decode("utf-8", "replace").split("\n"):
            text = line.strip()
            if text:
                try:
                    self._take(read_line(text))
                except LineError as error:
                    self._tally.add(error.reason, 1, text[:120])

    def flush(self, now_unix_nano: int) -> MetricBatch:
        """Samples of all windows that ended by now and were not handed out yet; may be empty."""
        self._reach(now_unix_nano)
        finished, self._finished = self._finished, []
        return MetricBatch.concat(finished)

    def finish(self, now_unix_nano: int) -> MetricBatch:
        """The same, and the window under way as far as it came, dated now: nothing comes after."""
        self._reach(now_unix_nano)
        if self._end and any(summed.heard for summed in self._heads.values()):
            self._close(min(now_unix_nano, self._end))
        return self.flush(now_unix_nano)

    def rejected(self) -> tuple[Rejected, ...]:
        """What was refused since the last call."""
        tally, self._tally = self._tally, RejectTally()
        return tally.rejected()

    def _reach(self, now: int) -> None:
        """Close the window that is over; windows in which nothing was asked are passed over."""
        if now < self._end:
            return
        if self._end:
            self._close(self._end)
        self._end = (now // self._step + 1) * self._step

    def _close(self, time: int) -> None:
        samples: list[tuple[int, float]] = []
        for head, summed in list(self._heads.items()):
            samples += _samples(summed)
            summed.begin()
            if summed.idle_windows > self._idle_windows:
                samples += [(series, _STALE) for series in summed.series]
                del self._heads[head]
        self._members = 0
        if samples:
            series, values = zip(*samples, strict=True)
            times = np.full(len(samples), time, np.int64)
            self._finished.append(MetricBatch(np.array(series, np.uint32), times, np.array(values)))

    def _take(self, measured: Measured) -> None:
        kind = measured.head.kind
        numbers = [] if kind == "s" else [number_of(text) for text in measured.values]
        summed = self._heads.get(measured.head) or self._new(measured.head)
        summed.heard = True
        if kind == "c":
            summed.total += sum(numbers) * measured.weight
        elif kind == "g":
            for text, number in zip(measured.values, numbers, strict=True):
                summed.last = summed.last + number if text[0] in "+-" else number
        elif kind == "s":
            self._join(summed, measured.values[0])
        else:
            for number in numbers:
                _record(summed, number, measured.weight, self._bounds.values)

    def _join(self, summed: _Summed, member: str) -> None:
        if member in summed.members:
            return
        if len(summed.members) >= self._bounds.members or self._members >= self._bounds.members_in_all:
            raise LineError("set_full")
        summed.members.add(member)
        self._members += 1

    def _new(self, head: Head) -> _Summed:
        if len(self._heads) >= self._bounds.heads:
            raise LineError("too_many_series")
        summed = self._heads[head] = _Summed(head.kind, tuple(self._series(head)))
        return summed

    def _series(self, head: Head) -> Iterator[int]:
        named = entity_of(dict(head.labels))
        entity = DEFAULT_ENTITY if named == UNKNOWN_ENTITY else named

        def intern(metric: str, kind: MetricKind, unit: str = "", quantile: str = "") -> int:
            labels = {**dict(head.labels), "quantile": quantile} if quantile else dict(head.labels)
            return self._interner.intern(metric, labels, self._source, kind, unit, entity)

        if head.kind not in _TIMERS:
            yield intern(head.name, MetricKind.DELTA if head.kind == "c" else MetricKind.GAUGE)
            return
        unit = "ms" if head.kind == "ms" else ""
        yield intern(f"{head.name}_count", MetricKind.DELTA)
        yield intern(f"{head.name}_sum", MetricKind.DELTA, unit)
        yield intern(f"{head.name}_min", MetricKind.GAUGE, unit)
        yield intern(f"{head.name}_max", MetricKind.GAUGE, unit)
        for quantile in QUANTILES:
            yield intern(head.name, MetricKind.GAUGE, unit, f"{quantile:g}")


def _record(summed: _Summed, value: float, weight: float, most_values: int) -> None:
    """Count a timer's value. Beyond the bound every other kept one goes, and half as many come."""
    first = summed.count == 0
    summed.least = value if first else min(summed.least, value)
    summed.most = value if first else max(summed.most, value)
    summed.count += weight
    summed.total += value * weight
    if summed.passed % summed.stride == 0:
        summed.values.append(value)
        if len(summed.values) > most_values:
            summed.values = summed.values[::2]
            summed.stride *= 2
    summed.passed += 1


def _samples(summed: _Summed) -> list[tuple[int, float]]:
    series = summed.series
    if summed.kind == "c":
        return [(series[0], summed.total)]
    if summed.kind == "s":
        return [(series[0], float(len(summed.members)))]
    if summed.kind == "g":
        return [(series[0], summed.last)] if summed.heard else []
    told = [(series[0], summed.count), (series[1], summed.total)]
    if summed.values:
        told += [(series[2], summed.least), (series[3], summed.most)]
        quantiles = np.quantile(summed.values, QUANTILES, method="inverted_cdf").tolist()
        told += list(zip(series[4:], quantiles, strict=True))
    return told
