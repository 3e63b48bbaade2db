"""A finding between two incidents makes them one, unless a person said otherwise; and none is lost."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from tests.correlate.test_group import at, closed, finding

from stormpetrel.correlate import bridge
from stormpetrel.correlate.bonds import Bonds
from stormpetrel.correlate.group import Grouping
from stormpetrel.model.bond import Bond, BondKind
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.page import Page, PageAccount, PageDecision

LINE = {"host:a": ["service:b"], "service:b": ["host:a", "service:c"], "service:c": ["service:b"]}


def in_line(*names: str) -> Grouping:
    """Incidents on a and on c, which only what comes on b has to do with both."""
    grouping = Grouping(neighbours=lambda root: LINE.get(root, ()))
    for place, name in enumerate(names):
        grouping.update([finding(name, name.partition(" ")[0], at=place)], at(place))
    return grouping


def test_a_finding_between_two_incidents_makes_them_one_whatever_came_first() -> None:
    grouping = in_line("host:a", "service:c")
    first, second = grouping.unresolved()
    into, merged = grouping.update([finding("between", "service:b", at=5)], at(5))
    assert (into.incident_id, into.state) == (first.incident_id, IncidentState.OPEN)
    assert (merged.incident_id, merged.state) == (second.incident_id, IncidentState.RESOLVED)
    assert merged.timeline[-1].text == f"resolved: merged into {first.incident_id}"
    assert {f.finding_id for f in into.findings} == {"host:a", "service:c", "between"}
    assert any(second.incident_id in entry.text for entry in into.timeline)
    (still,) = grouping.update([closed(finding("service:c", "service:c", at=1), 9)], at(9))
    assert still.incident_id == first.incident_id
    assert set(in_line("host:a", "service:b", "service:c").unresolved()[0].entities) == set(into.entities)


def test_incidents_that_nobody_was_told_of_are_merged_without_a_word() -> None:
    grouping = Grouping(neighbours=lambda root: LINE.get(root, ()))
    found = [finding("a", "host:a"), finding("c", "service:c", at=1), finding("b", "service:b", at=2)]
    (incident,) = grouping.update(found, at(3))
    assert len(incident.findings) == 3
    assert [entry.kind for entry in incident.timeline] == ["opened", "finding", "finding"]
    assert len(grouping.unresolved()) == 1


@given(st.lists(st.lists(st.integers(0, 11), max_size=12), max_size=8), st.integers(2, 6))
def test_however_findings_come_in_none_is_lost(batches: list[list[int]], most: int) -> None:
    near = {f"service:{n}": [f"service:{n - 1}", f"service:{n + 1}"] for n in range(12)}
    grouping = Grouping(max_findings=most, neighbours=lambda root: near.get(root, ()))
    told = 0
    for number, places in enumerate(batches):
        found = [finding(f"{number}/{k}", f"service:{n}", at=10 * number + k) for k, n in enumerate(places)]
        grouping.update(found, at(10 * number + 10))
        told += len(found)
        held = [len(one.findings) + sum(count for _, count in one.more) for one in grouping.unresolved()]
        assert sum(held) == told
        assert all(len(one.findings) <= most for one in grouping.unresolved())


def test_info_shows_nothing_of_two_incidents() -> None:
    grouping = in_line("host:a", "service:c")
    grouping.update([finding("hint", "service:b", at=5, severity=Severity.INFO)], at(5))
    assert len(grouping.unresolved()) == 2


def test_what_a_person_has_taken_up_is_put_into_no_other() -> None:
    grouping = in_line("host:a", "service:c")
    taken = grouping.unresolved()[1]
    grouping.move(taken.incident_id, IncidentState.ACKNOWLEDGED, at(3), "ann")
    found = grouping.update([finding("between", "service:b", at=5)], at(5))
    states = {one.incident_id: one.state for one in found}
    assert states.pop(taken.incident_id) is IncidentState.ACKNOWLEDGED
    assert list(states.values()) == [IncidentState.RESOLVED]


def test_what_a_person_split_or_called_apart_stays_so() -> None:
    grouping = in_line("host:a", "host:a 2")
    (whole,) = grouping.unresolved()
    grouping.split(whole.incident_id, ["host:a 2"], at(3), "ann")
    grouping.update([finding("third", "host:a", at=5)], at(5))
    assert len(grouping.unresolved()) == 2
    grouping = in_line("host:a", "service:c")
    grouping.bonds = Bonds([Bond("1", BondKind.APART, "host:a", "service:c", 0, "ann", "i")])
    grouping.update([finding("between", "service:b", at=5)], at(5))
    assert len(grouping.unresolved()) == 2


def test_what_is_called_apart_is_not_brought_together_through_a_third() -> None:
    star: dict[str, list[str]] = {}
    grouping = Grouping(neighbours=lambda root: star.get(root, ()))
    for place, name in enumerate(("service:lb", "service:db", "service:web")):
        grouping.update([finding(name, name, at=place)], at(place))
    star["service:lb"] = ["service:db", "service:web"]
    grouping.bonds = Bonds([Bond("1", BondKind.APART, "service:db", "service:web", 0, "ann", "i")])
    grouping.update([finding("more", "service:lb", at=6)], at(6))
    entities = [set(one.entities) for one in grouping.unresolved()]
    assert entities == [{"service:lb", "service:db"}, {"service:web"}]


def test_a_hub_makes_only_so_many_one() -> None:
    hub = {"service:hub": [f"service:{n}" for n in range(bridge.MOST_AT_ONCE + 20)]}
    grouping = Grouping(neighbours=lambda root: hub.get(root, ()))
    grouping.update([finding(name, name) for name in hub["service:hub"]], at(0))
    grouping.update([finding("hub", "service:hub", at=5)], at(5))
    assert len(grouping.unresolved()) == 20


def test_nobody_is_woken_twice_for_incidents_that_become_one() -> None:
    grouping = in_line("host:a", "service:c")
    second = grouping.unresolved()[1]
    page = Page(PageDecision.PAGED, PageAccount.BUDGET, at(2), "woken", Severity.WARNING, 9.0)
    grouping.adopt([dataclasses.replace(second, page=page)])
    grouping.update([finding("between", "service:b", at=5)], at(5))
    (left,) = grouping.unresolved()
    assert (left.incident_id, left.page) == (second.incident_id, page)
