"""What is not heard of any more: unknown and not over, for a day; nobody is woken for it again."""

from __future__ import annotations

import dataclasses

import pytest
from tests.correlate.test_group import at, closed, finding

from stormpetrel.adapters.store.control_rows import finding_json, finding_of
from stormpetrel.correlate.budget import PageBudget
from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.page_ledger import Allowance
from stormpetrel.correlate.priority import Priorities
from stormpetrel.model.finding import Finding, FindingState, Severity, closed_unheard, unheard_since
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.page import PageDecision
from stormpetrel.model.topology import Reach

HOUR, DAY = 3600.0, 86_400.0
GIVEN_UP = "resolved: not heard of for a day: state unknown"


def lost(one: Finding, heard: float) -> Finding:
    """The finding closed as unknown, heard of last at this second."""
    return closed_unheard(one, at(heard), "Nobody says: unknown.")


DISK = finding("disk", "host:a/disk:x")


def silent(*findings: Finding) -> Grouping:
    """An incident of these findings on one host, each heard of last at the second minute."""
    grouping = Grouping()
    grouping.update(list(findings), at(1))
    grouping.update([lost(one, 120) for one in findings], at(600))
    return grouping


def test_silence_resolves_nothing_for_a_day_and_then_it_is_said_to_be_unknown() -> None:
    grouping = silent(finding("cpu"))
    assert grouping.advance(at(DAY + 119)) == []
    (resolved,) = grouping.advance(at(DAY + 120))
    assert (resolved.state, resolved.timeline[-1].text) == (IncidentState.RESOLVED, GIVEN_UP)


def test_neither_the_sentence_nor_the_timeline_calls_it_recovered() -> None:
    (incident,) = silent(finding("cpu")).unresolved()
    assert incident.sentence.endswith(" (state unknown)")
    told = incident.timeline[-1]
    assert (told.kind, told.text, told.time_unix_nano) == (
        "unknown", "host:a: no longer heard of, state unknown: cpu high", at(120)
    )  # fmt: skip
    (weighed,) = Priorities(lambda _roots, _now: Reach()).update([incident], at(600))
    assert weighed.priority is not None
    assert weighed.priority.reason.endswith("urgency low: state unknown")


def test_one_that_is_unknown_is_enough() -> None:
    grouping = Grouping()
    grouping.update([finding("cpu"), DISK], at(1))
    (incident,) = grouping.update([closed(finding("cpu"), 60), lost(DISK, 120)], at(600))
    assert incident.sentence.endswith(" (state unknown)")
    assert grouping.advance(at(HOUR)) == []
    assert [one.timeline[-1].text for one in grouping.advance(at(2 * DAY))] == [GIVEN_UP]


def test_what_flaps_and_falls_silent_is_told_as_that() -> None:
    grouping = Grouping()
    for n in range(6):
        grouping.update([dataclasses.replace(finding("cpu"), end_unix_nano=at(20 * n))], at(20 * n))
        grouping.update([closed(finding("cpu"), 20 * n + 10)], at(20 * n + 10))
    grouping.update([dataclasses.replace(finding("cpu"), end_unix_nano=at(130))], at(130))
    (incident,) = grouping.update([lost(finding("cpu"), 130)], at(600))
    assert "unknown" in [entry.kind for entry in incident.timeline]


def test_what_recovers_after_all_is_over() -> None:
    grouping = silent(finding("cpu"))
    (incident,) = grouping.update([closed(finding("cpu"), 700)], at(700))
    assert incident.sentence.endswith(" (recovered)")
    assert [entry.kind for entry in incident.timeline] == ["opened", "unknown", "recovered"]
    (resolved,) = grouping.advance(at(1100))
    assert resolved.timeline[-1].text == "resolved: all findings recovered"


def test_what_opens_again_under_its_id_holds_its_incident_open() -> None:
    grouping = silent(finding("cpu"))
    (incident,) = grouping.update([dataclasses.replace(finding("cpu"), end_unix_nano=at(700))], at(700))
    assert incident.timeline[-1].text == "host:a: again: cpu high"
    assert grouping.advance(at(3 * DAY)) == []
    grouping.update([closed(finding("cpu"), 3 * DAY)], at(3 * DAY))
    (resolved,) = grouping.advance(at(3 * DAY + 300))
    assert resolved.timeline[-1].text == "resolved: all findings recovered"


def test_another_finding_that_tells_of_the_same_says_that_it_is_heard_of() -> None:
    grouping = silent(finding("cpu"))
    grouping.update([finding("cpu again", at=200)], at(700))
    (incident,) = grouping.unresolved()
    assert [unheard_since(one) for one in incident.findings] == [0, 0]
    grouping.update([closed(finding("cpu again", at=200), 800)], at(800))
    (resolved,) = grouping.advance(at(HOUR))
    assert resolved.timeline[-1].text == "resolved: all findings recovered"


