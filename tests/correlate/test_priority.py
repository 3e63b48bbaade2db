"""Priorities: impact times urgency, with the reason in words, and again when time has passed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.correlate.test_group import at, closed, finding

from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.priority import Priorities
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState, Priority
from stormpetrel.model.topology import Reach

NOBODY = Reach()


def weigh(incident: Incident, reach: Reach = NOBODY, seconds: float = 5.0) -> Priority:
    (weighed,) = Priorities(lambda _entities, _now: reach).update([incident], at(seconds))
    assert weighed.priority is not None
    return weighed.priority


def incident(*severities: Severity, objective: bool = False) -> Incident:
    grouping = Grouping()
    found = [finding(f"f{n}", at=n, severity=one) for n, one in enumerate(severities)]
    if objective:
        found = [dataclasses.replace(one, detector="slo", title="checkout burns 14x") for one in found]
    grouping.update(found, at(3))
    return grouping.unresolved()[0]


def test_one_mild_finding_on_something_nobody_needs_is_the_last() -> None:
    found = weigh(incident(Severity.WARNING))
    assert (found.level, found.impact, found.urgency) == (4, 1, 1)
    assert found.reason == "impact low: 1 entity is hit; urgency low: warning"


def test_an_entry_point_with_much_behind_it_and_a_critical_finding_is_the_first() -> None:
    found = weigh(incident(Severity.CRITICAL), Reach(12, ("service:web", "service:app", "service:x")))
    assert (found.level, found.impact, found.urgency) == (1, 3, 3)
    assert found.reason == (
        "impact high: reaches the entry point service:web and service:app, 1 entity is hit, 12 others need"
        " what is hit; urgency high: critical"
    )


def test_a_burning_objective_is_high_impact_by_itself() -> None:
    found = weigh(incident(Severity.ERROR, objective=True))
    assert (found.impact, found.level) == (3, 2)
    assert "objective: checkout burns 14x" in found.reason


@pytest.mark.parametrize(
    ("reach", "impact"),
    [
        (NOBODY, 1),
        (Reach(1), 1),
        (Reach(2), 2),
        (Reach(0, ("service:web",)), 2),
        (Reach(8, ("service:web",)), 2),
        (Reach(9, ("service:web",)), 3),
        (Reach(18), 2),
        (Reach(19), 3),
        (Reach(2000, (), False), 3),
    ],
)
def test_impact_grows_with_what_is_hit(reach: Reach, impact: int) -> None:
    assert weigh(incident(Severity.WARNING), reach).impact == impact


def test_what_still_grows_is_more_urgent_and_time_alone_takes_that_away() -> None:
    both = incident(Severity.WARNING, Severity.WARNING)
    assert weigh(both).reason.endswith("urgency medium: warning, still growing")
    priorities = Priorities(lambda _entities, _now: Reach(2))
    (now,) = priorities.update([both], at(5))
    assert priorities.changed([now], at(500)) == []
    (later,) = priorities.changed([now], at(700))
    assert later.priority is not None
    assert (later.priority.level, later.priority.urgency) == (4, 1)


def test_what_no_longer_grows_is_not_said_to_even_where_that_moves_no_level() -> None:
    priorities = Priorities(lambda _entities, _now: NOBODY)
    (now,) = priorities.update([incident(Severity.CRITICAL, Severity.CRITICAL)], at(5))
    assert now.priority is not None
    assert now.priority.reason.endswith("urgency high: critical, still growing")
    (later,) = priorities.changed([now], at(700))
    assert later.priority is not None
    assert later.priority.reason.endswith("urgency high: critical")
    assert later.priority.level == now.priority.level
    assert priorities.changed([later], at(7000)) == [], "nothing is told while nothing happens"


def test_what_is_over_is_not_urgent_and_what_is_resolved_keeps_its_priority() -> None:
    grouping = Grouping()
    one = finding("a", severity=Severity.CRITICAL)
    grouping.update([one], at(1))
    grouping.update([closed(one, 2)], at(2))
    assert weigh(grouping.unresolved()[0]).reason.endswith("urgency low: over for now")
    before = Priority(1, 3, 3, "as it was")
    grouping.adopt([dataclasses.replace(grouping.unresolved()[0], priority=before)])
    (resolved,) = grouping.advance(at(1000))
    assert resolved.state is IncidentState.RESOLVED
    assert weigh(resolved) == before


def test_the_graph_is_asked_for_the_roots() -> None:
    asked: list[tuple[list[str], int]] = []

    def reach(entities: Iterable[str], now: int) -> Reach:
        asked.append((list(entities), now))
        return NOBODY

    grouping = Grouping()
    grouping.update([finding("a", "host:a/disk:b"), finding("b", "host:a")], at(1))
    Priorities(reach).update(grouping.unresolved(), at(9))
    assert asked == [(["host:a"], at(9))]


@given(st.sampled_from(list(Severity)), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_more_hit_is_never_less_important(severity: Severity, few: int, more: int, entry: bool) -> None:
    if severity is Severity.INFO:
        return
    entries = ("service:web",) if entry else ()
    one = incident(severity)
    low, high = sorted((few, more))
    assert weigh(one, Reach(high, entries)).level <= weigh(one, Reach(low, entries)).level
    assert weigh(one, Reach(low, ("service:web",))).level <= weigh(one, Reach(low)).level
