"""Incidents merged and split by hand: nothing lost, nothing twice, and the rules are obeyed."""

from __future__ import annotations

import dataclasses

import pytest
from tests.correlate.test_group import alert, at, closed, finding

from stormpetrel.correlate.bonds import Bonds
from stormpetrel.correlate.budget import PageBudget
from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.page_ledger import Allowance
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.bond import Bond, BondKind
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.page import Page, PageAccount, PageDecision


def bond(kind: BondKind, left: str, right: str) -> Bond:
    return Bond(f"{left}{right}", kind, left, right, 1, "ann", "i")


def with_p(one: Finding, p_value: float) -> Finding:
    return dataclasses.replace(one, evidence=dataclasses.replace(one.evidence, p_value=p_value))


def two(max_findings: int = 500) -> Grouping:
    """An incident on service:a with three findings, and one on service:b with two."""
    grouping = Grouping(max_findings=max_findings)
    grouping.update([finding(f"a{n}", "service:a", at=n) for n in range(3)], at(5))
    grouping.update([finding(f"b{n}", "service:b", at=n) for n in range(2)], at(5))
    return grouping


def test_a_merge_puts_everything_into_one_and_says_what_belongs_together() -> None:
    grouping = two()
    (into, other), pairs = grouping.merge("ia0", "ib0", at(9), "ann")
    assert [f.finding_id for f in into.findings] == ["a0", "b0", "a1", "b1", "a2"]
    assert (into.state, other.state) == (IncidentState.OPEN, IncidentState.RESOLVED)
    assert other.timeline[-1].text == "resolved: merged into ia0"
    assert [e.actor for e in into.timeline if e.text.startswith("merged with ib0")] == ["ann"]
    assert grouping.unresolved() == [into]
    assert pairs == [("service:a", "service:b")]
    (again,) = grouping.update([closed(finding("b1", "service:b", at=1), 20)], at(20))
    assert again.incident_id == "ia0"
    assert {f.finding_id: f.state for f in again.findings}["b1"] is FindingState.CLOSED


def test_after_a_merge_the_same_alert_goes_where_the_others_went() -> None:
    grouping = Grouping(shared_entities=3)
    grouping.update([finding("a", "service:a")], at(1))
    for n in range(4):
        grouping.update([alert("Slow", f"service:{n}", at=2 + n)], at(2 + n))
    mass = max(grouping.unresolved(), key=lambda one: len(one.findings))
    grouping.merge("ia", mass.incident_id, at(9), "ann")
    (incident,) = grouping.update([alert("Slow", "service:9", at=10)], at(10))
    assert incident.incident_id == "ia"


@pytest.mark.parametrize("how", ["undone", "split"])
def test_taking_a_merge_apart_takes_the_home_of_a_shared_alert_back(how: str) -> None:
    grouping = Grouping(shared_entities=3)
    grouping.update([finding("a", "service:a")], at(1))
    for n in range(4):
        grouping.update([alert("Slow", f"service:{n}", at=2 + n)], at(2 + n))
    mass = max(grouping.unresolved(), key=lambda one: len(one.findings))
    before = grouping.remember(["ia", mass.incident_id])
    changed, _ = grouping.merge("ia", mass.incident_id, at(9), "ann")
    home = mass.incident_id
    if how == "undone":
        grouping.go_back(before, changed)
    else:
        changed, _ = grouping.split("ia", [one.finding_id for one in mass.findings], at(9), "ann")
        home = changed[1].incident_id
    (incident,) = grouping.update([alert("Slow", "service:9", at=10)], at(10))
    assert incident.incident_id == home


def test_what_is_only_counted_goes_along_and_holds_it_open() -> None:
    grouping = two(max_findings=1)
    (into, _), _ = grouping.merge("ia0", "ib0", at(9), "ann")
    assert sum(count for _, count in into.more) == 4
    grouping.update([closed(finding(f"a{n}", "service:a", at=n), 20) for n in range(3)], at(20))
    grouping.update([closed(finding("b0", "service:b"), 20)], at(20))
    assert grouping.advance(at(10_000)) == []
    grouping.update([closed(finding("b1", "service:b", at=1), 30)], at(30))
    assert [one.incident_id for one in grouping.advance(at(10_000))] == ["ia0"]


