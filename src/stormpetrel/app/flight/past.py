"""The past as a flight sees it: a clock that is told, a store that ends there, causes as told then."""

from __future__ import annotations

from collections import OrderedDict

from stormpetrel.app.diagnose import TROUBLE_SECONDS, DiagnoseDesk
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.incident import Incident
from stormpetrel.model.query import CallTally, GridSamples, PatternTally
from stormpetrel.model.records import Change
from stormpetrel.model.signal import SeriesPoints
from stormpetrel.model.time import Window, from_seconds, to_seconds
from stormpetrel.ports.store import StoredPast

_ASKED_AGAIN = from_seconds(30.0)
_REMEMBERED = 2_000


class FlightClock:
    """The time of a flight: a `Clock` that stands where the replay is."""

    def __init__(self, now_unix_nano: int) -> None:
        self._start = self._now = now_unix_nano

    def now_unix_nano(self) -> int:
        """Where the replay is."""
        return self._now

    def seconds(self) -> float:
        """Since the flight began: what only grows, as a monotonic clock does."""
        return to_seconds(self._now - self._start)

    def set(self, now_unix_nano: int) -> None:
        """Go on to a moment."""
        self._now = now_unix_nano


class PastStore:
    """A store in which nothing is known of what comes after the flight's clock: a `StoredPast`.

    Live, what has not happened is not stored; here it is, and no diagnosis and no verification may see it.
    """

    def __init__(self, store: StoredPast, clock: FlightClock) -> None:
        self._store, self._clock = store, clock

    def read_points(self, series: int, window: Window, max_points: int) -> SeriesPoints:
        """As the store, up to now."""
        return self._store.read_points(series, self._until_now(window), max_points)

    def grid_samples(self, window: Window, step_seconds: float, limit: int) -> GridSamples:
        """As the store, up to now."""
        return self._store.grid_samples(self._until_now(window), step_seconds, limit)

    def tally_patterns(self, window: Window, step_seconds: float, limit: int) -> PatternTally:
        """As the store, up to now."""
        return self._store.tally_patterns(self._until_now(window), step_seconds, limit)

    def tally_calls(self, window: Window, step_seconds: float, spans: int, limit: int) -> CallTally:
        """As the store, up to now."""
        return self._store.tally_calls(self._until_now(window), step_seconds, spans, limit)

    def read_changes(self, window: Window, limit: int = 500) -> list[Change]:
        """As the store, up to now."""
        return self._store.read_changes(self._until_now(window), limit)

    def _until_now(self, window: Window) -> Window:
        now = self._clock.now_unix_nano()
        return Window(min(window.start_unix_nano, now), min(window.end_unix_nano, now))


class PastDiagnoses:
    """What caused an incident, as the desk of causes tells it at the flight's time.

    A diagnosis looks at no more than the first quarter of an hour of an incident. What was told after that
    holds until the incident changes, so an incident that lasts a night is not diagnosed a thousand times.
    """

    def __init__(self, desk: DiagnoseDesk, clock: FlightClock) -> None:
        self._desk, self._clock = desk, clock
        self._told: OrderedDict[tuple[str, int, int], Diagnosis] = OrderedDict()

    def of(self, incident: Incident) -> Diagnosis:
        """What caused it, as far as could be told then."""
        seen = min(
            self._clock.now_unix_nano(),
            incident.start_unix_nano + from_seconds(TROUBLE_SECONDS) + _ASKED_AGAIN,
        )
        key = (incident.incident_id, seen // _ASKED_AGAIN, len(incident.findings))
        told = self._told.get(key)
        if told is None:
            told = self._told[key] = self._desk.of(incident)
            while len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        return told
