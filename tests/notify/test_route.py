"""A route tells everything once, or again when nobody knows, in bounds, and never holds anybody up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.notify.rig import SECOND, START, Outbox, Rig, busy, outcome, page, rig_in

from stormpetrel.app.notify.attempt import Attempt
from stormpetrel.app.notify.route import Route
from stormpetrel.app.notify.waiting import MOST_WAITING, WaitingLine
from stormpetrel.errors import NotifyError, NotTakenError, StoreError
from stormpetrel.model.finding import Severity
from stormpetrel.model.notification import DeliveryState, Message, NotificationKind


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path) as one:
        yield one


def test_each_is_told_once_however_often_it_is_offered(rig: Rig) -> None:
    route = rig.route()
    for _ in range(3):
        route.offer([page(1), page(1), page(2)])
        route.step()
    assert sorted(rig.outbox.keys()) == ["page:i1", "page:i2"]
    told = rig.store.list_notices()
    assert [(one.state, one.attempts) for one in told] == [(DeliveryState.SENT, 1)] * 2
    assert route.step() > 0


def test_what_was_claimed_and_not_sent_is_sent_after_a_restart_and_what_was_sent_is_not(rig: Rig) -> None:
    first = rig.route()
    first.offer([page(1)])
    first.step()
    first.offer([page(2)])  # and the process dies before it is sent
    rig.store.free_notices("me")
    second = rig.route()
    second.offer([page(1), page(2)])
    while second.step() == 0.0:
        pass
    assert rig.outbox.keys() == ["page:i1", "page:i2"]


def test_two_processes_tell_it_once(rig: Rig) -> None:
    one, other = rig.route(holder="a"), rig.route(holder="b")
    for route in (one, other):
        route.offer([page(1)])
        route.step()
    assert rig.outbox.keys() == ["page:i1"]


def test_a_receiver_that_fails_is_tried_again_later_and_later_and_shown(rig: Rig) -> None:
    rig.outbox.fails = [busy()]
    route = rig.route()
    route.offer([page(1)])
    rig.run(route, 60.0)
    assert 4 <= rig.outbox.tried <= 6, "after 2, 4, 8, 16, 32 s"
    assert route.trouble() == "the receiver answered 503"
    assert route.view().waiting == 1
    assert route.reasons["not_delivered"] == rig.outbox.tried
    rig.outbox.fails = []
    rig.run(route, 300.0)
    assert rig.outbox.keys() == ["page:i1"]
    assert route.trouble() == ""
    assert rig.store.list_notices()[0].attempts > 4


def test_one_that_no_receiver_takes_does_not_hold_up_the_others(rig: Rig) -> None:
    rig.outbox.fails = [NotTakenError("the receiver answered 400, and would again")]
    route = rig.route()
    route.offer([page(1)])
    route.step()
    rig.outbox.fails = []
    route.offer([page(1), page(2)])
    route.step()
    assert rig.outbox.keys() == ["page:i2"]
    states = {one.key: (one.state, one.reason[:12]) for one in rig.store.list_notices()}
    assert states["page:i1"] == (DeliveryState.FAILED, "the receiver")


def test_what_nobody_needs_to_hear_any_more_is_given_up(rig: Rig) -> None:
    rig.outbox.fails = [busy()]
    route = rig.route()
    ends = START + 600 * SECOND
    route.offer([replace(page(1), key="plan:r1", kind=NotificationKind.PLAN, ends_unix_nano=ends)])
    rig.run(route, 700.0)
    assert route.view().dropped_total == 1
    assert rig.store.list_notices()[0].state is DeliveryState.FAILED
    tried = rig.outbox.tried
    rig.run(route, 700.0)
    assert rig.outbox.tried == tried


def test_a_flood_is_told_in_a_digest_within_the_bound_of_a_minute(rig: Rig) -> None:
    route = rig.route(per_minute=5)
    many = [page(number) for number in range(60)]
    many[40] = page(40, Severity.CRITICAL, "the worst of all")
    route.offer(many)
    while route.step() == 0.0:
        pass
    assert len(rig.outbox.sent) == 5
    digest = rig.outbox.sent[-1]
    assert digest.kind is NotificationKind.DIGEST
    assert digest.title == "56 notifications at once: 56 page"
    assert digest.body.startswith("critical page: the worst of all")
    assert "And 36 more notifications." in digest.body
    rig.run(route, 120.0)
    assert len(rig.outbox.sent) == 5, "all of them are told"
    states = [one.state for one in rig.store.list_notices()]
    assert (states.count(DeliveryState.SENT), states.count(DeliveryState.DIGESTED)) == (4, 56)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 40), st.integers(0, 30), st.booleans()), max_size=30),
    st.integers(1, 6),
)
def test_no_minute_ever_holds_more_than_it_may_and_nothing_that_waits_is_lost(
    arrivals: list[tuple[float, int, bool]], per_minute: int
) -> None:
    line, now, number = WaitingLine(per_minute), START, 0
    sent: list[int] = []
    told: set[str] = set()
    offered: set[str] = set()
    quiet = [(301.0, 0, False)] * 12  # longer than the longest pause: each tells one, or all that are due
    for seconds, count, fails in [*arrivals, *quiet * per_minute]:
        now += int(seconds * SECOND)
        for notice in line.room_for([page(number + more) for more in range(count)]):
            line.add(notice, now)
            offered.add(notice.key)
        number += count
        while batch := line.next_batch(now):
            line.spent(now)
            sent.append(now)
            for one in batch:
                if fails:
                    one.failed(now, "x")
                else:
                    told.add(one.notice.key)
                    line.remove(one.notice.key)
        assert len(line) <= MOST_WAITING
    for at in sent:
        assert sum(at - 59 * SECOND < one <= at for one in sent) <= per_minute
    assert told == offered


def test_the_line_is_bounded_and_pages_come_first(rig: Rig) -> None:
    rig.outbox.fails = [busy()]
    route = rig.route(per_minute=600)
    route.offer([outcome(number) for number in range(MOST_WAITING + 50)])
    assert route.view().waiting == MOST_WAITING
    assert route.counts["postponed"] == 50
    route.offer([page(1)])
    assert route.view().waiting == MOST_WAITING
    rig.outbox.fails = []
    rig.clock.advance(1.0)
    route.step()
    assert rig.outbox.keys() == ["page:i1"]


def test_a_store_that_refuses_keeps_nobody_from_being_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    route = rig.route()
    with monkeypatch.context() as patched:
        patched.setattr(rig.store, "claim_notices", refuse)
        patched.setattr(rig.store, "close_notice", refuse)
        route.offer([page(1)])
        route.step()
        assert rig.outbox.keys() == ["page:i1"]
    rig.clock.advance(5.0)
    route.offer([page(1)])
    route.step()
    assert rig.outbox.keys() == ["page:i1"], "once, though the store did not know"
    assert rig.store.list_notices()[0].state is DeliveryState.SENT, "kept when it answered again"


@pytest.mark.parametrize(
    ("given", "carried"),
    [
        ({}, True),
        ({"kinds": ["plan"]}, False),
        ({"least_severity": "critical"}, False),
        ({"services": ["service:check*"]}, True),
        ({"services": ["host:*"]}, False),
    ],
)
def test_a_route_carries_what_it_is_for(given: dict[str, Any], carried: bool, rig: Rig) -> None:
    assert rig.route(**given).carries(page(1)) is carried


def test_a_new_route_does_not_begin_with_the_past(rig: Rig) -> None:
    assert not rig.route(since=START + 1).carries(page(1))


class Hanging:
    """A notifier that never comes back until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.calls = 0

    def notify(self, message: Message) -> None:
        self.calls += 1
        self.let_go.wait(60)