def test_a_split_makes_an_incident_of_what_is_chosen_and_leaves_the_rest() -> None:
    grouping = Grouping(neighbours={"service:a": ["service:b"], "service:b": ["service:a"]}.__getitem__)
    grouping.update([finding("a", "service:a"), finding("b", "service:b", at=1)], at(2))
    grouping.move("ia", IncidentState.ACKNOWLEDGED, at(3), "ann")
    (left, made), pairs = grouping.split("ia", ["b"], at(9), "ann")
    assert ([f.finding_id for f in left.findings], left.entities) == (["a"], ("service:a",))
    assert ([f.finding_id for f in made.findings], made.entities) == (["b"], ("service:b",))
    assert (made.incident_id, made.state) == ("ib", IncidentState.ACKNOWLEDGED)
    assert pairs == [("service:a", "service:b")]
    assert made.timeline[-1].text == "split off from ia"
    grouping.bonds = Bonds([bond(BondKind.APART, *pairs[0])])
    (again,) = grouping.update([finding("b2", "service:b", at=20)], at(20))
    assert again.incident_id == "ib", "the newest of its own entity"
    (other,) = grouping.update([finding("a2", "service:a", at=21)], at(21))
    assert other.incident_id == "ia", "not the newer one of the neighbour it is apart from"


def test_the_rules_are_obeyed_and_can_be_taken_back() -> None:
    apart = Bonds([bond(BondKind.APART, "service:a", "service:b")])
    together = Bonds([bond(BondKind.TOGETHER, "service:a", "service:b")])
    for bonds, incidents in ((Bonds(), 2), (together, 1), (apart, 2)):
        grouping = Grouping()
        grouping.bonds = bonds
        grouping.update([finding("a", "service:a"), finding("b", "service:b", at=1)], at(2))
        assert len(grouping.unresolved()) == incidents


def test_a_shared_alert_obeys_them_too() -> None:
    grouping = Grouping(shared_entities=2)
    grouping.bonds = Bonds([bond(BondKind.APART, "service:0", "service:1")])
    grouping.update([alert("Slow", f"service:{n}", at=n) for n in range(2)], at(2))
    assert len(grouping.unresolved()) == 2


def test_of_one_entity_no_rule_is_made() -> None:
    grouping = two()
    _, pairs = grouping.split("ia0", ["a1"], at(9), "ann")
    assert pairs == []
    assert len(grouping.unresolved()) == 3


@pytest.mark.parametrize("chosen", [[], ["never"], ["a0", "a1", "a2"]])
def test_some_must_go_and_some_must_stay(chosen: list[str]) -> None:
    with pytest.raises(StateError, match="leave some"):
        two().split("ia0", chosen, at(9), "ann")


def test_only_open_incidents_and_two_of_them() -> None:
    grouping = two()
    with pytest.raises(StateError, match="with itself"):
        grouping.merge("ia0", "ia0", at(9), "ann")
    with pytest.raises(NotFoundError):
        grouping.merge("ia0", "gone", at(9), "ann")
    with pytest.raises(NotFoundError):
        grouping.split("gone", ["a0"], at(9), "ann")


@pytest.mark.parametrize("what", ["merge", "split"])
def test_a_step_can_be_undone_whole(what: str) -> None:
    grouping = two(max_findings=2)
    there = grouping.unresolved()
    before = grouping.remember(["ia0", "ib0"] if what == "merge" else ["ia0"])
    if what == "merge":
        changed, _ = grouping.merge("ia0", "ib0", at(9), "ann")
    else:
        changed, _ = grouping.split("ia0", ["a0"], at(9), "ann")
    grouping.go_back(before, changed)
    assert grouping.unresolved() == there
    assert grouping.knows("a2"), "it is only counted, and open"
    for name in ("a0", "a1", "b0", "b1"):
        assert grouping.knows(name)


def test_a_merged_incident_is_no_trap_for_its_findings_after_a_restart() -> None:
    grouping = two()
    (into, other), _ = grouping.merge("ia0", "ib0", at(9), "ann")
    after = Grouping()
    after.restore([into, other])
    (changed,) = after.update([closed(finding("b1", "service:b", at=1), 20)], at(20))
    assert changed.incident_id == "ia0"


def paged(incident: Incident, account: PageAccount = PageAccount.BUDGET) -> Incident:
    page = Page(PageDecision.PAGED, account, at(3), "it is strong", Severity.CRITICAL, 9.0, 5.0, 2)
    return dataclasses.replace(incident, page=page)


