"""What people resolved and wrote holds, whatever happens meanwhile."""

from __future__ import annotations

import dataclasses

from tests.correlate.test_group import at, closed, finding

from stormpetrel.correlate.draft import TIMELINE_LIMIT
from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.resolved import REMEMBERED
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import IncidentState


def test_what_a_person_resolved_outlives_many_others_until_its_findings_are_over() -> None:
    grouping = Grouping()
    cpu = finding("cpu")
    (incident,) = grouping.update([cpu], at(1))
    grouping.move(incident.incident_id, IncidentState.RESOLVED, at(5), "ann", "known")

    def many(name: str, since: float) -> None:
        for n in range(REMEMBERED + 5):
            one = finding(f"{name}{n}", f"host:{name}{n}", at=since)
            (began,) = grouping.update([one], at(since))
            grouping.update([closed(one, since + 1)], at(since + 1))
            grouping.move(began.incident_id, IncidentState.RESOLVED, at(since + 2), "ann")

    many("x", 10)
    assert grouping.update([dataclasses.replace(cpu, severity=Severity.ERROR)], at(20)) == []
    grouping.update([closed(cpu, 30)], at(30))
    assert grouping.unresolved() == []
    many("y", 40)
    (anew,) = grouping.update([dataclasses.replace(cpu, start_unix_nano=at(50))], at(50))
    assert anew.follows == "", "it is forgotten like all others"


def test_what_people_wrote_stays_however_much_is_found() -> None:
    grouping = Grouping(max_findings=5_000)
    (first,) = grouping.update([finding("f0")], at(1))
    grouping.move(first.incident_id, IncidentState.ACKNOWLEDGED, at(2), "ann", "I am on it")
    for n in range(1, 4):
        grouping.update([finding(f"f{n}-{k}", at=10 * n) for k in range(TIMELINE_LIMIT // 2)], at(10 * n))
    (incident,) = grouping.unresolved()
    assert len(incident.timeline) == TIMELINE_LIMIT
    assert [entry.actor for entry in incident.timeline].count("ann") == 1
    assert (incident.timeline[0].kind, incident.timeline[-1].kind) == ("opened", "finding")
    assert list(incident.timeline) == sorted(incident.timeline, key=lambda entry: entry.time_unix_nano)
