"""Findings close in time and on related entities become one incident.

Pure: state changes only by the values handed in, so that a replay opens the same incidents with the
same ids. Two entities are related when they have the same root (a filesystem and its host), or when what
is learnt of the estate (`correlate.relations`) says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from stormpetrel.correlate.sentence import sentence_of
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.incident import TRANSITIONS, Incident, IncidentState, TimelineEntry
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import from_seconds

# Resolved incidents remembered in order to name what a new one repeats.
REMEMBERED = 200
# Timeline entries kept in one incident; the first and the newest are the ones that matter.
_TIMELINE_LIMIT = 1000


class Grouping:
    """The correlator: see `ports.algorithms.Correlator`.

    Args:
        window_seconds: a finding that starts within this of an incident's activity may join it, and at any
            time one that names a series which another finding of it, still open, is about, or the other way.
        resolve_seconds: an incident whose findings have all been closed for this long resolves.
        max_findings: findings kept whole in one incident; further ones are only counted.
        related: whether two entities have to do with each other; the same root when left out.

    A finding of severity INFO joins an incident and never opens one. A finding that is open keeps its
    incident unresolved for as long as it stays open: silence of its series does not close it.
    Cost: O(findings changed x unresolved incidents).
    """

    def __init__(
        self,
        window_seconds: float = 300.0,
        resolve_seconds: float = 300.0,
        max_findings: int = 500,
        related: Callable[[str, str], bool] = lambda left, right: root_of(left) == root_of(right),
    ) -> None:
        self._window = from_seconds(window_seconds)
        self._resolve = from_seconds(resolve_seconds)
        self._max_findings = max_findings
        self._related = related
        self._open: dict[str, Incident] = {}
        self._overflow: dict[str, int] = {}
        self._of_finding: dict[str, str] = {}
        self._resolved: dict[str, Incident] = {}

    def restore(self, incidents: Iterable[Incident]) -> None:
        """Take over incidents after a restart; of the resolved ones the newest, oldest first."""
        for incident in incidents:
            resolved = incident.state is IncidentState.RESOLVED
            (self._resolved if resolved else self._open)[incident.incident_id] = incident
            for finding in incident.findings:
                if not resolved or finding.state is FindingState.OPEN:
                    self._of_finding[finding.finding_id] = incident.incident_id

    def knows(self, finding_id: str) -> bool:
        """Whether a finding belongs to an unresolved incident (or to one a person resolved early)."""
        return finding_id in self._of_finding

    def unresolved(self) -> list[Incident]:
        """The incidents that are not resolved, oldest first."""
        return sorted(self._open.values(), key=lambda i: (i.start_unix_nano, i.incident_id))

    def update(self, changes: list[Finding], now_unix_nano: int) -> list[Incident]:
        """Take finding changes; the incidents that changed, whole, in order of id."""
        changed: dict[str, Incident] = {}
        for finding in sorted(changes, key=lambda f: (f.start_unix_nano, f.finding_id)):
            incident = self._place(finding, now_unix_nano)
            if incident is not None:
                changed[incident.incident_id] = incident
        return [changed[key] for key in sorted(changed)]

    def advance(self, now_unix_nano: int) -> list[Incident]:
        """Resolve what has been quiet for long enough."""
        quiet = [
            incident
            for incident in self.unresolved()
            if all(f.state is FindingState.CLOSED for f in incident.findings)
            and now_unix_nano - _last_activity(incident) >= self._resolve
        ]
        return [
            self._resolve_incident(incident, now_unix_nano, "petrel", "all findings recovered")
            for incident in quiet
        ]

    def move(
        self, incident_id: str, to: IncidentState, now_unix_nano: int, actor: str, note: str = ""
    ) -> Incident:
        """A person moves an incident to another state.

        Raises:
            NotFoundError: there is no unresolved incident of this id.
            StateError: the state machine has no such step.
        """
        incident = self._open.get(incident_id)
        if incident is None:
            raise NotFoundError(f"incident {incident_id} is not open: it was resolved or never existed")
        if to not in TRANSITIONS[incident.state]:
            raise StateError(f"incident {incident_id} is {incident.state}; it cannot become {to}")
        if to is IncidentState.RESOLVED:
            return self._resolve_incident(incident, now_unix_nano, actor, note)
        text = f"{to}" + (f": {note}" if note else "")
        entry = TimelineEntry(now_unix_nano, "state", text, actor)
        moved = dataclasses.replace(
            incident, state=to, updated_unix_nano=now_unix_nano, timeline=_log(incident.timeline, entry)
        )
        self._open[incident_id] = moved
        return moved

    def adopt(self, incidents: Iterable[Incident]) -> None:
        """A later stage added to these incidents: they go on with what it added."""
        for incident in incidents:
            for held in (self._open, self._resolved):
                if incident.incident_id in held:
                    held[incident.incident_id] = incident

    def put_back(self, incident: Incident) -> None:
        """Undo a person's step that could not be stored: the incident is as it was before."""
        self._resolved.pop(incident.incident_id, None)
        self.restore([incident])

    # ------------------------------------------------------------------------------------ placing

    def _place(self, finding: Finding, now: int) -> Incident | None:
        known = self._of_finding.get(finding.finding_id)
        if known is not None:
            return self._refresh(self._open[known], finding, now) if known in self._open else None
        host = self._candidate(finding)
        if host is not None:
            return self._join(host, finding, now)
        if finding.severity < Severity.WARNING or finding.state is FindingState.CLOSED:
            return None
        return self._start(finding, now)

    def _candidate(self, finding: Finding) -> Incident | None:
        fitting = [
            incident
            for incident in self._open.values()
            if any(self._related(entity, finding.entity) for entity in incident.entities)
            and incident.start_unix_nano - self._window <= finding.start_unix_nano
            and (
                finding.start_unix_nano <= _last_activity(incident) + self._window
                or _tells_again(incident, finding)
            )
        ]
        return max(fitting, key=lambda i: (_last_activity(i), i.incident_id), default=None)

    def _start(self, finding: Finding, now: int) -> Incident:
        incident_id = f"i{finding.finding_id}"
        incident = Incident(
            incident_id=incident_id,
            sentence=sentence_of([finding]),
            state=IncidentState.OPEN,
            severity=finding.severity,
            entities=(finding.entity,),
            start_unix_nano=finding.start_unix_nano,
            updated_unix_nano=max(now, finding.start_unix_nano),
            resolved_unix_nano=0,
            findings=(finding,),
            timeline=(
                TimelineEntry(
                    finding.start_unix_nano, "opened", finding.title, finding_id=finding.finding_id
                ),
            ),
            follows=self._repeats(finding),
        )
        self._open[incident_id] = incident
        self._of_finding[finding.finding_id] = incident_id
        return incident

    def _repeats(self, finding: Finding) -> str:
        same = [
            old
            for old in self._resolved.values()
            if any(f.entity == finding.entity and f.detector == finding.detector for f in old.findings)
        ]
        newest = max(same, key=lambda old: (old.resolved_unix_nano, old.incident_id), default=None)
        return newest.incident_id if newest else ""

    def _join(self, incident: Incident, finding: Finding, now: int) -> Incident:
        self._of_finding[finding.finding_id] = incident.incident_id
        if len(incident.findings) >= self._max_findings:
            self._overflow[incident.incident_id] = self._overflow.get(incident.incident_id, 0) + 1
            return self._rebuild(incident, incident.findings, [], now)
        findings = tuple(
            sorted((*incident.findings, finding), key=lambda f: (f.start_unix_nano, f.finding_id))
        )
        entry = TimelineEntry(
            finding.start_unix_nano,
            "finding",
            f"{finding.entity}: {finding.title}",
            finding_id=finding.finding_id,
        )
        return self._rebuild(incident, findings, [entry], now)

    def _refresh(self, incident: Incident, finding: Finding, now: int) -> Incident:
        old = next((f for f in incident.findings if f.finding_id == finding.finding_id), None)
        findings = tuple(finding if f.finding_id == finding.finding_id else f for f in incident.findings)
        entries = []
        if old is not None and old.state is FindingState.OPEN and finding.state is FindingState.CLOSED:
            text = f"{finding.entity}: recovered: {finding.title}"
            entries.append(
                TimelineEntry(finding.end_unix_nano, "recovered", text, finding_id=finding.finding_id)
            )
        return self._rebuild(incident, findings, entries, now)

    def _rebuild(
        self, incident: Incident, findings: tuple[Finding, ...], entries: list[TimelineEntry], now: int
    ) -> Incident:
        severity = max(incident.severity, *(f.severity for f in findings))
        if severity > incident.severity:
            text = f"severity {incident.severity.name.lower()} to {severity.name.lower()}"
            entries = [*entries, TimelineEntry(now, "severity", text)]
        changed = dataclasses.replace(
            incident,
            sentence=sentence_of(findings, self._overflow.get(incident.incident_id, 0)),
            severity=severity,
            entities=tuple(dict.fromkeys((*incident.entities, *(f.entity for f in findings)))),
            start_unix_nano=min(incident.start_unix_nano, *(f.start_unix_nano for f in findings)),
            updated_unix_nano=max(now, incident.updated_unix_nano),
            findings=findings,
            timeline=_log(incident.timeline, *entries),
        )
        self._open[incident.incident_id] = changed
        return changed

    def _resolve_incident(self, incident: Incident, now: int, actor: str, note: str) -> Incident:
        entry = TimelineEntry(now, "state", "resolved" + (f": {note}" if note else ""), actor)
        resolved = dataclasses.replace(
            incident,
            state=IncidentState.RESOLVED,
            updated_unix_nano=now,
            resolved_unix_nano=now,
            timeline=_log(incident.timeline, entry),
        )
        del self._open[incident.incident_id]
        self._overflow.pop(incident.incident_id, None)
        self._of_finding = {f: i for f, i in self._of_finding.items() if i != incident.incident_id}
        # A person may resolve while findings are still open: they must not come back as a new incident.
        for finding in incident.findings:
            if finding.state is FindingState.OPEN:
                self._of_finding[finding.finding_id] = incident.incident_id
        self._resolved[incident.incident_id] = resolved
        while len(self._resolved) > REMEMBERED:
            self._forget(next(iter(self._resolved)))
        return resolved

    def _forget(self, incident_id: str) -> None:
        old = self._resolved.pop(incident_id)
        for finding in old.findings:
            self._of_finding.pop(finding.finding_id, None)


def _tells_again(incident: Incident, finding: Finding) -> bool:
    """Whether a finding names a series that one of the incident, still open, is about, or the other way."""
    own, named = finding.evidence.series, _named(finding)
    still = [one for one in incident.findings if one.state is FindingState.OPEN]
    return any(one.evidence.series in named or own in _named(one) for one in still)


def _named(finding: Finding) -> set[int]:
    """The series that a finding about several of them names."""
    text = (finding.attributes or {}).get("series", "") if finding.evidence.series < 0 else ""
    return {int(one) for one in text.split()}


def _last_activity(incident: Incident) -> int:
    return max(f.end_unix_nano for f in incident.findings)


def _log(timeline: tuple[TimelineEntry, ...], *entries: TimelineEntry) -> tuple[TimelineEntry, ...]:
    longer = sorted((*timeline, *entries), key=lambda e: e.time_unix_nano)
    if len(longer) > _TIMELINE_LIMIT:
        longer = [longer[0], *longer[-(_TIMELINE_LIMIT - 1) :]]
    return tuple(longer)
