"""Requests, errors and latency of a service, whatever its metrics are called.

`service_requests_rate`, `service_error_ratio` and `service_latency_seconds{service}` are made from counters
that people have (`derive_families`): one vocabulary for runbooks, rules and pages. Each is the sum of the
rates of all instances that speak, told when new samples came, at most once a step, at the time of the
newest one. The ratio is drawn towards the usual one, see `derive_ratio`. The latency is a mean; of spans it
is the median of each operation, weighed by its requests.

Works for cumulative counters and for counts of windows. Says nothing, instead of zero, where nothing is
known: no instance speaks, no request came, or no metric says how requests ended. An instance that is silent
for three of its intervals is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.derive_families import SPAN_DURATION, SPAN_REQUESTS, Role, parts_of
from stormpetrel.ingest.derive_ratio import UsualRatio
from stormpetrel.ingest.derive_series import DERIVED_SOURCE, STALE, Samples
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind, SeriesInfo
from stormpetrel.model.time import from_seconds, to_seconds

RATE, RATIO, LATENCY = METRICS = ("service_requests_rate", "service_error_ratio", "service_latency_seconds")
_UNITS = ("", "1", "s")
_SILENT_INTERVALS = 3
_FORGET_NANOS = from_seconds(3600)
_NO_RANK = 1000
_MOST_PARTS = 50  # of a service in the mean
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(slots=True)
class _Service:
    """A service: its three series, when each was told last, and its usual ratio."""

    name: str
    series: tuple[int, ...]
    told: int = 0
    given: list[bool] = field(default_factory=lambda: [False] * len(METRICS))
    usual: UsualRatio = field(default_factory=UsualRatio)


class _Parts:
    """Columns of what is followed: whose it is, what it says, and its newest rate."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.service = np.zeros(size, np.int32)
        self.rank = np.zeros(size, np.int32)
        self.role = np.zeros(size, np.uint8)
        self.unit = np.ones(size)
        self.rate: F64 = np.full(size, np.nan)
        self.time: I64 = np.zeros(size, np.int64)
        self.gap: I64 = np.zeros(size, np.int64)
        self.total = np.zeros(size)  # rate times nanoseconds, since it was told last
        self.covered = np.zeros(size)
        self.weight = np.full(size, -1, np.int32)  # of a `TYPICAL` part: which one counts


