"""An unresolved incident while it is worked on: what changes it is cheap, and it is written out once."""

from __future__ import annotations

import dataclasses
from collections import Counter

from stormpetrel.correlate.flapping import Flapping, Key, key_of
from stormpetrel.correlate.sentence import sentence_of
from stormpetrel.model.finding import UNHEARD_SINCE, Finding, FindingState, unheard_since
from stormpetrel.model.incident import Incident, IncidentState, TimelineEntry
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import from_seconds

# Timeline entries kept in one incident; the first and the newest are the ones that matter.
TIMELINE_LIMIT = 1000
# Names by which findings that are not kept whole are counted, and what the rest is counted under.
_NAMES, OTHER = 200, "others"
# What is not heard of any more holds its incident open for so long after it was heard of last.
UNHEARD = from_seconds(86_400)


class Draft:
    """One incident with all that is needed to go on with it. O(1) a finding, O(findings kept) to write out.

    Attributes:
        incident: as it was written out last.
        findings: those kept whole, by id.
        open: ids of all findings that are open, of those that are not kept whole too.
        unheard: those that were closed as unknown, and when each was heard of last; likewise.
        roots: root entities of all findings.
        start: the earliest start of any finding.
        last: the latest time at which the condition of any finding held.
    """

    def __init__(self, incident: Incident, window: int) -> None:
        self.incident = incident
        self.findings = {one.finding_id: one for one in incident.findings}
        self.open = {one.finding_id for one in incident.findings if one.state is FindingState.OPEN}
        self.unheard: dict[str, int] = {}
        self._awaited: dict[Key, set[str]] = {}  # those, by what they tell of
        for one in incident.findings:
            self._note_unheard(one)
        self.roots = dict.fromkeys(root_of(entity) for entity in incident.entities)
        self.last = max((one.end_unix_nano for one in incident.findings), default=incident.start_unix_nano)
        self._flapping = Flapping(window)
        self._entities = dict.fromkeys(incident.entities)
        self._severity = incident.severity
        self.start = incident.start_unix_nano
        self._more = Counter(dict(incident.more))
        self._entries: list[TimelineEntry] = []

    @property
    def incident_id(self) -> str:
        """Its id."""
        return self.incident.incident_id

    def add(self, finding: Finding, most: int, why: str = "") -> bool:
        """Take a finding that is new here; whether it is kept whole, or only counted by its title.

        Args:
            finding: the finding.
            most: how many are kept whole.
            why: why it belongs here, where that is not plain to see.
        """
        self._see(finding)
        flaps = self._flapping.opened(finding, finding.start_unix_nano)
        if finding.state is FindingState.CLOSED:
            self._flapping.closed(finding)
        if len(self.findings) >= most:
            known = finding.title in self._more or len(self._more) < _NAMES
            self._more[finding.title if known else OTHER] += 1
            return False
        self.findings[finding.finding_id] = finding
        if not flaps:
            self._log(finding, finding.start_unix_nano, "finding", finding.title + why)
        return True

    def refresh(self, finding: Finding) -> bool:
        """Take the newer state of a finding that belongs here; whether it is one that is kept whole."""
        before, lost = finding.finding_id in self.open, finding.finding_id in self.unheard
        self._see(finding)
        kept = finding.finding_id in self.findings
        if kept:
            self.findings[finding.finding_id] = finding
        since = self.unheard.get(finding.finding_id, 0)
        if before and since:
            self._flapping.closed(finding)
            if kept:  # also of what flaps: that it fell silent is news
                self._log(finding, since, "unknown", f"no longer heard of, state unknown: {finding.title}")
        elif (before or (lost and not since)) and finding.state is FindingState.CLOSED:
            if not self._flapping.closed(finding) and kept:
                self._log(finding, finding.end_unix_nano, "recovered", f"recovered: {finding.title}")
        elif not before and finding.state is FindingState.OPEN:
            since = max(finding.end_unix_nano, finding.start_unix_nano)
            if not self._flapping.opened(finding, since) and kept:
                self._log(finding, since, "finding", f"again: {finding.title}")
        return kept

    def ended(self, now_unix_nano: int, resolve: int) -> str:
        """Why it is over, when nothing is open, and nothing has been for long enough; else ""."""
        calm = now_unix_nano - self.last
        if self.open or calm < resolve or calm < self._flapping.calm_nanos(resolve):
            return ""
        if not self.unheard:
            return "all findings recovered"
        last = max(self.unheard.values())
        return "not heard of for a day: state unknown" if now_unix_nano - last >= UNHEARD else ""

    def awaits(self, finding: Finding) -> bool:
        """Whether all is over here but for what is not known, and a finding like this one was here."""
        return (
            bool(self.unheard)
            and not self.open
            and any(
                (one.entity, one.detector) == (finding.entity, finding.detector)
                for one in self.findings.values()
            )
        )

    def heard_again(self, finding: Finding) -> None:
        """A finding tells of the same thing later: what was closed as unknown before is not any more."""
        for finding_id in list(self._awaited.get(key_of(finding), ())):
            if self.unheard.get(finding_id, 0) > finding.end_unix_nano:
                continue
            self.unheard.pop(finding_id, None)
            self._awaited[key_of(finding)].discard(finding_id)
            one = self.findings.get(finding_id)
            if one is not None:
                said = {name: text for name, text in (one.attributes or {}).items() if name != UNHEARD_SINCE}
                self.findings[finding_id] = dataclasses.replace(one, attributes=said or None)

    def holds_open(self, root: str) -> bool:
        """Whether a finding on a root entity, or on a part of it, is open; of those kept whole."""
        return root in self.roots and any(
            one.state is FindingState.OPEN and root_of(one.entity) == root for one in self.findings.values()
        )

    def tells_again(self, finding: Finding) -> bool:
        """Whether a finding names a series that one of these, still open, is about, or the other way."""
        own, named = finding.evidence.series, _named(finding)
        if own < 0 and not named:
            return False
        still = (one for one in self.findings.values() if one.state is FindingState.OPEN)
        return any(one.evidence.series in named or own in _named(one) for one in still)

    def write(self, now_unix_nano: int) -> Incident:
        """The incident as it is now."""
        before = self.incident
        entries = self._entries
        if self._severity > before.severity:
            text = f"severity {before.severity.name.lower()} to {self._severity.name.lower()}"
            entries = [*entries, TimelineEntry(now_unix_nano, "severity", text)]
        findings = tuple(
            sorted(self.findings.values(), key=lambda one: (one.start_unix_nano, one.finding_id))
        )
        self.incident = dataclasses.replace(
            before,
            sentence=sentence_of(findings, self._more.total(), self._counted_are_over()),
            severity=self._severity,
            entities=tuple(self._entities),
            start_unix_nano=self.start,
            updated_unix_nano=max(now_unix_nano, before.updated_unix_nano),
            findings=findings,
            timeline=_with(before.timeline, entries, self._flapping.entries()),
            more=tuple(sorted(self._more.items(), key=lambda one: (-one[1], one[0]))),
        )
        self._entries = []
        return self.incident

    def moved(self, to: IncidentState, now_unix_nano: int, actor: str, note: str) -> Incident:
        """A person, or quiet, moves it to another state."""
        entry = TimelineEntry(now_unix_nano, "state", f"{to}" + (f": {note}" if note else ""), actor)
        self.incident = dataclasses.replace(
            self.incident,
            state=to,
            updated_unix_nano=now_unix_nano,
            resolved_unix_nano=now_unix_nano if to is IncidentState.RESOLVED else 0,
            timeline=_with(self.incident.timeline, [entry], []),
        )
        return self.incident

    def noted(self, text: str, now_unix_nano: int, actor: str) -> Incident:
        """Somebody writes something into its timeline."""
        entry = TimelineEntry(now_unix_nano, "note", text, actor)
        self.incident = dataclasses.replace(
            self.incident,
            updated_unix_nano=max(now_unix_nano, self.incident.updated_unix_nano),
            timeline=_with(self.incident.timeline, [entry], []),
        )
        return self.incident

    def absorb(self, other: Draft, most: int, now_unix_nano: int, actor: str, told: bool = True) -> None:
        """Take over everything of another incident; `told`: somebody may have seen it, so say so."""
        if told:
            text = f"merged with {other.incident_id}: {other.incident.sentence}"
            self._entries.append(TimelineEntry(now_unix_nano, "note", text, actor))
        # Not those of its incident: what came in the same call was not written out yet.
        for finding in sorted(other.findings.values(), key=lambda one: (one.start_unix_nano, one.finding_id)):
            self.add(finding, most)
        self.open |= other.open
        self.unheard.update(other.unheard)
        for key, ids in other._awaited.items():
            self._awaited.setdefault(key, set()).update(ids)
        self._more.update(other._more)
        self.roots.update(other.roots)
        self._entities.update(other._entities)
        self._severity = max(self._severity, other._severity)
        self.start, self.last = min(self.start, other.start), max(self.last, other.last)

    def _see(self, finding: Finding) -> None:
        (self.open.add if finding.state is FindingState.OPEN else self.open.discard)(finding.finding_id)
        if not self._note_unheard(finding):
            self.unheard.pop(finding.finding_id, None)
            self.heard_again(finding)
        self.roots[root_of(finding.entity)] = None
        self._entities[finding.entity] = None
        self._severity = max(self._severity, finding.severity)
        self.start = min(self.start, finding.start_unix_nano)
        self.last = max(self.last, finding.end_unix_nano)

    def _note_unheard(self, finding: Finding) -> bool:
        """Whether it was closed as unknown; it is remembered as that."""
        since = unheard_since(finding)
        if since:
            self.unheard[finding.finding_id] = since
            self._awaited.setdefault(key_of(finding), set()).add(finding.finding_id)
        return since > 0

    def _counted_are_over(self) -> bool:
        return not self.open and self.unheard.keys() <= self.findings.keys()

    def _log(self, finding: Finding, time: int, kind: str, text: str) -> None:
        self._entries.append(
            TimelineEntry(time, kind, f"{finding.entity}: {text}", finding_id=finding.finding_id)
        )
        # More than can be shown need not wait to be written out.
        if len(self._entries) > 2 * TIMELINE_LIMIT:
            del self._entries[:TIMELINE_LIMIT]


