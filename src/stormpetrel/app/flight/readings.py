"""How targets stood in the past: from what was stored of them, or not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.app.flight.past import FlightClock
from stormpetrel.detect.down import METRICS as UP_METRICS
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.store import TelemetryStore

_OWN, _COUNT = "service_up", "service_replicas"
# A target of which nothing was heard for so long stands as nobody knows.
STALE_SECONDS = 120.0
_BLOCK, _STALE = from_seconds(3600.0), from_seconds(STALE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Track:
    """The samples of one series around now, in order of time."""

    time_unix_nano: NDArray[np.int64]
    value: NDArray[np.float64]

    def at(self, now_unix_nano: int) -> float | None:
        """The newest value, unless it is too old; None when there is none."""
        place = int(np.searchsorted(self.time_unix_nano, now_unix_nano, side="right")) - 1
        if place < 0 or now_unix_nano - int(self.time_unix_nano[place]) > _STALE:
            return None
        found = float(self.value[place])
        return found if np.isfinite(found) else None


class PastReadings:
    """What the samples say of targets at the flight's time: whether they served, and how many there were.

    Of a target that an actuator owned then, `service_up` and `service_replicas` were stored every few
    seconds. Where they are missing, the `up` of its scrapes tells whether it served: when all of them agree.
    What is older than two minutes tells nothing.

    Cost: the samples of these series are read an hour at a time, when somebody asks.
    """

    def __init__(self, store: TelemetryStore, registry: SeriesRegistry, clock: FlightClock) -> None:
        self._store, self._clock = store, clock
        self._infos: list[SeriesInfo] = [
            info
            for info in map(registry.info, range(len(registry)))
            if info.metric in UP_METRICS or info.metric == _COUNT
        ]
        self._named: dict[tuple[str, str, str], list[int]] = {}
        self._block = -1
        self._tracks: dict[int, _Track] = {}
        self.unknown: set[str] = set()  # entities of which it was asked and nothing was stored

    def healthy(self, actuator: str, entity: str) -> bool | None:
        """Whether a target served; None when nothing says so."""
        for own in (True, False):
            found = self._values(_OWN if own else "up", actuator if own else "", entity)
            if found:
                return found[0] > 0 if len({one > 0 for one in found}) == 1 else None
        self.unknown.add(entity)
        return None

    def count(self, actuator: str, entity: str) -> int | None:
        """How many replicas it had; None when nothing says so."""
        found = self._values(_COUNT, actuator, entity)
        return round(found[0]) if found else None

    def _values(self, metric: str, actuator: str, entity: str) -> list[float]:
        now = self._clock.now_unix_nano()
        wanted = self._series_of(metric, actuator, entity)
        if not wanted:
            return []
        self._load(now)
        found = (self._tracks[one].at(now) for one in wanted if one in self._tracks)
        return [one for one in found if one is not None]

    def _series_of(self, metric: str, actuator: str, entity: str) -> list[int]:
        key = (metric, actuator, entity)
        found = self._named.get(key)
        if found is None:
            found = [
                one.series for one in self._infos if one.metric == metric and _is_of(one, actuator, entity)
            ]
            self._named[key] = found
        return found

    def _load(self, now: int) -> None:
        """The hour that holds now, with what is just before it."""
        block = now // _BLOCK
        if block == self._block:
            return
        self._block = block
        window = Window(max(0, block * _BLOCK - _STALE), (block + 1) * _BLOCK)
        series: Sequence[int] = sorted(one.series for one in self._infos)
        batch = self._store.scan_series(series, window)
        order = np.argsort(batch.series, kind="stable")  # in order of time within each series
        numbers, starts = np.unique(batch.series[order], return_index=True)
        times = np.split(batch.time_unix_nano[order], starts[1:])
        values = np.split(batch.value[order], starts[1:])
        tracks = map(_Track, times, values)
        self._tracks = dict(zip(numbers.tolist(), tracks, strict=False))  # without samples there are none


def _is_of(info: SeriesInfo, actuator: str, entity: str) -> bool:
    """Whether a series tells of an entity: as its labels name it, or as whoever sent it said."""
    labels = info.label_map()
    if actuator and labels.get("actuator", actuator) != actuator:
        return False
    kind, _, name = entity.partition(":")
    return entity in (info.entity, root_of(info.entity)) or labels.get(kind.replace("-", "_")) == name
