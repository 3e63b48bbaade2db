"""Incidents as a state machine: whatever findings, persons and time do, in whatever order."""

from __future__ import annotations

import dataclasses

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from stormpetrel.correlate.draft import TIMELINE_LIMIT
from stormpetrel.correlate.group import Grouping
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import TRANSITIONS, Incident, IncidentState
from stormpetrel.model.time import from_seconds

T0 = 1_700_000_000_000_000_000
KEPT = 3
ENTITIES = ("host:a", "host:a/disk:x", "host:b", "service:c", "service:d")
GRAPH = {"service:c": ("host:b",), "host:b": ("service:c",)}


class Incidents(RuleBasedStateMachine):
    """The grouping, with what is true of findings kept beside it."""

    findings: Bundle[str] = Bundle("findings")

    def __init__(self) -> None:
        super().__init__()
        self.grouping = Grouping(
            max_findings=KEPT, neighbours=lambda root: GRAPH.get(root, ()), shared_entities=3
        )
        self.now = T0
        self.truth: dict[str, Finding] = {}  # the newest state of each finding
        self.incidents: dict[str, Incident] = {}  # as last told
        self.home: dict[str, str] = {}  # finding to incident, once it was seen whole in one
        self.by_hand: set[str] = set()
        self.touched: set[str] = set()  # incidents that a person has moved
        self.number = 0

    @rule(
        target=findings,
        entity=st.sampled_from(ENTITIES),
        severity=st.sampled_from(list(Severity)),
        name=st.sampled_from(["", "Slow", "Down"]),
    )
    def opens(self, entity: str, severity: Severity, name: str) -> str:
        self.number += 1
        evidence = Evidence("alert", name, -1, self.now, self.now, 1.0, 0.0, 0.0, 0.0, 1.0)
        one = Finding(
            f"f{self.number}", "alert", 1, "firing", entity, name or "odd", "why", severity,
            FindingState.OPEN, self.now, self.now, evidence, {"alert_name": name},
        )  # fmt: skip
        self._tell(one)
        return one.finding_id

    @rule(finding_id=findings)
    def closes(self, finding_id: str) -> None:
        one = dataclasses.replace(self.truth[finding_id], state=FindingState.CLOSED, end_unix_nano=self.now)
        self._tell(one)

    @rule(finding_id=findings)
    def opens_again(self, finding_id: str) -> None:
        one = dataclasses.replace(self.truth[finding_id], state=FindingState.OPEN, end_unix_nano=self.now)
        self._tell(one)

    @rule(target=findings, finding_id=consumes(findings))
    def worsens(self, finding_id: str) -> str:
        self._tell(dataclasses.replace(self.truth[finding_id], severity=Severity.CRITICAL))
        return finding_id

    @rule(seconds=st.sampled_from([1, 20, 150, 299, 301, 700]))
    def time_passes(self, seconds: int) -> None:
        self.now += from_seconds(seconds)
        for incident in self.grouping.advance(self.now):
            assert incident.state is IncidentState.RESOLVED
            mine = {key for key, home in self.home.items() if home == incident.incident_id}
            still = [key for key in mine if self.truth[key].state is FindingState.OPEN]
            assert still == [], "nobody but a person resolves while a finding is open"
            self._took(incident)

    @rule(place=st.integers(0, 5), to=st.sampled_from(list(IncidentState)))
    def a_person_moves(self, place: int, to: IncidentState) -> None:
        there = self.grouping.unresolved()
        if not there:
            return
        before = there[place % len(there)]
        if to not in TRANSITIONS[before.state]:
            return
        moved = self.grouping.move(before.incident_id, to, self.now, "ann")
        assert moved.state is to
        self.touched.add(moved.incident_id)
        if to is IncidentState.RESOLVED:
            self.by_hand.add(moved.incident_id)
        self._took(moved)

    @rule(place=st.integers(0, 5))
    def a_step_cannot_be_stored(self, place: int) -> None:
        there = self.grouping.unresolved()
        if there:
            before = there[place % len(there)]
            self.grouping.move(before.incident_id, IncidentState.RESOLVED, self.now, "ann")
            self.grouping.put_back(before)
            assert self.grouping.unresolved() == there

    def _tell(self, one: Finding) -> None:
        self.truth[one.finding_id] = one
        changed = self.grouping.update([one], self.now)
        if (
            not changed
            and one.state is FindingState.OPEN
            and self.home.get(one.finding_id) not in self.by_hand
        ):
            assert one.severity is Severity.INFO, "only what cannot open an incident has none"
            self.home.pop(one.finding_id, None)
        merged = [incident for incident in changed if incident.state is IncidentState.RESOLVED]
        assert len(changed) - len(merged) <= 1, "one finding goes into one incident"
        for incident in changed:
            self._took(incident)
        for incident in merged:
            assert incident.timeline[-1].actor == "petrel"
            assert incident.incident_id not in self.touched
            into = incident.timeline[-1].text.rpartition(" ")[2]
            assert into in {one.incident_id for one in self.grouping.unresolved()}
            self.home.update((key, into) for key, home in self.home.items() if home == incident.incident_id)
        # Kept whole or only counted: this one went here.
        if one.state is FindingState.OPEN:
            for incident in changed:
                if incident not in merged:
                    self.home[one.finding_id] = incident.incident_id

    def _took(self, incident: Incident) -> None:
        before = self.incidents.get(incident.incident_id)
        if before is not None:
            allowed = TRANSITIONS[before.state] | {before.state}
            assert incident.state in allowed, "only along the state machine"
            assert before.state is not IncidentState.RESOLVED, "what is resolved stays as it is"
            assert incident.severity >= before.severity
        self.incidents[incident.incident_id] = incident

    @invariant()
    def an_open_finding_holds_its_incident(self) -> None:
        there = {one.incident_id for one in self.grouping.unresolved()}
        for key, home in self.home.items():
            if self.truth[key].state is FindingState.OPEN and home not in self.by_hand:
                assert home in there

    @invariant()
    def a_finding_is_whole_in_one_open_incident_at_most(self) -> None:
        whole = [f.finding_id for one in self.grouping.unresolved() for f in one.findings]
        assert len(whole) == len(set(whole))

    @invariant()
    def everything_is_bounded_and_told_once(self) -> None:
        for one in self.grouping.unresolved():
            assert 1 <= len(one.findings) <= KEPT
            assert len(one.timeline) <= TIMELINE_LIMIT
            times = [entry.time_unix_nano for entry in one.timeline]
            assert times == sorted(times)
            flaps = [entry.finding_id for entry in one.timeline if entry.kind == "flapping"]
            assert len(flaps) == len(set(flaps))

    @invariant()
    def the_indexes_hold_what_is_open_and_nothing_else(self) -> None:
        there = {one.incident_id for one in self.grouping.unresolved()}
        indexed = {key for found in self.grouping._by_root.values() for key in found}
        assert indexed == there
        assert all(self.grouping._by_root.values())


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
