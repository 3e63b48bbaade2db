"""Grouping: what belongs together becomes one incident, and the state machine holds."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.sentence import headline
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import TRANSITIONS, IncidentState
from stormpetrel.model.time import from_seconds

T0 = 1_700_000_000_000_000_000


def finding(
    name: str,
    entity: str = "host:a",
    at: float = 0.0,
    severity: Severity = Severity.WARNING,
    state: FindingState = FindingState.OPEN,
    lasts: float = 0.0,
) -> Finding:
    start = T0 + from_seconds(at)
    end = start + from_seconds(lasts)
    evidence = Evidence("metric", "x", 1, start, end, 9.0, 1.0, 0.0, 2.0, 1e-9)
    return Finding(
        finding_id=name,
        detector="robust",
        model_version=1,
        head="residual",
        entity=entity,
        title=f"{name} high",
        why="9 against 0 to 2",
        severity=severity,
        state=state,
        start_unix_nano=start,
        end_unix_nano=end,
        evidence=evidence,
    )


def closed(one: Finding, at: float) -> Finding:
    return dataclasses.replace(one, state=FindingState.CLOSED, end_unix_nano=T0 + from_seconds(at))


def at(seconds: float) -> int:
    return T0 + from_seconds(seconds)


def test_close_findings_on_parts_of_one_host_are_one_incident() -> None:
    grouping = Grouping()
    grouping.update([finding("cpu")], at(1))
    (incident,) = grouping.update([finding("disk", "host:a/filesystem:/var", at=60)], at(61))
    assert [f.finding_id for f in incident.findings] == ["cpu", "disk"]
    assert incident.entities == ("host:a", "host:a/filesystem:/var")
    assert len(grouping.unresolved()) == 1


def test_another_host_or_another_time_is_another_incident() -> None:
    grouping = Grouping(window_seconds=300)
    grouping.update([finding("cpu")], at(1))
    grouping.update([finding("other", "host:b")], at(2))
    grouping.update([closed(finding("cpu"), 0)], at(3))
    grouping.update([finding("later", at=301)], at(302))
    assert [len(i.findings) for i in grouping.unresolved()] == [1, 1, 1]


def test_what_comes_later_on_an_entity_that_is_still_in_trouble_joins_for_an_hour() -> None:
    grouping = Grouping(
        window_seconds=300, neighbours=lambda root: ["service:b"] if root == "host:a" else ["host:a"]
    )
    grouping.update([finding("cpu")], at(1))
    grouping.update([finding("later", "host:a/disk:x", at=3600)], at(3601))
    assert [len(i.findings) for i in grouping.unresolved()] == [2]
    grouping.update([finding("too late", at=7201)], at(7202))
    grouping.update([finding("near", "service:b", at=10_000)], at(10_001))
    assert [len(i.findings) for i in grouping.unresolved()] == [2, 1, 1]


def test_a_host_of_its_own_is_in_the_same_trouble_as_long_as_that_lasts() -> None:
    """The backlog is worked off, and the host of the queue is busy with that; who else runs there is not."""
    pairs = {"service:queue": "host:q", "host:q": "service:queue"}
    near = {"host:q": ["service:queue"], "host:shared": ["service:queue"]}
    grouping = Grouping(
        window_seconds=300, neighbours=lambda root: near.get(root, []), twin=lambda root: pairs.get(root, "")
    )
    grouping.update([finding("stuck", "service:queue")], at(1))
    grouping.update([finding("busy", "host:q", at=900)], at(901))
    assert [len(i.findings) for i in grouping.unresolved()] == [2]
    grouping.update([finding("elsewhere", "host:shared", at=1500)], at(1501))
    assert [len(i.findings) for i in grouping.unresolved()] == [2, 1]
    grouping.update([closed(finding("stuck", "service:queue"), 1600)], at(1601))
    grouping.update([closed(finding("busy", "host:q", at=900), 1600)], at(1601))
    grouping.update([finding("new", "host:q", at=2100)], at(2101))
    assert [len(i.findings) for i in grouping.unresolved()] == [2, 1, 1]


def test_a_finding_exactly_at_the_window_joins() -> None:
    grouping = Grouping(window_seconds=300)
    grouping.update([finding("cpu")], at(1))
    grouping.update([finding("later", at=300)], at(301))
    assert len(grouping.unresolved()) == 1


def several(name: str, series: str, at: float) -> Finding:
    """A finding about several series at once, as of an entity as a whole."""
    one = finding(name, at=at)
    evidence = dataclasses.replace(one.evidence, series=-1)
    return dataclasses.replace(one, evidence=evidence, attributes={"series": series})


def test_what_names_a_series_of_an_open_finding_joins_it_however_late() -> None:
    grouping = Grouping(window_seconds=60)
    grouping.update([finding("cpu")], at(1))  # of series 1
    grouping.update([several("others", "2 3", at=900)], at(901))
    grouping.update([several("whole", "3 1", at=2000)], at(2001))
    assert [len(i.findings) for i in grouping.unresolved()] == [2, 1]
    grouping.update([closed(finding("cpu"), 2100)], at(2100))
    grouping.update([finding("later", at=2900)], at(2900))  # of a series that the open one names
    assert sorted(f.finding_id for f in grouping.unresolved()[0].findings) == ["cpu", "later", "whole"]


def test_what_names_a_series_of_a_closed_finding_is_another_incident() -> None:
    grouping = Grouping(window_seconds=300, resolve_seconds=3600)
    grouping.update([finding("cpu")], at(1))
    grouping.update([closed(finding("cpu"), 60)], at(60))
    grouping.update([several("whole", "1 2", at=900)], at(901))
    assert [len(i.findings) for i in grouping.unresolved()] == [1, 1]


def test_info_joins_but_never_opens() -> None:
    grouping = Grouping()
    assert grouping.update([finding("quiet", severity=Severity.INFO)], at(1)) == []
    grouping.update([finding("cpu", at=2)], at(3))
    (incident,) = grouping.update([finding("quiet2", at=4, severity=Severity.INFO)], at(5))
    assert len(incident.findings) == 2
    assert incident.severity is Severity.WARNING


def test_silence_never_names_an_incident() -> None:
    """Whatever else opened it does: its start is not that of the silence."""
    stuck = dataclasses.replace(finding("stuck"), head="flatline")
    silent = dataclasses.replace(
        finding("silent", at=60.0, severity=Severity.INFO), head="silent", title="no data"
    )
    assert headline([stuck, silent]) is stuck


def test_resolves_only_after_all_findings_closed_and_a_quiet_time() -> None:
    grouping = Grouping(resolve_seconds=300)
    cpu, disk = finding("cpu"), finding("disk", at=10)
    grouping.update([cpu, disk], at(11))
    grouping.update([closed(cpu, 100)], at(100))
    assert grouping.advance(at(10_000)) == []
    grouping.update([closed(disk, 200)], at(200))
    assert grouping.advance(at(499)) == []
    (resolved,) = grouping.advance(at(500))
    assert resolved.state is IncidentState.RESOLVED
    assert resolved.resolved_unix_nano == at(500)
    assert resolved.sentence.endswith("(recovered)")


def test_what_comes_back_is_a_new_incident_that_names_the_old_one() -> None:
    grouping = Grouping()
    cpu = finding("cpu")
    grouping.update([cpu], at(1))
    grouping.update([closed(cpu, 2)], at(2))
    (old,) = grouping.advance(at(1000))
    (new,) = grouping.update([finding("cpu2", at=2000)], at(2001))
    assert new.incident_id != old.incident_id
    assert new.follows == old.incident_id


def test_a_finding_of_an_incident_resolved_by_hand_does_not_open_another() -> None:
    grouping = Grouping()
    cpu = finding("cpu")
    (incident,) = grouping.update([cpu], at(1))
    grouping.move(incident.incident_id, IncidentState.RESOLVED, at(5), "ann", "known")
    assert grouping.update([dataclasses.replace(cpu, severity=Severity.ERROR)], at(10)) == []
    assert grouping.unresolved() == []


def test_severity_rises_and_is_in_the_timeline() -> None:
    grouping = Grouping()
    cpu = finding("cpu")
    grouping.update([cpu], at(1))
    (incident,) = grouping.update([dataclasses.replace(cpu, severity=Severity.CRITICAL)], at(2))
    assert incident.severity is Severity.CRITICAL
    assert incident.timeline[-1].text == "severity warning to critical"


def test_more_findings_than_kept_are_counted_in_the_sentence() -> None:
    grouping = Grouping(max_findings=2)
    for n in range(5):
        grouping.update([finding(f"f{n}", at=n)], at(n))
    (incident,) = grouping.unresolved()
    assert len(incident.findings) == 2
    assert "with 4 more findings" in incident.sentence


def test_restore_goes_on_where_it_was() -> None:
    before = Grouping()
    cpu = finding("cpu")
    before.update([cpu], at(1))
    after = Grouping()
    after.restore(before.unresolved())
    assert after.knows("cpu")
    after.update([closed(cpu, 2)], at(2))
    assert [i.state for i in after.advance(at(1000))] == [IncidentState.RESOLVED]


@pytest.mark.parametrize("start", list(IncidentState))
@pytest.mark.parametrize("to", list(IncidentState))
def test_a_person_can_take_only_the_steps_of_the_state_machine(
    start: IncidentState, to: IncidentState
) -> None:
    grouping = Grouping()
    (incident,) = grouping.update([finding("cpu")], at(1))
    if start is not IncidentState.OPEN:
        grouping.move(incident.incident_id, start, at(2), "ann")
    if start is IncidentState.RESOLVED:
        with pytest.raises(NotFoundError):
            grouping.move(incident.incident_id, to, at(3), "ann")
    elif to in TRANSITIONS[start]:
        moved = grouping.move(incident.incident_id, to, at(3), "ann", "why")
        assert moved.state is to
        assert moved.timeline[-1].actor == "ann"
        assert "why" in moved.timeline[-1].text
    else:
        with pytest.raises(StateError):
            grouping.move(incident.incident_id, to, at(3), "ann")


changes = st.lists(
    st.tuples(
        st.sampled_from(["host:a", "host:a/disk:sda", "host:b", "service:c"]),
        st.integers(0, 2000),
        st.sampled_from(list(Severity)),
        st.integers(0, 900),
    ),
    max_size=30,
)


@given(changes)
def test_every_finding_is_in_at_most_one_incident_and_none_is_lost(
    rows: list[tuple[str, int, Severity, int]],
) -> None:
    grouping = Grouping()
    seen: dict[str, str] = {}
    rows.sort(key=lambda r: r[1])
    for n, (entity, start, severity, lasts) in enumerate(rows):
        one = finding(f"f{n}", entity, start, severity)
        changed = grouping.update([one], at(start))
        changed += grouping.update([closed(one, start + lasts)], at(start + lasts))
        changed += grouping.advance(at(start + lasts))
        for incident in changed:
            for f in incident.findings:
                assert seen.setdefault(f.finding_id, incident.incident_id) == incident.incident_id
    for n, (_, _, severity, _) in enumerate(rows):
        assert severity is Severity.INFO or f"f{n}" in seen


@given(changes)
def test_same_changes_same_incidents(rows: list[tuple[str, int, Severity, int]]) -> None:
    def run() -> list[object]:
        grouping = Grouping()
        out: list[object] = []
        for n, (entity, start, severity, _) in enumerate(rows):
            out += grouping.update([finding(f"f{n}", entity, start, severity)], at(start))
            out += grouping.advance(at(start))
        return out

    assert run() == run()


# ------------------------------------------------------------------------------------ many findings


def alert(name: str, entity: str, number: int = 0, at: float = 0.0) -> Finding:
    """A finding that tells of an alert of this name."""
    one = finding(f"{name}-{entity}-{number}", entity, at)
    return dataclasses.replace(one, detector="alert", title=name, attributes={"alert_name": name})


def test_a_finding_that_is_only_counted_keeps_the_incident_open_while_it_is_open() -> None:
    grouping = Grouping(max_findings=2)
    found = [finding(f"f{n}", at=n) for n in range(4)]
    grouping.update(found, at(4))
    grouping.update([closed(one, 10) for one in found[:3]], at(10))
    assert grouping.advance(at(10_000)) == []
    assert grouping.knows("f3")
    (incident,) = grouping.update([closed(found[3], 20)], at(20))
    assert incident.sentence.endswith("(recovered)")
    assert not grouping.knows("f3")
    assert [i.state for i in grouping.advance(at(1000))] == [IncidentState.RESOLVED]


def test_what_is_only_counted_is_counted_by_name() -> None:
    grouping = Grouping(max_findings=1)
    names = ["first", "b", "a", "b", "c", "b"]
    grouping.update([alert(name, "host:a", n, at=n) for n, name in enumerate(names)], at(9))
    (incident,) = grouping.unresolved()
    assert incident.more == (("b", 3), ("a", 1), ("c", 1))
    after = Grouping(max_findings=1)
    after.restore([incident])
    (again,) = after.update([alert("b", "host:a", 99, at=10)], at(10))
    assert again.more == (("b", 4), ("a", 1), ("c", 1)), "a restart forgets none of them"


def test_too_many_names_are_counted_together() -> None:
    grouping = Grouping(max_findings=1)
    grouping.update([alert(f"n{n}", "host:a", at=n / 100) for n in range(1000)], at(11))
    (incident,) = grouping.unresolved()
    counts = dict(incident.more)
    assert counts.pop("others") == 999 - 200
    assert len(counts) == 200


def test_neighbours_are_one_trouble() -> None:
    graph = {"service:a": ["service:b"], "service:b": ["service:a"]}
    grouping = Grouping(neighbours=lambda root: graph.get(root, ()))
    grouping.update([finding("one", "service:a")], at(1))
    grouping.update([finding("two", "service:b/endpoint:x", at=2)], at(2))
    grouping.update([finding("three", "service:c", at=3)], at(3))
    assert [len(i.findings) for i in grouping.unresolved()] == [2, 1]


def test_the_same_alert_on_many_entities_at_once_is_one_trouble_that_says_why() -> None:
    grouping = Grouping(shared_entities=3)
    grouping.update([alert("Slow", f"service:{n}", at=n) for n in range(6)], at(6))
    incidents = grouping.unresolved()
    assert [len(i.findings) for i in incidents] == [1, 5]
    texts = [entry.text for entry in incidents[1].timeline if entry.kind == "finding"]
    assert texts[0] == "service:2: Slow (the same alert on 3 entities at least)"


def test_the_same_alert_over_hours_or_another_alert_is_not() -> None:
    grouping = Grouping(window_seconds=300, shared_entities=3)
    grouping.update([alert("Slow", f"service:{n}", at=200 * n) for n in range(4)], at(601))
    grouping.update([alert(f"Other{n}", f"service:o{n}", at=n) for n in range(6)], at(601))
    assert len(grouping.unresolved()) == 10


def test_an_entity_that_fires_it_many_times_is_one_entity() -> None:
    grouping = Grouping(shared_entities=3)
    for n in range(10):
        grouping.update([alert("Slow", "service:a", n, at=n)], at(n))
    grouping.update([alert("Slow", "service:b", at=11)], at(11))
    assert len(grouping.unresolved()) == 2


def test_a_finding_that_comes_back_under_its_own_id_later_is_another_incident() -> None:
    grouping = Grouping()
    one = finding("a")
    grouping.update([one], at(1))
    grouping.update([closed(one, 2)], at(2))
    (old,) = grouping.advance(at(1000))
    (new,) = grouping.update([dataclasses.replace(one, end_unix_nano=at(1001))], at(1001))
    assert (new.incident_id, new.follows) == (f"{old.incident_id}-2", old.incident_id)


def test_a_step_that_could_not_be_stored_is_undone_whole() -> None:
    grouping = Grouping(max_findings=1)
    grouping.update([finding("a"), finding("b", at=1)], at(1))
    (before,) = grouping.unresolved()
    grouping.move(before.incident_id, IncidentState.RESOLVED, at(2), "ann")
    grouping.put_back(before)
    assert grouping.unresolved() == [before]
    grouping.update([closed(finding("a"), 3)], at(3))
    assert grouping.advance(at(10_000)) == [], "the one that is only counted is open still"
    grouping.update([closed(finding("b", at=1), 4)], at(4))
    (resolved,) = grouping.advance(at(10_000))
    assert resolved.state is IncidentState.RESOLVED


def test_each_finding_is_looked_for_among_its_neighbours_alone() -> None:
    asked: list[str] = []

    def neighbours(root: str) -> tuple[str, ...]:
        asked.append(root)
        return ()

    grouping = Grouping(neighbours=neighbours)
    grouping.update([finding(f"f{n}", f"host:{n}") for n in range(1000)], at(1))
    assert len(grouping.unresolved()) == 1000
    assert len(asked) == 1000
