"""The desk: what is told of what stands on record, once, to real receivers, and what is shown of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from tests.notify.receivers import Mailbox, Service, running
from tests.notify.rig import BASE, START, Outbox, busy, paged_incident
from tests.notify.test_notifiers import hidden

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.access import Access
from stormpetrel.app.config import Config, load_config
from stormpetrel.app.notify.desk import NotifyDesk
from stormpetrel.errors import ConfigError, NotFoundError, StoreError
from stormpetrel.model.action import Autonomy
from stormpetrel.model.facts import Switch
from stormpetrel.model.notification import DeliveryState, NotificationKind
from stormpetrel.model.run import Run, RunState, Verification
from stormpetrel.model.verdict import Outcome
from stormpetrel.ports.notify import Notifier
from stormpetrel.testing.automation_samples import (
    BUDGET,
    fixed_judge,
    sample_facts,
    sample_plan,
    sample_run,
    sample_runbook,
)
from stormpetrel.testing.check_automation_runs import whole_run
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW

WEBHOOK = {"type": "webhook", "url": {"env": "URL"}, "secret": {"env": "KEY"}}


def expires(run: Run) -> int:
    """A plan waits for a quarter of an hour."""
    return run.begun_unix_nano + 900 * 10**9


@dataclass
class Place:
    store: SqlControlStore
    clock: FakeClock
    config: Config

    def desk(self, notifiers: dict[str, Notifier] | None) -> NotifyDesk:
        access = Access(self.store, self.clock)
        return NotifyDesk(self.config, self.store, access, self.clock, expires, notifiers)


@contextmanager
def place_in(folder: Path, start: int = START, **sections: Any) -> Iterator[Place]:
    clock = FakeClock(start)
    store = open_control_store(f"sqlite:///{folder / 'control.sqlite'}", folder, clock)
    given = {"data_dir": str(folder), "server": {"public_url": BASE}, "notify": sections}
    try:
        yield Place(store, clock, load_config(None, given))
    finally:
        store.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_in(tmp_path, chat=WEBHOOK, mail=WEBHOOK) as one:
        yield one


def step_all(desk: NotifyDesk) -> None:
    """Deliver what is due."""
    for route in desk.routes.values():
        while route.step() == 0.0:
            pass


def test_a_page_on_record_is_told_on_each_route_once_also_after_a_restart(place: Place) -> None:
    chat, mail = Outbox(), Outbox()
    desk = place.desk({"chat": chat, "mail": mail})
    place.store.save_incidents([paged_incident(1), replace(paged_incident(2), page=None)])
    for _ in range(2):
        desk.look()
        step_all(desk)
    again = place.desk({"chat": chat, "mail": mail})
    again.look()
    step_all(again)
    assert chat.keys() == mail.keys() == ["page:i1"]


def test_a_page_that_no_store_takes_is_told_at_once_and_never_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    chat = Outbox()
    desk = place.desk({"chat": chat, "mail": Outbox()})
    with monkeypatch.context() as patched:
        for name in ("claim_notices", "close_notice", "list_pages", "switches"):
            patched.setattr(place.store, name, refuse)
        desk.told([paged_incident(1)])
        desk.look()
        step_all(desk)
        assert chat.keys() == ["page:i1"]
    place.store.save_incidents([paged_incident(1)])
    desk.look()
    step_all(desk)
    assert chat.keys() == ["page:i1"]


def test_a_route_that_is_new_begins_now_and_one_that_stays_tells_what_was_missed(tmp_path: Path) -> None:
    with place_in(tmp_path, chat=WEBHOOK) as place:
        place.desk({"chat": Outbox()})
        place.store.save_incidents([paged_incident(1)])
    chat, mail = Outbox(), Outbox()
    with place_in(tmp_path, START + 60 * 10**9, chat=WEBHOOK, mail=WEBHOOK) as place:
        desk = place.desk({"chat": chat, "mail": mail})
        desk.look()
        step_all(desk)
    assert (chat.keys(), mail.keys()) == (["page:i1"], [])


def test_switches_are_told_engaged_and_released(place: Place) -> None:
    chat = Outbox()
    desk = place.desk({"chat": chat, "mail": Outbox()})
    place.store.engage(Switch("runbook:again", "ann", START, "restoring"))
    desk.look()
    assert place.store.release("runbook:again", "bob", START + 1, "done")
    desk.look()
    desk.look()
    step_all(desk)
    assert [one.title for one in chat.sent] == [
        "Kill switch engaged: runbook:again is stopped",
        "Kill switch released: runbook:again may go on",
    ]


def test_a_switch_released_while_nothing_ran_is_told_after_the_next_start_once(place: Place) -> None:
    before, after = Outbox(), Outbox()
    desk = place.desk({"chat": before, "mail": Outbox()})
    place.store.engage(Switch("global", "ann", START, "restoring"))
    desk.look()
    step_all(desk)
    assert not place.store.release("global", "bob", START + 1, "done")
    assert place.store.release("global", "cy", START + 2, "done")
    for _ in range(2):
        desk = place.desk({"chat": after, "mail": Outbox()})
        desk.look()
        desk.look()
        step_all(desk)
    assert [one.title for one in before.sent] == ["Kill switch engaged: all automation is stopped"]
    assert [one.title for one in after.sent] == ["Kill switch released: all automation may go on"]


def waiting(place: Place, requester: str = "petrel") -> Run:
    """A run that waits, on record."""
    plan = replace(sample_plan(f"by-{requester}"), requester=requester)
    run = sample_run(plan)
    place.store.admit(sample_facts(run), fixed_judge(plan, Outcome.ASK, 1), run, BUDGET)
    return run


@pytest.mark.parametrize("level", [Autonomy.SUGGEST, Autonomy.APPROVE])
def test_plans_are_asked_for_where_the_level_asks_or_a_person_did(level: Autonomy, tmp_path: Path) -> None:
    with place_in(tmp_path, NOW, chat=WEBHOOK) as place:
        chat = Outbox()
        place.store.save_runbook(sample_runbook(), "petrel", NOW)
        place.store.set_autonomy("restart-it", level, "ada", NOW, "x")
        desk = place.desk({"chat": chat})
        desk._runs_too = True
        waiting(place)
        waiting(place, "rob")
        desk.look()
        step_all(desk)
        asked = {one.key.split(":")[1] for one in chat.sent if one.kind is NotificationKind.PLAN}
        assert asked == ({"by-rob"} if level is Autonomy.SUGGEST else {"by-rob", "by-petrel"})


def test_what_a_run_led_to_is_told_with_its_outcome(tmp_path: Path) -> None:
    with place_in(tmp_path, NOW, chat=WEBHOOK) as place:
        chat = Outbox()
        place.store.save_runbook(sample_runbook(), "petrel", NOW)
        desk = place.desk({"chat": chat})
        desk._runs_too = True
        for number in range(3):
            place.store.set_autonomy("restart-it", Autonomy.AUTO, "ada", NOW, "early")
            whole_run(place.store, f"r{number}", Verification.WORSE)
        desk.look()
        step_all(desk)
        told = {one.key: one.body for one in chat.sent}
        fallen = [key for key, text in told.items() if "The breaker fell, 3 of the last 3" in text]
        assert (len(told), fallen) == (3, ["outcome:r2"])
        back = "restart-it is back at approve: a run of it made things worse."
        assert all(back in text for text in told.values())


def test_what_became_of_a_run_is_told_once_however_many_others_ended_meanwhile(tmp_path: Path) -> None:
    with place_in(tmp_path, NOW, chat=WEBHOOK) as place:
        chat = Outbox()
        desk = place.desk({"chat": chat})
        desk._runs_too = True
        run = waiting(place, "rob")
        desk.look()
        for number in range(30):  # newer ones, which end at once
            plan = replace(sample_plan(f"short-{number}"), created_unix_nano=NOW + number)
            short = replace(sample_run(plan), begun_unix_nano=NOW + 1 + number)
            place.store.admit(sample_facts(short), fixed_judge(plan, Outcome.DENY), short, BUDGET)
        place.store.advance_run(run, replace(run, state=RunState.EXPIRED, why="nobody answered"), ())
        for _ in range(3):
            desk.look()
            step_all(desk)
        outcomes = [one.title for one in chat.sent if one.kind is NotificationKind.OUTCOME]
        assert outcomes == ["Nobody answered in time: restart-it on service:by-rob"]


def test_a_failing_route_is_seen_everywhere(place: Place) -> None:
    desk = place.desk({"chat": Outbox(fails=[busy()]), "mail": Outbox()})
    desk.told([paged_incident(1)])
    desk.look()
    step_all(desk)
    assert desk.trouble() == "the route chat does not deliver: the receiver answered 503"
    chat, mail = desk.view().routes
    assert (chat.waiting, chat.failed_total, mail.sent_total, mail.trouble) == (1, 1, 1, "")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(desk)
    told = generate_latest(registry).decode()
    assert 'petrel_notify_failures_total{reason="not_delivered",route="chat"} 1.0' in told
    assert 'petrel_notify_waiting{route="chat"} 1.0' in told
    assert 'petrel_notify_sent_total{route="mail"} 1.0' in told


def test_a_test_message_goes_to_its_route_alone(place: Place) -> None:
    chat, mail = Outbox(), Outbox()
    desk = place.desk({"chat": chat, "mail": mail})
    desk.send_trial("mail", "ada")
    step_all(desk)
    assert ([one.kind for one in mail.sent], chat.sent) == ([NotificationKind.TEST], [])
    with pytest.raises(NotFoundError):
        desk.send_trial("pager", "ada")


def test_real_mail_and_a_real_webhook_are_told_by_threads_that_end(tmp_path: Path) -> None:
    mailbox, service = Mailbox(), Service()
    with running(mailbox), running(service):
        url = f"mailto://127.0.0.1:{mailbox.port}/?from=petrel@example.org&to=oncall@example.org"
        sections: dict[str, Any] = {
            "mail": {"type": "apprise", "timeout_seconds": 60, "url": hidden(tmp_path, "mail-url", url)},
            "hook": {
                "type": "webhook", "timeout_seconds": 60, "url": hidden(tmp_path, "hook-url", f"http://127.0.0.1:{service.port}/"),
                "secret": hidden(tmp_path, "hook-key", "signing-key"),
            },
        }  # fmt: skip
        with place_in(tmp_path, **sections) as place:
            desk = place.desk(None)
            desk.start()
            try:
                desk.told([paged_incident(1, "checkout fails at 3 o'clock")])
                await_it(lambda: len(mailbox.mails) == 1 and len(service.posts) == 1)
                await_it(lambda: {one.state for one in place.store.list_notices()} == {DeliveryState.SENT})
            finally:
                desk.stop()
    assert "Subject: checkout fails at 3 o'clock" in mailbox.mails[0]
    assert f"{BASE}/incidents/i1" in mailbox.mails[0]
    assert service.posts[0]["link"] == f"{BASE}/incidents/i1"


def await_it(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"type": "pigeon"}, "has no 'pigeon'"),
        ({}, "needs a type"),
        ({"type": "apprise", "url": "slack://s3cr3t"}, "it is a secret, and is not written here"),
        ({"type": "apprise", "url": {"file": "a", "env": "B"}}, "exactly one of file and env"),
        ({"type": "apprise", "url": {"env": "B"}, "kinds": ["everything"]}, "kinds"),
        ({"type": "apprise", "url": {"env": "B"}, "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_section_says_what_is_wrong_and_no_secret(section: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(None, {"notify": {"chat": section}})
    assert "notify.chat" in str(error.value)
    assert told in str(error.value)
    assert "s3cr3t" not in str(error.value)