def test_what_is_split_off_was_paged_with_the_whole_and_nobody_is_woken_or_charged_again() -> None:
    grouping, budget = two(), PageBudget(Allowance(20))
    grouping.adopt([paged(one) for one in grouping.unresolved()])
    (left, made), _ = grouping.split("ia0", ["a1"], at(9), "ann")
    assert left.page is not None
    assert made.page == dataclasses.replace(
        left.page, account=PageAccount.NONE, rank=0, reason="together with ia0: it is strong"
    )
    worse = dataclasses.replace(finding("a1", "service:a", at=1), severity=Severity.CRITICAL)
    (again,) = budget.update(grouping.update([worse], at(20)), at(20))
    assert again.page == made.page
    assert budget.ledger.used(at(20)) == 0
    repeats = dataclasses.replace(again, incident_id="ib", follows=made.incident_id, page=None)
    (held,) = budget.update([repeats], at(30))
    assert held.page is not None
    assert held.page.decision is PageDecision.HELD
    assert "which was paged less than 4 h before" in held.page.reason


def test_an_objective_that_is_split_off_pages_no_second_time() -> None:
    burning = dataclasses.replace(finding("slo", "service:a"), detector="slo", attributes={"page": "yes"})
    grouping, budget = Grouping(), PageBudget(Allowance(20))
    grouping.adopt(budget.update(grouping.update([burning, finding("a", "service:a")], at(1)), at(1)))
    (incident,) = grouping.unresolved()
    assert incident.page is not None
    assert incident.page.account is PageAccount.SLO
    (_, made), _ = grouping.split(incident.incident_id, ["slo"], at(9), "ann")
    (again,) = budget.update([made], at(20))
    assert (again.page and again.page.account, len(again.timeline)) == (PageAccount.NONE, len(made.timeline))


def test_what_is_split_off_from_what_was_held_is_held_and_looked_at_again() -> None:
    grouping, budget = Grouping(), PageBudget(Allowance(20))
    faint = [with_p(finding(name, "service:a", at=n), 1e-5) for n, name in enumerate(("a", "b"))]
    grouping.adopt(budget.update(grouping.update(faint, at(2)), at(2)))
    (left, made), _ = grouping.split("ia", ["b"], at(9), "ann")
    assert left.page is not None
    assert left.page.decision is PageDecision.HELD
    assert made.page == left.page
    assert made.incident_id in [one.incident_id for one in budget.revisit([made], at(36_000))]


def test_a_merge_takes_the_page_over_and_nobody_is_woken_again() -> None:
    grouping = two()
    held, woken = grouping.unresolved()
    grouping.adopt([paged(woken)])
    before = grouping.remember(["ia0", "ib0"])
    changed, _ = grouping.merge(held.incident_id, woken.incident_id, at(9), "ann")
    page = changed[0].page
    assert page is not None
    assert (page.decision, page.account, page.rank) == (PageDecision.PAGED, PageAccount.NONE, 0)
    assert changed[1].page is not None
    assert changed[1].page.account is PageAccount.BUDGET, "which is charged once, where it was sent"
    grouping.go_back(before, changed)
    assert grouping.unresolved()[0].page == held.page
    grouping.adopt([paged(grouping.unresolved()[0], PageAccount.BY_HAND)])
    changed, _ = grouping.merge(held.incident_id, woken.incident_id, at(9), "ann")
    assert changed[0].page is not None
    assert changed[0].page.account is PageAccount.BY_HAND, "its own page stays its own"


def test_what_is_left_is_as_bad_as_what_is_left() -> None:
    grouping = Grouping()
    worst = finding("b", "host:a/disk:x", severity=Severity.CRITICAL)
    grouping.update([finding("a"), worst], at(1))
    (left, made), _ = grouping.split("ia", ["b"], at(2), "ann")
    assert (left.severity, made.severity) == (Severity.WARNING, Severity.CRITICAL)
    (again,) = grouping.update([dataclasses.replace(finding("a"), end_unix_nano=at(60))], at(60))
    assert again.severity is Severity.WARNING


def test_where_findings_are_only_counted_what_is_left_may_be_as_bad_as_the_whole() -> None:
    grouping = Grouping(max_findings=2)
    worst = finding("b", "host:a/disk:x", severity=Severity.CRITICAL)
    grouping.update([finding("a"), worst, finding("c", at=1)], at(1))
    (left, _), _ = grouping.split("ia", ["b"], at(2), "ann")
    assert left.severity is Severity.CRITICAL