def test_a_notifier_that_hangs_is_given_up_and_given_nothing_more() -> None:
    hanging = Hanging()
    attempt = Attempt(hanging, -1.9, "chat")  # a tenth of a second in all
    message = Message("k", NotificationKind.PAGE, Severity.ERROR, START, "t", "b")
    with pytest.raises(NotifyError, match="no answer within"):
        attempt.send(message)
    with pytest.raises(NotifyError, match="still hangs"):
        attempt.send(message)
    while not hanging.calls:
        threading.Event().wait(0.01)
    hanging.let_go.set()
    assert hanging.calls == 1


def test_what_a_notifier_raises_is_told_by_its_name_alone() -> None:
    outbox = Outbox(fails=[RuntimeError("https://user:s3cr3t@chat.example")])
    with pytest.raises(NotifyError) as told:
        Attempt(outbox, 5.0, "chat").send(
            Message("k", NotificationKind.PAGE, Severity.ERROR, START, "t", "b")
        )
    assert "s3cr3t" not in f"{told.value}{told.value.__cause__}"
    assert "RuntimeError" in str(told.value)


def test_offering_never_waits_for_a_delivery(rig: Rig) -> None:
    hanging = Hanging()
    route: Route = rig.route(timeout_seconds=120)
    route._attempt = Attempt(hanging, 120.0, "chat")
    route.start()
    route.offer([page(1)])
    while not hanging.calls:
        threading.Event().wait(0.01)
    route.offer([page(number) for number in range(2, 50)])
    assert route.view().waiting == 49
    hanging.let_go.set()
    route.ask_to_stop()
    route.join()
