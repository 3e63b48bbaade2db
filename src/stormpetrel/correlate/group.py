"""Findings close in time and on related entities become one incident.

Pure: state changes only by the values handed in, so that a replay opens the same incidents with the
same ids. Two entities are related when they have the same root (a filesystem and its host), or when the
topology (`correlate.topology`) has them as neighbours. The same alert on many entities at once is one
trouble, related or not (`correlate.shared`). A finding that belongs to two incidents shows that they are one:
they are merged, so that it does not matter which of the findings came first (`correlate.bridge`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable

from stormpetrel.correlate import bridge
from stormpetrel.correlate.bonds import Bonds
from stormpetrel.correlate.by_hand import (
    Before,
    Pair,
    left_over,
    new_incident,
    pair_together,
    pairs_apart,
    split_off,
    with_page_of,
)
from stormpetrel.correlate.draft import Draft, opened_by
from stormpetrel.correlate.open_incidents import OpenIncidents
from stormpetrel.correlate.shared import SharedNames, begun, name_of
from stormpetrel.errors import StateError
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.incident import TRANSITIONS, Incident, IncidentState
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import from_seconds

# Windows for which an entity with an open finding is in the same trouble as before: an hour of five minutes.
LASTING = 12


def _nobody(_root: str) -> Iterable[str]:
    """No entity is related to another."""
    return ()


def _no_twin(_root: str) -> str:
    """No entity has a host for itself alone."""
    return ""


class Grouping(OpenIncidents):
    """The correlator: see `ports.algorithms.Correlator`.

    Args:
        window_seconds: a finding that starts within this of an incident's activity may join it; within
            `LASTING` times this one on a root entity of which, or of whose twin, another finding of it is
            still open; and at any time one that names a series which another finding of it, still open, is
            about, or the other way.
        resolve_seconds: an incident whose findings have all been closed for this long resolves; one with
            findings that flap a little later, see `correlate.flapping`.
        max_findings: findings kept whole in one incident; further ones are counted by their title.
        neighbours: the other root entities that a root entity has to do with; none when left out.
        shared_entities: alerts of one name on so many root entities within `window_seconds` are one trouble.
        twin: the host that a root entity has for itself alone, or what alone runs on a host: a backlog that
            is worked off when the queue is well again is the load of its host.

    What was closed as unknown keeps its incident unresolved for a day after it was heard of last.
    A finding of severity INFO joins an incident and never opens one. A finding that is open keeps its
    incident unresolved for as long as it stays open, also one that is only counted: silence of its series
    does not close it.
    Cost: O(neighbours) for each finding, and O(findings kept) for each incident that a call changes.
    """

    def __init__(
        self,
        window_seconds: float = 300.0,
        resolve_seconds: float = 300.0,
        max_findings: int = 500,
        neighbours: Callable[[str], Iterable[str]] = _nobody,
        shared_entities: int = 5,
        twin: Callable[[str], str] = _no_twin,
    ) -> None:
        super().__init__()
        self._window = from_seconds(window_seconds)
        self._resolve = from_seconds(resolve_seconds)
        self._max_findings = max_findings
        self._neighbours, self._twin = neighbours, twin
        self._shared = SharedNames(self._window, shared_entities)
        self.bonds = Bonds()  # replaced whole by whoever takes what people say
        self._undo: Draft | None = None
        self._new: set[str] = set()  # incidents that began in this call: nobody was told of them yet
        self._changed: dict[str, None] = {}  # incidents that this call changes
        self._merged: dict[str, Incident] = {}  # and those that go on in another one

    def restore(self, incidents: Iterable[Incident]) -> None:
        """Take over incidents after a restart; of the resolved ones the newest, oldest first."""
        for incident in incidents:
            if incident.state is IncidentState.RESOLVED:
                # A merged incident's findings go on in another one.
                still = {
                    f.finding_id
                    for f in incident.findings
                    if f.state is FindingState.OPEN and self._of_finding.get(f.finding_id) not in self._open
                }
                self._resolved.add(incident, still)
            else:
                self._take_up(Draft(incident, self._window))

    def knows(self, finding_id: str) -> bool:
        """Whether a finding belongs to an unresolved incident (or to one a person resolved early)."""
        return finding_id in self._of_finding or self._resolved.silences(finding_id)

    def update(self, changes: list[Finding], now_unix_nano: int) -> list[Incident]:
        """Take finding changes; the incidents that changed, whole, in order of id."""
        self._new, self._changed, self._merged = set(), {}, {}
        for finding in sorted(changes, key=lambda f: (f.start_unix_nano, f.finding_id)):
            draft = self._place(finding, now_unix_nano)
            if draft is not None:
                self._changed[draft.incident_id] = None
        written = {key: self._open[key].write(now_unix_nano) for key in self._changed if key in self._open}
        written.update(self._merged)
        return [written[key] for key in sorted(written)]

    def advance(self, now_unix_nano: int) -> list[Incident]:
        """Resolve what has been quiet for long enough."""
        asked = ((one, one.ended(now_unix_nano, self._resolve)) for one in self._open.values())
        ended = [(one, why) for one, why in asked if why]
        ended.sort(key=lambda pair: (pair[0].incident.start_unix_nano, pair[0].incident_id))
        return [self._end(draft, now_unix_nano, "petrel", why) for draft, why in ended]

    def move(
        self, incident_id: str, to: IncidentState, now_unix_nano: int, actor: str, note: str = ""
    ) -> Incident:
        """A person moves an incident to another state.

        Raises:
            NotFoundError: there is no unresolved incident of this id.
            StateError: the state machine has no such step.
        """
        draft = self._unresolved(incident_id)
        if to not in TRANSITIONS[draft.incident.state]:
            raise StateError(f"incident {incident_id} is {draft.incident.state}; it cannot become {to}")
        if to is IncidentState.RESOLVED:
            self._undo = draft
            return self._end(draft, now_unix_nano, actor, note)
        return draft.moved(to, now_unix_nano, actor, note)

    def note(self, incident_id: str, text: str, now_unix_nano: int, actor: str) -> Incident:
        """Write something into the timeline of an incident.

        Raises:
            NotFoundError: there is no unresolved incident of this id.
        """
        return self._unresolved(incident_id).noted(text, now_unix_nano, actor)

    def adopt(self, incidents: Iterable[Incident]) -> None:
        """A later stage added to these incidents: they go on with what it added."""
        for incident in incidents:
            draft = self._open.get(incident.incident_id)
            if draft is not None:
                draft.incident = incident
            else:
                self._resolved.replace(incident)

    def put_back(self, incident: Incident) -> None:
        """Undo a person's step that could not be stored: the incident is as it was before."""
        draft = self._open.get(incident.incident_id)
        if draft is None and self._undo is not None and self._undo.incident_id == incident.incident_id:
            draft = self._undo
        if draft is None:
            draft = Draft(incident, self._window)
        draft.incident = incident
        self._resolved.forget(incident.incident_id)
        self._take_up(draft)

    # ------------------------------------------------------------------------------------ by hand

    def merge(
        self, into_id: str, other_id: str, now_unix_nano: int, actor: str
    ) -> tuple[list[Incident], list[Pair]]:
        """A person puts all of another incident into one; the other is resolved.

        Returns:
            The incident with everything, then the other; and the pairs of entities that belong together.

        Raises:
            NotFoundError: there is no unresolved incident of one of these ids.
            StateError: they are one.
        """
        into, other = self._unresolved(into_id), self._unresolved(other_id)
        if into is other:
            raise StateError(f"incident {into_id} cannot be merged with itself")
        pairs = pair_together(into, other)
        into.incident = with_page_of(other.incident, into.incident)
        self._let_go(other)
        into.absorb(other, self._max_findings, now_unix_nano, actor)
        merged = other.moved(IncidentState.RESOLVED, now_unix_nano, actor, f"merged into {into_id}")
        self._resolved.add(merged)
        self._take_up(into)
        self._shared.moved(other_id, into_id)
        return [into.write(now_unix_nano), merged], pairs

    def split(
        self, incident_id: str, finding_ids: Collection[str], now_unix_nano: int, actor: str
    ) -> tuple[list[Incident], list[Pair]]:
        """A person makes an incident of some findings of another.

        Returns:
            The incident with what is left, then the new one; and the pairs of entities that are apart.

        Raises:
            NotFoundError: there is no unresolved incident of this id.
            StateError: no finding would go, or none would stay.
        """
        draft = self._unresolved(incident_id)
        before = draft.incident
        taken, rest = split_off(before, finding_ids)
        new_id = self._new_id(taken[0])
        self._let_go(draft)
        made = Draft(new_incident(before, taken, new_id, now_unix_nano, actor), self._window)
        left = Draft(left_over(before, rest, new_id, now_unix_nano, actor), self._window)
        gone = {one.finding_id for one in taken}
        left.open |= draft.open - gone
        left.unheard.update({one: since for one, since in draft.unheard.items() if one not in gone})
        self._take_up(left)
        self._take_up(made)
        for name in self._shared.homes((incident_id,)):
            last = max((one for one in before.findings if name_of(one) == name), key=begun, default=None)
            if last is not None and last in taken:
                self._shared.settle(name, new_id)
        return [left.incident, made.incident], pairs_apart(rest, taken)

    def remember(self, incident_ids: Collection[str]) -> Before:
        """Copies of incidents before a step that may have to be undone."""
        drafts = tuple(copy.deepcopy(self._open[one]) for one in incident_ids if one in self._open)
        return Before(drafts, self._shared.homes(incident_ids))

    def go_back(self, before: Before, changed: Iterable[Incident]) -> None:
        """Undo a step: what it changed is gone, and what was before is there again."""
        for incident in changed:
            draft = self._open.get(incident.incident_id)
            if draft is not None:
                self._let_go(draft)
            else:
                self._resolved.forget(incident.incident_id)
        for draft in before.drafts:
            self._take_up(draft)
        for name, home in before.homes.items():
            self._shared.settle(name, home)

    # ------------------------------------------------------------------------------------ placing

    def _place(self, finding: Finding, now: int) -> Draft | None:
        known = self._of_finding.get(finding.finding_id)
        if known is not None:
            return self._refresh(self._open[known], finding)
        if self._resolved.silences(finding.finding_id):
            if finding.state is FindingState.CLOSED:
                self._resolved.over(finding.finding_id)
            return None
        name = name_of(finding)
        root = root_of(finding.entity)
        shared = bool(name) and self._shared.note(name, root, finding.start_unix_nano)
        draft, why = self._candidate(finding, root, now), ""
        if draft is None and shared:
            draft = self._home(name, finding)
            why = f" (the same alert on {self._shared.least} entities at least)"
        if draft is not None:
            self._join(draft, finding, why)
        elif finding.severity < Severity.WARNING or finding.state is FindingState.CLOSED:
            return None
        else:
            draft = self._start(finding, now)
        if name:
            self._shared.settle(name, draft.incident_id)
        return draft

    def _refresh(self, draft: Draft, finding: Finding) -> Draft:
        kept = draft.refresh(finding)
        self._index(draft, finding)
        if not kept and finding.state is FindingState.CLOSED:
            # Counted and over: nothing more is to be heard of it under this id.
            del self._of_finding[finding.finding_id]
        return draft

    def _candidate(self, finding: Finding, root: str, now: int) -> Draft | None:
        """The newest incident that has to do with the finding's entity, at a time that fits; several such
        become one first, as far as nobody said otherwise."""
        found: dict[str, Draft] = {}
        for near in dict.fromkeys((root, *self.bonds.near(root), *self._neighbours(root))):
            for incident_id in self._by_root.get(near, ()):
                draft = self._open[incident_id]
                if incident_id not in found and self._fits(draft, finding, root):
                    found[incident_id] = draft
        tells = finding.state is FindingState.OPEN and finding.severity >= Severity.WARNING
        if tells and len(found) > 1:
            into = bridge.first_of(found.values())
            others = bridge.absorbed_by(into, found.values(), self.bonds)
            for other in others:
                self._absorb(into, other, now)
            if others:
                self._take_up(into)
                return into
        return max(found.values(), key=lambda one: (one.last, one.incident_id), default=None)

    def _absorb(self, into: Draft, other: Draft, now: int) -> None:
        """Another incident goes on in this one, which is to be taken up again; it is told as merged unless it
        began just now."""
        self._let_go(other)
        told = other.incident_id not in self._new
        into.absorb(other, self._max_findings, now, "petrel", told)
        if told:
            ended = other.moved(IncidentState.RESOLVED, now, "petrel", f"merged into {into.incident_id}")
            self._resolved.add(ended)
            self._merged[other.incident_id] = ended
        self._changed[into.incident_id] = None
        self._shared.moved(other.incident_id, into.incident_id)

    def _fits(self, draft: Draft, finding: Finding, root: str) -> bool:
        """Whether a finding belongs to the time of an incident, and nobody said that it is apart."""
        start = finding.start_unix_nano
        if start < draft.start - self._window or self.bonds.parted(root, draft.roots):
            return False
        if start <= draft.last + self._window:
            return True
        lasts = start <= draft.last + LASTING * self._window
        lasts = lasts and (draft.holds_open(root) or draft.holds_open(self._twin(root)))
        return lasts or draft.tells_again(finding)

    def _home(self, name: str, finding: Finding) -> Draft | None:
        draft = self._open.get(self._shared.home(name))
        root = root_of(finding.entity)
        return draft if draft is not None and self._fits(draft, finding, root) else None

    def _start(self, finding: Finding, now: int) -> Draft:
        before = self._awaiting(finding)
        follows = self._resolved.repeated_by(finding, before.last if before is not None else 0)
        if before is not None and not follows:
            follows = before.incident_id
        draft = Draft(opened_by(finding, self._new_id(finding), now, follows), self._window)
        self._new.add(draft.incident_id)
        self._take_up(draft)
        if before is not None:
            self._heard_again(before, finding, draft.incident_id, now)
        return draft

    def _heard_again(self, before: Draft, finding: Finding, incident_id: str, now: int) -> None:
        """What an incident waited to hear of is told by a new one; it is over if it waited for no more."""
        before.heard_again(finding)
        self._changed[before.incident_id] = None
        if not before.unheard:
            before.write(now)
            ended = self._end(before, now, "petrel", f"heard of again: goes on in {incident_id}")
            self._merged[before.incident_id] = ended

    def _join(self, draft: Draft, finding: Finding, why: str) -> None:
        kept = draft.add(finding, self._max_findings, why)
        if kept or finding.state is FindingState.OPEN:
            self._of_finding[finding.finding_id] = draft.incident_id
        self._index(draft, finding)

    def _end(self, draft: Draft, now: int, actor: str, note: str) -> Incident:
        resolved = draft.moved(IncidentState.RESOLVED, now, actor, note)
        self._let_go(draft)
        # A person may resolve while findings are still open: they must not come back as a new incident.
        self._resolved.add(resolved, draft.open)
        return resolved
