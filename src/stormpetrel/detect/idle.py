"""Idle capacity: replicas that the load does not need any more, by what a replica has carried before."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stormpetrel.detect.standing import Claim, Standing, Watchlist
from stormpetrel.model.finding import Evidence, Finding, Severity
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import AdmittedMetrics, SeriesInfo
from stormpetrel.model.time import from_seconds, to_seconds

NAME = "idle_capacity"
REPLICAS = "service_replicas"  # of every target that an actuator scales
# What a service carries: a measure has one or more series, whose sum is looked at.
LOADS = {
    "service_requests_rate": "requests a second",
    "process_cpu_seconds_total": "CPU seconds a second",
    "container_cpu_usage_seconds_total": "CPU seconds a second",
}
# What is idle is no trouble: half of all healthy services look like it at times, and nobody is woken.
_P_VALUE = 0.5
# One replica fewer may carry so much of the most that one has carried.
SHARE = 0.5
_SMOOTH_SHARE = 1 / 30  # of the time that it must last: what is looked at is smoothed over so much
_HALF_LIFE_SECONDS = 14 * 86_400.0
_SILENT_INTERVALS = 3
_LEAST_SILENT = from_seconds(10.0)


@dataclass(slots=True)
class _Part:
    """One series of a measure: its newest value, when, and how long after the one before."""

    value: float = math.nan
    time: int = 0
    gap: int = 0


@dataclass(slots=True)
class _Load:
    """One measure of a service: its smoothed sum, and the most that a replica has carried."""

    metric: str
    parts: dict[int, _Part] = field(default_factory=dict)
    mean: float = math.nan
    peak: float = 0.0


@dataclass(slots=True)
class _Service:
    """A service that scales. `since`: since when all measures say that one fewer would do; 0: they do not."""

    entity: str
    loads: dict[str, _Load] = field(default_factory=dict)
    count: int = 0
    newest: int = 0
    since: int = 0


class IdleWatch:
    """A finding for each measure of a service that has a replica more than its load needs.

    A rule: for `idle_seconds`, every measure that is known (requests a second, CPU time) says that with one
    replica fewer, each would carry no more than half of the most that a replica has carried. What was
    carried fades with a half-life of a fortnight. Each measure is a finding of its own, because two
    independent ones are asked for before anything is done. They close when a measure does not say so any
    more, when the number of replicas changes, and as unknown when a measure falls silent.

    Fails (says nothing) for a service that never carried more than now: nobody has seen what a replica can
    bear; and for one whose load is not told by these measures.

    Args:
        describe: what is known of a series id.
        idle_seconds: how long it must last; longer than acting takes to be verified.
        most: series that are watched; further ones are not.
    """

    def __init__(
        self, describe: Callable[[int], SeriesInfo], idle_seconds: float = 900.0, most: int = 20_000
    ) -> None:
        self._describe, self._idle = describe, from_seconds(idle_seconds)
        self._smooth_seconds = idle_seconds * _SMOOTH_SHARE
        self._list, self._standing = Watchlist(most), Standing(NAME)
        self._services: dict[str, _Service] = {}
        self._of_series: dict[int, tuple[_Service, _Load | None]] = {}
        self._waiting: dict[str, list[SeriesInfo]] = defaultdict(list)
        self._most_waiting = most

    def meet(self, new: Iterable[SeriesInfo]) -> None:
        """Series that were not there before; loads wait until their service is known to scale."""
        for info in new:
            entity = root_of(info.entity)
            if info.metric == REPLICAS and self._list.add([info.series]):
                service = self._services.setdefault(entity, _Service(entity))
                self._of_series[info.series] = (service, None)
                for one in self._waiting.pop(entity, ()):
                    self._follow(service, one)
            elif info.metric in LOADS and entity in self._services:
                self._follow(self._services[entity], info)
            elif info.metric in LOADS and self._most_waiting > 0:
                self._most_waiting -= 1
                self._waiting[entity].append(info)

    def _follow(self, service: _Service, info: SeriesInfo) -> None:
        if self._list.add([info.series]):
            load = service.loads.setdefault(info.metric, _Load(info.metric))
            load.parts[info.series] = _Part()
            self._of_series[info.series] = (service, load)

    def update(self, admitted: AdmittedMetrics) -> list[Finding]:
        """Finding changes of these samples, in their order."""
        changes: list[Finding] = []
        for series, time, value in self._list.rows(admitted):
            service, load = self._of_series[series]
            if load is None:
                changes += self._look(service, time, round(value))
            elif time > load.parts[series].time:
                part = load.parts[series]
                part.gap = time - part.time if part.time else 0
                part.value, part.time = value, time
        return changes

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """How many replicas there are may have fallen silent."""
        changes: list[Finding] = []
        for service in self._services.values():
            if service.since and now_unix_nano - service.newest > max(self._idle, _LEAST_SILENT):
                changes += self._unknown(service, "How many replicas there are is not told any more")
        return changes

    # ------------------------------------------------------------------------------------ one service

    def _look(self, service: _Service, time: int, count: int) -> list[Finding]:
        """The number of replicas was told: does the load need them?"""
        if time <= service.newest:
            return []
        passed = to_seconds(time - service.newest) if service.newest else 0.0
        changed = count != service.count
        service.newest, service.count = time, count
        known = [load for load in service.loads.values() if self._carried(load, count, time, passed)]
        if changed:
            return self._over(service, time, f"There are {count} replicas now.")
        if not known or len(known) < len([load for load in service.loads.values() if load.peak]):
            return self._unknown(service, "What it carries is not told any more")
        if count < 2 or not all(load.mean / (count - 1) <= SHARE * load.peak for load in known):
            return self._over(service, time, "It needs them again.")
        service.since = service.since or time
        if time - service.since < self._idle:
            return []
        return [
            change
            for load in known
            for change in self._standing.hold(_key(service, load), self._claim(service, load), time)
        ]

    def _carried(self, load: _Load, count: int, time: int, passed: float) -> bool:
        """Work out what a measure comes to now; whether that is known."""
        fresh = [part.value for part in load.parts.values() if _fresh(part, time)]
        if not fresh or count < 1:
            load.mean = math.nan
            return False
        now = math.fsum(fresh)
        keep = math.exp(-passed / self._smooth_seconds) if math.isfinite(load.mean) else 0.0
        load.mean = keep * load.mean + (1.0 - keep) * now if keep else now
        load.peak = max(load.peak * 0.5 ** (passed / _HALF_LIFE_SECONDS), load.mean / count)
        return True

    def _over(self, service: _Service, time: int, said: str) -> list[Finding]:
        service.since = 0
        keys = [_key(service, load) for load in service.loads.values()]
        return [change for key in keys for change in self._standing.over(key, time, said)]

    def _unknown(self, service: _Service, said: str) -> list[Finding]:
        service.since = 0
        keys = [_key(service, load) for load in service.loads.values()]
        return [change for key in keys for change in self._standing.unknown(key, said)]

    def _claim(self, service: _Service, load: _Load) -> Claim:
        series = min(load.parts)
        info, count = self._describe(series), service.count
        one, fewer = load.mean / count, load.mean / (count - 1)
        unit = LOADS[load.metric]
        query = info.text() if len(load.parts) == 1 else f"sum({load.metric}) of {service.entity}"
        lasted = to_seconds(service.newest - service.since)
        return Claim(
            entity=service.entity,
            title="has a replica more than its load needs",
            why=(
                f"{query}: {load.mean:.3g} {unit} over {count} replicas, {one:.3g} each; one fewer would"
                f" carry {fewer:.3g} each, and a replica has carried {load.peak:.3g}. So for {lasted:.0f} s."
            ),
            severity=Severity.WARNING,
            since_unix_nano=service.since,
            evidence=Evidence(
                "metric", f"{load.metric}{{{service.entity}}}", series, service.since, service.newest,
                one, SHARE * load.peak, 0.0, math.inf, _P_VALUE,
            ),
            attributes=(("replicas", str(count)),),
        )  # fmt: skip


def _fresh(part: _Part, time: int) -> bool:
    patience = max(_SILENT_INTERVALS * part.gap, _LEAST_SILENT)
    return math.isfinite(part.value) and time - part.time <= patience


def _key(service: _Service, load: _Load) -> str:
    return f"{service.entity}\0{load.metric}"