def opened_by(finding: Finding, incident_id: str, now_unix_nano: int, follows: str) -> Incident:
    """The incident that a finding opens; `follows`: the resolved one that it repeats, or ""."""
    entry = TimelineEntry(finding.start_unix_nano, "opened", finding.title, finding_id=finding.finding_id)
    return Incident(
        incident_id=incident_id,
        sentence=sentence_of([finding]),
        state=IncidentState.OPEN,
        severity=finding.severity,
        entities=(finding.entity,),
        start_unix_nano=finding.start_unix_nano,
        updated_unix_nano=max(now_unix_nano, finding.start_unix_nano),
        resolved_unix_nano=0,
        findings=(finding,),
        timeline=(entry,),
        follows=follows,
    )


def _named(finding: Finding) -> set[int]:
    """The series that a finding about several of them names."""
    text = (finding.attributes or {}).get("series", "") if finding.evidence.series < 0 else ""
    return {int(one) for one in text.split()}


def _with(
    timeline: tuple[TimelineEntry, ...], entries: list[TimelineEntry], flapping: list[TimelineEntry]
) -> tuple[TimelineEntry, ...]:
    """The timeline with more entries, and those of flapping in the place of their earlier ones."""
    anew = {one.finding_id for one in flapping}
    rest = [one for one in timeline if one.kind != "flapping" or one.finding_id not in anew]
    longer = sorted((*rest, *entries, *flapping), key=lambda one: one.time_unix_nano)
    if len(longer) <= TIMELINE_LIMIT:
        return tuple(longer)
    # What people did and wrote stays, however much is found meanwhile.
    by_hand = [k for k, one in enumerate(longer) if one.actor != "petrel"][-(TIMELINE_LIMIT // 2) :]
    kept = {0, *by_hand}
    kept |= set([k for k in range(len(longer)) if k not in kept][len(kept) - TIMELINE_LIMIT :])
    return tuple(one for k, one in enumerate(longer) if k in kept)
