"""Alerts of other systems as findings: one an alert, folded, reopened, and never resolved by silence."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.detect.alerts import AlertWatch, alerts_of
from stormpetrel.model.finding import Finding, FindingState, Severity, unheard_since
from stormpetrel.model.record_columns import build_alerts
from stormpetrel.model.records import Alert, AlertState
from stormpetrel.model.time import from_seconds

T0 = 1_700_000_000_000_000_000
HOUR = 3600.0
FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED


def at(seconds: float) -> int:
    return T0 + from_seconds(seconds)


def alert(start: float = 0.0, end: float | None = None, **rest: object) -> Alert:
    """A firing alert, or one that was resolved at `end`."""
    one = Alert(
        time_unix_nano=at(start if end is None else end),
        start_unix_nano=at(start),
        end_unix_nano=0 if end is None else at(end),
        entity="service:cart",
        source="am",
        fingerprint="f1",
        name="HighLatency",
        state=FIRING if end is None else RESOLVED,
        severity_number=18,
        summary="p99 is\n 2 s",
        url="",
        labels={"alertname": "HighLatency", "service": "cart"},
    )
    return dataclasses.replace(one, **rest)  # type: ignore[arg-type] # fields by name, as each test needs


def one(changes: list[Finding]) -> Finding:
    (change,) = changes
    return change


def test_a_firing_alert_opens_a_finding_that_says_where_it_comes_from() -> None:
    found = one(AlertWatch().update([alert()]))
    assert (found.detector, found.state, found.severity) == ("alert", FindingState.OPEN, Severity.CRITICAL)
    assert (found.title, found.why, found.entity) == ("HighLatency", "p99 is 2 s", "service:cart")
    assert found.evidence.query == 'HighLatency{service="cart"}'
    assert (found.evidence.series, found.evidence.p_value) == (-1, 1.0)
    assert found.attributes == {
        "alert_name": "HighLatency", "source": "am", "fingerprint": "f1", "notifications": "1"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "severity"),
    [
        (0, Severity.WARNING), (1, Severity.INFO), (9, Severity.INFO), (12, Severity.INFO),
        (13, Severity.WARNING), (16, Severity.WARNING), (17, Severity.ERROR), (18, Severity.CRITICAL),
        (24, Severity.CRITICAL),
    ],
)  # fmt: skip
def test_severities(number: int, severity: Severity) -> None:
    assert one(AlertWatch().update([alert(severity_number=number)])).severity is severity


def test_without_identity_or_name_alerts_are_not_thrown_together() -> None:
    watch = AlertWatch()
    found = watch.update(
        [
            alert(entity="", fingerprint="a"),
            alert(entity="unknown:unknown", fingerprint="b", name="", summary="disk full"),
            alert(entity="unknown:unknown", fingerprint="c", name="", summary=""),
        ]
    )
    assert [f.entity for f in found] == [
        "alert:HighLatency",
        "alert:disk full",
        "alert:an alert without a name",
    ]
    assert found[2].why == "am says that it fires, and no more."


def test_told_again_it_adds_a_count_and_no_change() -> None:
    watch = AlertWatch()
    opened = one(watch.update([alert()]))
    assert watch.update([alert()] * 5) == []
    assert watch.repeated_total == 5
    worse = one(watch.update([alert(summary="p99 is 9 s")]))
    assert (worse.finding_id, worse.start_unix_nano) == (opened.finding_id, opened.start_unix_nano)
    assert worse.why == "p99 is 9 s"
    closed = one(watch.update([alert(end=60.0)]))
    assert closed.attributes is not None
    assert closed.attributes["notifications"] == "7"


def test_resolved_closes_it_and_resolved_again_says_nothing() -> None:
    watch = AlertWatch()
    opened = one(watch.update([alert()]))
    closed = one(watch.update([alert(end=60.0)]))
    assert (closed.finding_id, closed.state, closed.end_unix_nano) == (
        opened.finding_id,
        FindingState.CLOSED,
        at(60),
    )
    assert watch.update([alert(end=60.0)]) == []
    assert watch.open_findings == []
    assert AlertWatch().update([alert(end=60.0)]) == [], "it was never seen to fire"


def test_soon_after_it_is_the_same_finding_again_and_later_another() -> None:
    watch = AlertWatch(reopen_seconds=300.0)
    opened = one(watch.update([alert()]))
    watch.update([alert(end=60.0)])
    again = one(watch.update([alert(start=300.0)]))
    assert (again.finding_id, again.state, again.start_unix_nano) == (
        opened.finding_id,
        FindingState.OPEN,
        T0,
    )
    assert again.end_unix_nano == at(300)
    watch.update([alert(start=300.0, end=400.0)])
    later = one(watch.update([alert(start=701.0)]))
    assert later.finding_id != opened.finding_id
    assert later.start_unix_nano == at(701)


def test_notifications_out_of_order_change_nothing() -> None:
    watch = AlertWatch()
    watch.update([alert()])
    watch.update([alert(end=60.0)])
    assert watch.update([alert()]) == [], "the first notification once more, late"
    watch.update([alert(start=100.0)])
    assert watch.update([alert(end=60.0)]) == [], "the end of the firing before"
    assert len(watch.open_findings) == 1


def test_a_silent_sender_resolves_nothing_for_hours_and_then_it_is_unknown() -> None:
    watch = AlertWatch()
    watch.advance(at(0))
    watch.update([alert()])
    assert watch.advance(at(6 * HOUR)) == []
    closed = one(watch.advance(at(6 * HOUR + 60)))
    assert closed.state is FindingState.CLOSED
    assert "closed as unknown, not as resolved" in closed.why
    assert unheard_since(closed) == at(0)
    assert watch.open_findings == []


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_given_up_is_known_again_when_its_sender_says_that_it_is_over(restarted: bool) -> None:
    watch = AlertWatch()
    watch.advance(at(0))
    watch.update([alert()])
    given_up = one(watch.advance(at(6 * HOUR + 60)))
    if restarted:
        watch = AlertWatch()
        watch.restore([given_up], at(7 * HOUR))
        assert watch.open_findings == []
    over = one(watch.update([alert(end=60.0)]))
    assert (over.finding_id, over.state, unheard_since(over)) == (given_up.finding_id, FindingState.CLOSED, 0)
    assert over.why.endswith("Its sender says that it is over after all.")
    assert watch.update([alert(end=60.0)]) == [], "it is over, and told once"


def test_what_was_given_up_and_fires_again_is_open_and_not_unknown() -> None:
    watch = AlertWatch()
    watch.advance(at(0))
    watch.update([alert()])
    given_up = one(watch.advance(at(6 * HOUR + 60)))
    watch.advance(at(12 * HOUR))
    again = one(watch.update([alert()]))
    assert (again.finding_id, again.state, unheard_since(again)) == (
        given_up.finding_id,
        FindingState.OPEN,
        0,
    )


def test_the_senders_own_interval_counts_where_it_is_longer() -> None:
    watch = AlertWatch()
    for hours in (0, 12, 24):
        watch.advance(at(hours * HOUR))
        # Notifications of hours ago tell nothing of now: the start stays the same.
        watch.update([alert()])
    assert watch.advance(at(41 * HOUR)) == []
    assert len(watch.advance(at(42 * HOUR + 60))) == 1


def test_what_was_given_up_and_is_told_again_opens_again() -> None:
    watch = AlertWatch()
    watch.advance(at(0))
    watch.update([alert()])
    watch.advance(at(7 * HOUR))
    assert one(watch.update([alert()])).state is FindingState.OPEN


def test_after_a_restart_it_goes_on_with_what_was_open() -> None:
    opened = one(AlertWatch().update([alert()]))
    watch = AlertWatch()
    watch.restore([opened], at(HOUR))
    assert watch.holds("am", "f1")
    assert watch.update([alert()]) == []
    assert watch.advance(at(6 * HOUR)) == [], "the pause was ours"
    closed = one(watch.update([alert(end=60.0)]))
    assert (closed.finding_id, closed.state) == (opened.finding_id, FindingState.CLOSED)


def test_memory_is_bounded_and_what_goes_is_said_to_be_unknown() -> None:
    watch = AlertWatch(most=10)
    found = watch.update([alert(fingerprint=str(n)) for n in range(30)])
    gone = [f for f in found if f.state is FindingState.CLOSED]
    assert [f.attributes and f.attributes["fingerprint"] for f in gone] == [str(n) for n in range(20)]
    assert all("More than 10 alerts fire" in f.why for f in gone)
    assert len(watch.open_findings) == 10


def test_sources_do_not_share_fingerprints() -> None:
    assert len(AlertWatch().update([alert(), alert(source="grafana")])) == 2


def test_rows_of_a_batch_come_back_as_alerts() -> None:
    batch = build_alerts(
        [T0, T0 + 1], ["a", "b"], source="am", state=["firing", "resolved"], name="X",
        labels=[json.dumps({"service": "x"}), "broken"], annotations="[]", severity_number=17,
    )  # fmt: skip
    first, second = alerts_of(batch)
    assert (first.state, first.labels, first.annotations) == (FIRING, {"service": "x"}, {})
    assert (second.state, second.labels) == (RESOLVED, {})


steps = st.lists(
    st.tuples(
        st.sampled_from(["fire", "again", "resolve", "wait"]), st.integers(0, 2), st.integers(1, 20_000)
    ),
    max_size=40,
)


@given(steps)
def test_an_alert_is_open_exactly_while_it_fires_as_far_as_is_known(rows: list[tuple[str, int, int]]) -> None:
    """Against a plain model: what was told last, unless nobody told it for too long."""
    watch = AlertWatch(reopen_seconds=300.0)
    fires: dict[int, int] = {}  # fingerprint -> start
    state: dict[str, FindingState] = {}
    heard: dict[int, int] = {}
    now = T0
    for what, which, seconds in rows:
        now += from_seconds(seconds)
        changes = watch.advance(now)
        for gone in changes:
            number = int((gone.attributes or {})["fingerprint"])
            assert now - heard[number] > from_seconds(6 * HOUR)
            del fires[number]
        start = fires.get(which, now)
        mine = alert(fingerprint=str(which), start_unix_nano=start, time_unix_nano=start)
        if what == "fire" or (what == "again" and which in fires):
            fires.setdefault(which, now)
            heard[which] = now
            changes += watch.update([mine])
        elif what == "resolve":
            ended = dataclasses.replace(mine, state=RESOLVED, end_unix_nano=now, time_unix_nano=now)
            changes += watch.update([ended])
            fires.pop(which, None)
        for change in changes:
            assert state.get(change.finding_id) is not change.state or change.state is FindingState.OPEN
            state[change.finding_id] = change.state
        assert {int((f.attributes or {})["fingerprint"]) for f in watch.open_findings} == fires.keys()
        assert sum(found is FindingState.OPEN for found in state.values()) == len(fires)