def test_what_ended_before_says_nothing_of_it() -> None:
    grouping = silent(finding("cpu"))
    other = dataclasses.replace(finding("old", lasts=100), state=FindingState.CLOSED)
    (incident,) = grouping.update([other], at(700))
    assert unheard_since(incident.findings[0]) == at(120)


@pytest.mark.parametrize("how", ["restart", "merged", "split off", "left"])
def test_it_waits_on_wherever_it_goes(how: str) -> None:
    grouping = silent(DISK, finding("cpu"))
    if how == "restart":
        (kept,) = grouping.unresolved()
        findings = tuple(finding_of(finding_json(one)) for one in kept.findings)
        grouping = Grouping()
        grouping.restore([dataclasses.replace(kept, findings=findings)])
    elif how == "merged":
        grouping.update([finding("b", "host:b")], at(601))
        grouping.update([closed(finding("b", "host:b"), 602)], at(602))
        grouping.merge("ib", "icpu", at(603), "ann")
    else:
        grouping.update([closed(finding("cpu") if how == "split off" else DISK, 610)], at(610))
        grouping.split("icpu", ["disk"], at(620), "ann")
    ended = [one for one in grouping.advance(at(HOUR)) if unheard_since(one.findings[0])]
    assert ended == []
    assert [one.timeline[-1].text for one in grouping.advance(at(2 * DAY))] == [GIVEN_UP]


def test_what_is_only_counted_waits_too() -> None:
    grouping = Grouping(max_findings=1)
    grouping.update([finding("cpu"), finding("disk", at=1)], at(2))
    (incident,) = grouping.update([closed(finding("cpu"), 60), lost(finding("disk", at=1), 120)], at(600))
    assert not incident.sentence.endswith("(recovered)")
    grouping.update([finding("b", "host:b", at=600)], at(601))
    grouping.merge("ib", "icpu", at(603), "ann")
    grouping.update([closed(finding("b", "host:b", at=600), 610)], at(610))
    assert grouping.advance(at(HOUR)) == []
    assert [one.timeline[-1].text for one in grouping.advance(at(2 * DAY))] == [GIVEN_UP]


class Night:
    """Incidents with their pages."""

    def __init__(self) -> None:
        self.grouping, self.budget = Grouping(), PageBudget(Allowance(20))

    def tell(self, one: Finding, seconds: float) -> list[Incident]:
        """Take a change and decide."""
        told = self.budget.update(self.grouping.update([one], at(seconds)), at(seconds))
        self.grouping.adopt(told)
        return told


def test_what_comes_back_after_a_silence_repeats_it_and_pages_as_it_would_without() -> None:
    night = Night()
    (first,) = night.tell(finding("cpu", severity=Severity.CRITICAL), 1)
    assert first.page is not None
    assert first.page.decision is PageDecision.PAGED
    night.tell(lost(finding("cpu", severity=Severity.CRITICAL), 120), 600)
    old, new = night.tell(finding("again", at=HOUR, severity=Severity.CRITICAL), HOUR + 1)[::-1]
    assert (old.incident_id, old.state) == ("icpu", IncidentState.RESOLVED)
    assert old.timeline[-1].text == "resolved: heard of again: goes on in iagain"
    assert (new.follows, new.page and new.page.decision) == ("icpu", PageDecision.HELD)
    night.tell(closed(finding("again", at=HOUR, severity=Severity.CRITICAL), HOUR + 60), HOUR + 60)
    night.grouping.advance(at(2 * HOUR))
    (late,) = night.tell(finding("late", at=9 * HOUR, severity=Severity.CRITICAL), 9 * HOUR + 1)
    assert (late.follows, late.page and late.page.decision) == ("iagain", PageDecision.PAGED)


def test_one_that_waits_for_something_else_too_goes_on_waiting_and_is_no_newer_for_it() -> None:
    grouping = Grouping()
    grouping.update([finding("cpu"), DISK], at(1))
    grouping.update([lost(finding("cpu"), 120), lost(DISK, 120)], at(600))
    changed = grouping.update([finding("again", at=HOUR)], at(HOUR + 1))
    assert {one.incident_id: (one.state, one.follows) for one in changed} == {
        "icpu": (IncidentState.OPEN, ""), "iagain": (IncidentState.OPEN, "icpu")
    }  # fmt: skip
    grouping.update([closed(finding("again", at=HOUR), HOUR + 60)], at(HOUR + 60))
    assert [one.incident_id for one in grouping.advance(at(2 * HOUR))] == ["iagain"]
    grouping.update([finding("third", at=3 * HOUR)], at(3 * HOUR + 1))
    assert grouping.unresolved()[-1].follows == "iagain", "which is newer than what waits"
    grouping.update([closed(finding("third", at=3 * HOUR), 3 * HOUR + 60)], at(3 * HOUR + 60))
    assert [one.incident_id for one in grouping.advance(at(2 * DAY))] == ["icpu", "ithird"]
    grouping.update([finding("fourth", at=2 * DAY + 1)], at(2 * DAY + 2))
    assert grouping.unresolved()[-1].follows == "ithird"