class ServiceSeries:
    """See the module. Deterministic in the samples and the times of `advance`.

    Cost: one look-up a row and Python for each new series; O(parts) a step. Some 50 bytes a part.

    Args:
        registry: knows the series, and gives the new ones their ids.
        step_nanos: at most one sample of a series in this time.
        max_services: followed; series of further ones are counted in `overflow`.
    """

    def __init__(self, registry: SeriesRegistry, step_nanos: int, max_services: int) -> None:
        self._registry, self._step, self._most = registry, step_nanos, max_services
        self._seen = 0
        self._places: NDArray[np.int32] = np.full((2, 1024), -1, np.int32)
        self._parts = _Parts(_MOST_PARTS * max_services)
        self._services: list[_Service] = []
        self._numbers: dict[str, int] = {}
        self._operations: dict[tuple[int, str], dict[Role, int]] = {}
        self._cell, self._newest = 0, 0
        self.overflow = 0

    def __len__(self) -> int:
        """Services followed."""
        return len(self._services)

    def take(self, admitted: AdmittedMetrics) -> None:
        """Remember the newest rate of each part."""
        self._meet()
        batch = admitted.batch
        for places in self._places:
            which = places[batch.series]
            rows = np.flatnonzero(which >= 0)
            if len(rows):
                self._remember(which[rows], batch.time_unix_nano[rows], admitted.signal[rows])

    def _remember(self, part: NDArray[np.int32], time: I64, rate: F64) -> None:
        p = self._parts
        order = np.lexsort((time, part))
        part, time, rate = part[order], time[order], rate[order]
        first = np.append(True, part[1:] != part[:-1])
        before = np.where(first, p.time[part], np.roll(time, 1))
        later = (time > before) & (time > p.time[part])
        part, time, rate, before = part[later], time[later], rate[later], before[later]
        gap = np.where(before > 0, time - before, 0)
        told = np.isfinite(rate) & (gap > 0)
        np.add.at(p.total, part[told], rate[told] * gap[told])
        np.add.at(p.covered, part[told], gap[told].astype(np.float64))
        p.rate[part[~told]] = np.nan  # it began anew: unknown until its next sample
        np.maximum.at(p.time, part, time)
        p.gap[part] = gap  # the last of them counts
        if len(time):
            self._newest = max(self._newest, int(time.max()))

    def advance(self, now_unix_nano: int) -> MetricBatch:
        """Time has reached `now`: what is new of each service, once a step."""
        cell = now_unix_nano // self._step
        if cell == self._cell or not self._services or not self._newest:
            return MetricBatch.empty()
        self._cell = cell
        self._average()
        samples = Samples()
        rates, ratios, latencies, times, spans = self._sums(now_unix_nano)
        for number, one in enumerate(self._services):
            if times[number] <= one.told:
                continue
            one.told = int(times[number])
            drawn = np.nan
            if rates[number] > 0 and np.isfinite(ratios[number]):
                requests = rates[number] * to_seconds(int(spans[number]))
                drawn = one.usual.drawn(requests, requests * ratios[number])
            for place, value in enumerate((rates[number], drawn, latencies[number])):
                given = bool(np.isfinite(value))
                if given or one.given[place]:
                    samples.add(one.series[place], one.told, float(value) if given else STALE)
                one.given[place] = given
        return samples.batch()

    def _average(self) -> None:
        """The rate of each part since the last step; of one that said nothing it is the last one."""
        p = self._parts
        new = np.flatnonzero(p.covered[: p.count] > 0)
        p.rate[new] = p.total[new] / p.covered[new]
        p.total[new] = p.covered[new] = 0.0

    def _sums(self, now: int) -> tuple[F64, F64, F64, I64, I64]:
        """By service: requests a second, share that failed, mean duration, newest time, interval."""
        count, size = self._parts.count, len(self._services)
        p = self._parts
        whose, role, rate = p.service[:count], p.role[:count], p.rate[:count]
        fresh = np.isfinite(rate) & (p.gap[:count] > 0)
        fresh &= now - p.time[:count] <= _SILENT_INTERVALS * p.gap[:count] + self._step
        timed = role >= Role.SECONDS
        requests, told = (self._first(fresh & chosen, whose) for chosen in (~timed, timed))

        def total(rows: NDArray[np.bool_], worth: F64) -> F64:
            return np.bincount(whose[rows], worth[rows], size).astype(np.float64)

        spoke = requests | told
        times, spans = np.zeros(size, np.int64), np.zeros(size, np.int64)
        np.maximum.at(times, whose[spoke], p.time[:count][spoke])
        np.maximum.at(spans, whose[spoke], np.maximum(p.gap[:count], self._step)[spoke])
        all_of = total(requests & (role != Role.FAILED_TOO), rate)
        failed = total(requests & ((role == Role.FAILED) | (role == Role.FAILED_TOO)), rate)
        coded = np.bincount(whose[requests & (role != Role.PLAIN)], minlength=size) > 0
        worth = np.where(p.weight[:count] >= 0, np.nan_to_num(rate[p.weight[:count]]), 0.0)
        typical = told & (role == Role.TYPICAL)
        seconds = total(told & (role == Role.SECONDS), rate * p.unit[:count]) + total(typical, rate * worth)
        ended = total(told & (role == Role.COUNT), rate) + total(typical, worth)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(coded & (all_of > 0), np.clip(failed / all_of, 0.0, 1.0), np.nan)
            mean = np.where(ended > 0, seconds / ended, np.nan)
        known = np.bincount(whose[requests], minlength=size) > 0
        return np.where(known, all_of, np.nan), ratio, mean, times, spans

    def _first(self, rows: NDArray[np.bool_], whose: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Of these parts those of the first family of their service that speaks."""
        rank = self._parts.rank[: self._parts.count]
        best = np.full(len(self._services), _NO_RANK)
        np.minimum.at(best, whose[rows], rank[rows])
        first: NDArray[np.bool_] = rows & (rank == best[whose])
        return first

    # ------------------------------------------------------------------------------------ new series

    def _meet(self) -> None:
        known = len(self._registry)
        if known > self._places.shape[1]:
            room = 1 << (known - 1).bit_length()
            grown = np.full((2, room), -1, np.int32)
            grown[:, : self._places.shape[1]] = self._places
            self._places = grown
        for number in range(self._seen, known):
            info = self._registry.info(number)
            parts = parts_of(info)
            if not parts:
                continue
            service = self._service(info)
            for place, part in enumerate(parts):
                at = self._room() if service >= 0 else -1
                if at < 0:
                    self.overflow += 1
                    continue
                self._places[place, number] = at
                p = self._parts
                p.service[at], p.rank[at], p.role[at], p.unit[at] = service, part.rank, part.role, part.unit
                p.rate[at], p.time[at], p.gap[at], p.weight[at] = np.nan, 0, 0, -1
                p.total[at] = p.covered[at] = 0.0
                self._pair(info, service, part.role, at)
        self._seen = known

    def _pair(self, info: SeriesInfo, service: int, role: Role, at: int) -> None:
        """What is typical of an operation of spans is weighed by how many of it there are."""
        if info.metric not in (SPAN_REQUESTS, SPAN_DURATION):
            return
        known = self._operations.setdefault((service, dict(info.labels).get("operation", "")), {})
        known[role] = at
        typical, counted = known.get(Role.TYPICAL), known.get(Role.GOOD)
        if typical is not None and counted is not None:
            self._parts.weight[typical] = counted

    def _service(self, info: SeriesInfo) -> int:
        entity = root_of(info.entity)
        number = self._numbers.get(entity, -1)
        if number < 0 and len(self._services) < self._most:
            number = self._numbers[entity] = len(self._services)
            labels = (("service", entity.removeprefix("service:")),)
            series = tuple(
                self._registry.intern(metric, labels, DERIVED_SOURCE, MetricKind.GAUGE, unit, entity)
                for metric, unit in zip(METRICS, _UNITS, strict=True)
            )
            self._services.append(_Service(entity, series))
        return number

    def _room(self) -> int:
        """A place for one more part: a new one, or that of one that fell silent an hour ago; -1: none."""
        p = self._parts
        if p.count < len(p.time):
            p.count += 1
            return p.count - 1
        old = np.flatnonzero((p.time > 0) & (p.time < self._newest - _FORGET_NANOS))
        if not len(old):
            return -1
        self._places[self._places == old[0]] = -1
        p.weight[p.weight == old[0]] = -1
        return int(old[0])
