"""The desk that says what caused an incident: from what is stored around it, whenever somebody asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.situation import calls_of, changes_of, grid_of, patterns_of
from stormpetrel.errors import BusyError
from stormpetrel.explain.rank import diagnose
from stormpetrel.explain.situation import Situation
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.incident import Incident, IncidentLine, IncidentState
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import StoredPast

PAST_SECONDS, TROUBLE_SECONDS, STEP_SECONDS = 3600.0, 900.0, 15.0
CHANGES_SECONDS = 7200.0  # before the onset in which a change is suspected
MOST_SERIES, MOST_ROWS, MOST_SPANS, MOST_CHANGES = 20_000, 200_000, 100_000, 500
MOST_INCIDENTS = 1_000  # the newest, whose times are no model of health
MOST_WHOLE = 50  # of them that are not over, and are read whole for when they were last seen
_LATE_SECONDS = 300.0  # a finding opens at most so long after the trouble began, as a rule
_AT_ONCE, _WAIT_SECONDS, _REMEMBERED = 1, 20.0, 200
MOST_WAITING = 8  # questions that wait for their turn; each holds a thread that could serve another page
_MOST_TOLD = 20
Places = list[tuple[str, str]]

Listener = Callable[[Incident, Diagnosis], None]


class DiagnoseDesk:
    """Answers «what caused it?» for an incident. Safe from any thread; one question at a time.

    It looks at an hour before the incident and at most a quarter of an hour of it, in steps of 15 seconds:
    all series, log patterns, calls and changes of that time. The answer for a resolved incident is
    remembered; for an open one it is worked out anew when the incident has changed. Cost: four queries that
    read that window once, and under a second for 10,000 series.

    `listeners` are told of every answer that was worked out anew, before it is given.
    """

    def __init__(
        self,
        store: StoredPast,
        control: ControlStore,
        pipeline: Pipeline,
        clock: Clock,
        listeners: Sequence[Listener] = (),
        within: Callable[[Callable[[], Places]], Places] = lambda ask: ask(),
    ) -> None:
        """`within`: asks something of the pipeline while nothing is judged, see `Judge.within`."""
        self._listeners = listeners
        self._store, self._control, self._pipeline, self._clock = store, control, pipeline, clock
        self._within = within
        self._turn = threading.Semaphore(_AT_ONCE)
        self._room = threading.BoundedSemaphore(MOST_WAITING)
        self._known: OrderedDict[tuple[str, int], Diagnosis] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, incident: Incident) -> Diagnosis:
        """What caused an incident, as far as can be told now; BusyError when many others are asking."""
        key = (incident.incident_id, self._version(incident))
        known = self._remembered(key)
        if known is not None:
            return known
        self._await_turn()
        try:
            # Whoever had the turn before may have asked the same.
            return self._remembered(key) or self._worked_out(incident, key)
        finally:
            self._turn.release()

    def _worked_out(self, incident: Incident, key: tuple[str, int]) -> Diagnosis:
        told = diagnose(self.situation(incident))
        for listener in self._listeners:
            listener(incident, told)
        with self._guard:
            self._known[key] = told
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return told

    def _remembered(self, key: tuple[str, int]) -> Diagnosis | None:
        with self._guard:
            return self._known.get(key)

    def _await_turn(self) -> None:
        if not self._room.acquire(blocking=False):
            raise BusyError("many ask what caused an incident just now; ask again in a few seconds")
        try:
            if not self._turn.acquire(timeout=_WAIT_SECONDS):
                raise BusyError("another diagnosis is being worked out; ask again in a few seconds")
        finally:
            self._room.release()

    def _version(self, incident: Incident) -> int:
        """What an answer is good for: a resolved incident for ever, an open one for half a minute."""
        if incident.state is IncidentState.RESOLVED:
            return incident.resolved_unix_nano
        return max(incident.updated_unix_nano, self._clock.now_unix_nano()) // from_seconds(30.0)

    def situation(self, incident: Incident) -> Situation:
        """Everything that is stored around an incident."""
        begin = incident.start_unix_nano
        now = self._clock.now_unix_nano()
        end = min(begin + from_seconds(TROUBLE_SECONDS), max(now, begin + from_seconds(2 * STEP_SECONDS)))
        window = Window(begin - from_seconds(PAST_SECONDS), end)
        registry = self._pipeline.registry
        grid = self._store.grid_samples(window, STEP_SECONDS, MOST_SERIES)
        times, values, entities, metrics = grid_of(grid, window, STEP_SECONDS, registry.info)
        patterns = patterns_of(
            self._store.tally_patterns(window, STEP_SECONDS, MOST_ROWS), window, STEP_SECONDS, self._texts
        )
        spans, calls = calls_of(
            self._store.tally_calls(window, STEP_SECONDS, MOST_SPANS, MOST_ROWS), window, STEP_SECONDS
        )
        changed = Window(begin - from_seconds(CHANGES_SECONDS), end)
        changes = self._store.read_changes(changed, MOST_CHANGES)
        topology = self._pipeline.topology
        places = self._within(lambda: topology.places_at(end))
        services = dict(self._within(lambda: list(topology.services_of(c.entity for c in changes).items())))
        return Situation(
            time_unix_nano=times,
            values=values,
            entities=entities,
            metrics=metrics,
            anchor_unix_nano=begin,
            usable=self._calm(incident, times),
            slack_seconds=_LATE_SECONDS,
            calls=calls,
            places=places,
            patterns=patterns,
            spans=spans,
            changes=changes_of(changes, services),
            told=" ".join([incident.sentence, *(one.title for one in incident.findings[:_MOST_TOLD])]),
        )

    def _calm(self, incident: Incident, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which moments no other incident was under way in: trouble is no model of health."""
        calm = np.ones(len(times), np.bool_)
        if not len(times):
            return calm
        looked = 0
        for other in self._control.list_incident_lines((), "", MOST_INCIDENTS, 0):
            over = other.resolved_unix_nano
            if other.incident_id == incident.incident_id or other.start_unix_nano > times[-1]:
                continue
            if over and over < times[0]:
                continue
            looked += not over
            end = over or self._end(other, looked <= MOST_WHOLE)
            calm &= (times < other.start_unix_nano) | (times > end)
        return calm

    def _end(self, other: IncidentLine, closely: bool) -> int:
        """When the findings of an incident that is not over were last seen."""
        whole = self._control.incident(other.incident_id) if closely else None
        ends = [one.end_unix_nano for one in whole.findings] if whole is not None else []
        return max(ends, default=other.updated_unix_nano)

    def _texts(self, patterns: Sequence[int]) -> dict[int, str]:
        """What patterns say, by the ids under which records were stored."""
        book = self._pipeline.patterns
        today = book.resolve(one for one in patterns if one)
        known = book.describe(today.values())
        return {one: known[now].text for one, now in today.items() if now in known} | {0: "not mined"}
