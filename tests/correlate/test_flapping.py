"""What opens and closes again and again: one entry, one incident, and open until it is calm."""

from __future__ import annotations

import dataclasses

import pytest
from tests.correlate.test_group import at, closed, finding

from stormpetrel.correlate.flapping import LEAST_RETURNS
from stormpetrel.correlate.group import Grouping
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.incident import Incident, IncidentState


def flap(grouping: Grouping, times: int, every: float = 60.0, anew: bool = False) -> Incident:
    """Open for half of each period, `times` times; under one id, or each time under another."""
    for n in range(times):
        start = every * n
        one = finding(f"f{n}" if anew else "f", at=start if anew else 0.0)
        one = dataclasses.replace(one, title="port down")
        grouping.update([dataclasses.replace(one, end_unix_nano=at(start))], at(start))
        grouping.advance(at(start + every / 4))
        (incident,) = grouping.update([closed(one, start + every / 2)], at(start + every / 2))
    return incident


def kinds(incident: Incident) -> list[str]:
    return [entry.kind for entry in incident.timeline]


@pytest.mark.parametrize("anew", [False, True])
def test_one_entry_tells_how_often(anew: bool) -> None:
    grouping = Grouping()
    incident = flap(grouping, 50, anew=anew)
    assert len(grouping.unresolved()) == 1
    assert kinds(incident).count("flapping") == 1
    assert len(incident.timeline) == 2 * LEAST_RETURNS + 1
    told = next(entry for entry in incident.timeline if entry.kind == "flapping")
    assert told.text == "flapping, 49 times: host:a: port down"
    assert told.time_unix_nano == at(60.0 * 49)


def test_a_few_returns_are_told_one_by_one() -> None:
    incident = flap(Grouping(), LEAST_RETURNS)
    assert kinds(incident) == ["opened", *["recovered", "finding"] * (LEAST_RETURNS - 1), "recovered"]
    assert incident.timeline[2].text == "host:a: again: port down"


def test_what_flaps_slowly_is_not_called_over_in_a_pause() -> None:
    """Pauses of four minutes, where an incident resolves after five."""
    grouping = Grouping(window_seconds=300, resolve_seconds=300)
    flap(grouping, 10, every=480.0)
    over = 480.0 * 9 + 240.0
    assert grouping.advance(at(over + 301)) == [], "a pause of 240 s is not calm before twice that"
    (resolved,) = grouping.advance(at(over + 480))
    assert resolved.state is IncidentState.RESOLVED


def test_calm_in_between_ends_it() -> None:
    grouping = Grouping(window_seconds=60, resolve_seconds=3600)
    flap(grouping, 10, every=20.0)
    one = finding("f")
    grouping.update([dataclasses.replace(one, end_unix_nano=at(1000))], at(1000))
    (incident,) = grouping.update([closed(one, 1010)], at(1010))
    assert kinds(incident)[-2:] == ["finding", "recovered"]


def test_others_of_the_incident_are_told_as_ever() -> None:
    grouping = Grouping()
    flap(grouping, 20)
    (incident,) = grouping.update([finding("other", "host:a/disk:x", at=60.0 * 20)], at(60.0 * 20))
    assert kinds(incident)[-1] == "finding"
    assert kinds(incident).count("flapping") == 1


def test_an_acknowledged_incident_stays_acknowledged() -> None:
    grouping = Grouping()
    incident = flap(grouping, 3)
    grouping.move(incident.incident_id, IncidentState.ACKNOWLEDGED, at(170), "ann")
    for n in range(3, 20):
        one: Finding = dataclasses.replace(finding("f"), end_unix_nano=at(60.0 * n))
        grouping.update([one], at(60.0 * n))
        grouping.update([closed(one, 60.0 * n + 30)], at(60.0 * n + 30))
    (still,) = grouping.unresolved()
    assert still.state is IncidentState.ACKNOWLEDGED
    assert {f.state for f in still.findings} == {FindingState.CLOSED}
