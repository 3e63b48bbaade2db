"""Earlier incidents that are like one: fingerprints kept as incidents change, and a search among them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import structlog

from stormpetrel.app.pipeline import Pipeline
from stormpetrel.errors import StoreError
from stormpetrel.explain.fingerprint import fingerprint_of, with_told
from stormpetrel.explain.similar import FLOOR, MOST_INCIDENTS, SimilarIndex
from stormpetrel.explain.verdicts import counting
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.similar import (
    TOLD_FAMILIES,
    Feature,
    FeatureFamily,
    Fingerprint,
    SimilarIncident,
    SimilarPage,
)
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

MOST_SHOWN = 5
MAX_WAITING = 10_000  # changed incidents whose fingerprint is not kept yet; beyond it the oldest go
_A_TICK = 50  # of them are kept at a time
_ROLES_EVERY = from_seconds(600)
_MOST_RENAMED = 200  # ids that are followed one by one; after more, everything is read anew


class SimilarDesk:
    """Keeps fingerprints of incidents, and finds the earlier ones that are like one. Safe from any thread.

    `noticed` is told of every change and only remembers it; `tick` works some of that off. The index is read
    from the control store at the first search, some 0.1 ms an incident; after that a search reads nothing but
    the few incidents that it shows. Ids of log patterns are followed as they change.

    Args:
        control: where fingerprints are kept.
        pipeline: whose topology gives roles, asked from `tick` alone, in turn with what changes it; and whose
            patterns know what their ids are called today.
    """

    def __init__(self, control: ControlStore, pipeline: Pipeline) -> None:
        self._control, self._pipeline, self._patterns = control, pipeline, pipeline.patterns
        self._lock = threading.Lock()  # of the index
        self._guard = threading.Lock()  # of what waits
        self._waiting: dict[str, Incident] = {}
        self._index: SimilarIndex | None = None
        self._followed = 0  # position in the log of what became of pattern ids
        self._roles: dict[str, str] = {}
        self._looked = 0
        self.dropped_total = 0

    def noticed(self, incidents: Sequence[Incident]) -> None:
        """These incidents changed."""
        with self._guard:
            for one in incidents:
                self._waiting.pop(one.incident_id, None)
                self._waiting[one.incident_id] = one
            before = self.dropped_total
            while len(self._waiting) > MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
                self.dropped_total += 1
        if self.dropped_total > before:
            log.error("fingerprints_dropped", incidents=self.dropped_total - before, waiting=MAX_WAITING)

    def tick(self, now_unix_nano: int) -> None:
        """Time has reached `now`: keep the fingerprints of some incidents that changed.

        While a search reads the index, or the store refuses, they wait for the next time.
        """
        with self._guard:
            some = list(self._waiting.values())[:_A_TICK]
        if not some or not self._lock.acquire(blocking=False):
            return
        try:
            self._learn_roles(now_unix_nano)
            self._keep(some)
        except StoreError as error:
            log.warning("fingerprints_not_kept", incidents=len(some), error=str(error)[:300])
            return
        finally:
            self._lock.release()
        with self._guard:
            for one in some:
                if self._waiting.get(one.incident_id) is one:
                    del self._waiting[one.incident_id]

    def close(self, now_unix_nano: int) -> None:
        """Keep what waits, before the store is closed; what it refuses is given up."""
        for _ in range(-(-MAX_WAITING // _A_TICK)):
            before = len(self._waiting)
            self.tick(now_unix_nano)
            if len(self._waiting) in (0, before):
                return

    def tell(self, incident: Incident, diagnosis: Diagnosis) -> None:
        """A cause was worked out: from now on the fingerprint has it. A store that refuses is logged."""
        try:
            with self._lock:
                kept = self._control.fingerprints([incident.incident_id]).get(incident.incident_id)
                # One that is over stays as it was kept: with the roles of its time, not with those of today.
                if kept is None or incident.state is not IncidentState.RESOLVED:
                    new = with_told(self._fingerprint(incident, kept), diagnosis)
                else:
                    new = with_told(kept, diagnosis)
                if new != kept:
                    self._save([new])
        except StoreError as error:
            log.warning("fingerprints_not_kept", incidents=1, error=str(error)[:300])

    def of(self, incident: Incident) -> SimilarPage:
        """Earlier incidents that are like this one, the most alike first."""
        with self._lock:
            index = self._known()
            kept = self._control.fingerprints([incident.incident_id]).get(incident.incident_id)
            sought = self._today(self._fingerprint(incident, kept))
            found = index.search(sought, MOST_SHOWN, FLOOR)
            ids = [one for one, _ in found]
            others = self._control.fingerprints(ids)
            alike = {one: index.compare(sought, self._today(others[one])) for one in ids if one in others}
            looked_at = index.earlier(sought)
        briefs, notes = self._control.incident_briefs(ids), self._control.helped(ids)
        shown = [
            SimilarIncident(
                briefs[one], alike[one], counting(self._control.cause_verdicts(one)), notes.get(one)
            )
            for one in ids
            if one in briefs and one in alike
        ]
        return SimilarPage(tuple(shown), looked_at, FLOOR)

    def _fingerprint(self, incident: Incident, kept: Fingerprint | None) -> Fingerprint:
        """As an incident is now, with what was told of its cause before."""
        told = [one for one in kept.features if one.family in TOLD_FAMILIES] if kept is not None else []
        return fingerprint_of(incident, self._roles, told, kept is not None and kept.diagnosed)

    def _keep(self, incidents: Sequence[Incident]) -> None:
        kept = self._control.fingerprints([one.incident_id for one in incidents])
        new = [self._fingerprint(one, kept.get(one.incident_id)) for one in incidents]
        self._save([one for one in new if one != kept.get(one.incident_id)])

    def _save(self, fingerprints: Sequence[Fingerprint]) -> None:
        if not fingerprints:
            return
        self._control.save_fingerprints(fingerprints)
        if self._index is not None:
            for one in fingerprints:
                self._index.put(self._today(one))

    def _learn_roles(self, now_unix_nano: int) -> None:
        if abs(now_unix_nano - self._looked) < _ROLES_EVERY:
            return
        self._looked = now_unix_nano
        graph = self._pipeline.topology.at(now_unix_nano)
        self._roles = {node.entity: node.role.value for node in graph.nodes}

    # ------------------------------------------------------------------------- the index, and its ids

    def _known(self) -> SimilarIndex:
        """The index, with pattern ids of today; read from the store when missing or too far behind."""
        new = self._patterns.aliases(self._followed) if self._index is not None else []
        if self._index is None or len(new) > _MOST_RENAMED or any(one.old == one.new for one in new):
            return self._read()
        for old in dict.fromkeys(one.old for one in new):
            now = self._patterns.resolve([old])[old]
            self._index.rename(_pattern(old), _pattern(now))
        self._followed = new[-1].position + 1 if new else self._followed
        return self._index

    def _read(self) -> SimilarIndex:
        log_of_ids = self._patterns.aliases(self._followed)
        index = SimilarIndex(MOST_INCIDENTS)
        fingerprints = self._control.list_fingerprints(MOST_INCIDENTS)
        today = self._patterns.resolve({id_ for one in fingerprints for id_ in _patterns_of(one)})
        for one in fingerprints:
            index.put(_renamed(one, today))
        self._index = index
        self._followed = log_of_ids[-1].position + 1 if log_of_ids else self._followed
        return index

    def _today(self, one: Fingerprint) -> Fingerprint:
        """A fingerprint with the pattern ids of today."""
        return _renamed(one, self._patterns.resolve(_patterns_of(one)))


def _pattern(number: int) -> Feature:
    return Feature(FeatureFamily.PATTERN, f"{number:016x}")


def _patterns_of(one: Fingerprint) -> set[int]:
    return {int(f.value, 16) for f in one.features if f.family is FeatureFamily.PATTERN}


def _renamed(one: Fingerprint, today: dict[int, int]) -> Fingerprint:
    if not _patterns_of(one):
        return one
    features = {
        _pattern(today[int(f.value, 16)]) if f.family is FeatureFamily.PATTERN else f for f in one.features
    }
    return replace(one, features=tuple(sorted(features)))
