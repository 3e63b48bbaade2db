"""Signed links: what lets somebody agree by one, and every way in which one must not."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from tests.app.test_automation_desk import TWO, Desk, made_in
from tests.app.test_proposals import RUNBOOK
from tests.notify.rig import BASE

from stormpetrel.app.access import Access
from stormpetrel.app.notify.links import ConsentLinks
from stormpetrel.app.notify.words import plan_notice
from stormpetrel.app.notify.writing import CONSENT_PATH, Writer
from stormpetrel.app.usecases_automation import AutomationUseCases
from stormpetrel.app.usecases_notify import NotifyUseCases
from stormpetrel.errors import AuthError, NotFoundError, StateError, StoreError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.automation_view import RunView
from stormpetrel.model.notification import Asked
from stormpetrel.model.run import Run, RunState
from stormpetrel.web.session import Sessions

LINKS = ConsentLinks(b"k" * 32)
ANN, BOB, VERA = Caller("ann", Role.RESPONDER), Caller("bob", Role.ADMIN), Caller("vera", Role.VIEWER)
PASSWORD = "correct horse battery"


class UseCases(AutomationUseCases, NotifyUseCases):
    """The two parts of the service that links go through."""

    def __init__(self, parts: SimpleNamespace) -> None:
        self._is = parts  # type: ignore[assignment]  # only what these use-cases touch


@dataclass
class Hall:
    """The use-cases over a real store and the real desk of automation."""

    place: Desk
    service: UseCases
    writer: Writer
    run: Run

    def link(self, person: str = "ann", run: Run | None = None) -> str:
        """The text of a person's link."""
        one = run or self.run
        ends = self.place.desk.expires(one)
        return LINKS.text(Asked(one.run_id, one.plan_hash, one.plan.requester, ends), person)

    def end(self) -> None:
        """The plan waits no more."""
        after = replace(self.run, state=RunState.REFUSED, why="bob said no")
        self.place.store.advance_run(self.run, after, ())

    def answers(self) -> list[tuple[str, bool, str]]:
        """Who said what, by which way."""
        return [
            (one.approver, one.agreed, one.channel) for one in self.place.store.approvals(self.run.run_id)
        ]


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    place = made_in(tmp_path)
    place.leader.renew()
    access = Access(place.store, place.clock, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    admin = Caller("root", Role.ADMIN)
    for one in (ANN, BOB, VERA):
        assert one.role is not None
        access.add_user(one.name, one.role, PASSWORD, admin)
    run = place.waiting()
    parts = SimpleNamespace(
        clock=place.clock, control=place.store, automation=place.desk, access=access,
        notices=SimpleNamespace(links=LINKS),
    )  # fmt: skip
    yield Hall(place, UseCases(parts), Writer(access, LINKS, BASE), run)
    place.store.close()


def refused(hall: Hall, text: str, by: Caller, *errors: type[Exception]) -> str:
    """Neither opened nor answered; says why."""
    calls: tuple[Callable[[], RunView], ...] = (
        lambda: hall.service.open_consent(text, by),
        lambda: hall.service.answer_consent(text, True, by, ""),
    )
    for call in calls:
        with pytest.raises(errors) as told:
            call()
    return str(told.value)


def test_a_link_is_opened_any_number_of_times_and_answers_once_in_the_persons_name(hall: Hall) -> None:
    for _ in range(3):
        assert hall.service.open_consent(hall.link(), ANN).run.run_id == hall.run.run_id
    assert hall.answers() == [], "looking agrees to nothing"
    hall.service.answer_consent(hall.link(), True, ANN, "sure")
    assert hall.answers() == [("ann", True, "link")]
    entries = hall.place.store.ledger(0, hall.run.run_id)
    assert any(entry.actor == "ann" and '"channel":"link"' in entry.body for entry in entries)


def test_a_link_refuses_as_well(hall: Hall) -> None:
    hall.service.answer_consent(hall.link(), False, ANN, "not now")
    assert hall.answers() == [("ann", False, "link")]


def test_replayed_it_opens_nothing_and_changes_nothing(hall: Hall) -> None:
    hall.service.answer_consent(hall.link(), False, ANN, "")
    assert "was used" in refused(hall, hall.link(), ANN, StateError)
    assert hall.answers() == [("ann", False, "link")]


def test_two_answers_at_once_are_one(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hall.place.store, "link_spent", lambda _: False)  # both looked before either used it
    hall.service.answer_consent(hall.link(), True, ANN, "")
    with pytest.raises(StateError, match="was used"):
        hall.service.answer_consent(hall.link(), False, ANN, "")
    assert hall.answers() == [("ann", True, "link")]


@pytest.mark.parametrize("by", [BOB, VERA, Caller("agent", None), Caller("Ann", Role.ADMIN)])
def test_passed_on_it_lets_nobody_else_agree(by: Caller, hall: Hall) -> None:
    refused(hall, hall.link("ann"), by, AuthError)
    assert hall.answers() == []


def test_a_link_of_somebody_who_may_not_answer_any_more_answers_nothing(hall: Hall) -> None:
    refused(hall, hall.link("vera"), VERA, AuthError)
    assert hall.answers() == []


@given(st.data())
def test_altered_anywhere_it_opens_nothing(data: st.DataObject) -> None:
    text = LINKS.text(Asked("r1", "a" * 64, "petrel", 17), "ann")
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii"))
    changed = text[:place] + other + text[place + 1 :]
    if changed != text:
        try:
            found = LINKS.read(changed)
        except NotFoundError:
            return
        assert found == LINKS.read(text), "base64 may write one value in several ways; never another value"


def test_made_with_another_key_or_of_nonsense_it_opens_nothing(hall: Hall) -> None:
    forged = ConsentLinks(b"x" * 32).text(
        Asked(hall.run.run_id, hall.run.plan_hash, "petrel", hall.place.desk.expires(hall.run)), "ann"
    )
    unsigned = base64.urlsafe_b64encode(b'["l","r","h","ann",9]').decode()
    for text in (forged, unsigned, "", ".", "a" * 5000, hall.link()[:-1], "\ud800", f"{hall.link()}."):
        assert "opens nothing" in refused(hall, text, ANN, NotFoundError)


def test_a_cookie_of_a_session_is_no_link(hall: Hall) -> None:
    signed = Sessions(b"k" * 32, 60, False)._signer.dumps(("id", "ann", 1))
    refused(hall, str(signed), ANN, NotFoundError)


def test_after_its_time_it_answers_nothing(hall: Hall) -> None:
    hall.place.clock.advance(900.0)
    assert "ended at" in refused(hall, hall.link(), ANN, StateError)


def test_of_a_plan_that_changed_since_it_answers_nothing(hall: Hall) -> None:
    before = replace(hall.run, plan_hash="b" * 64)
    assert "has changed" in refused(hall, hall.link(run=before), ANN, StateError)


def test_of_another_plan_it_answers_nothing(hall: Hall) -> None:
    refused(hall, hall.link(run=replace(hall.run, run_id="another")), ANN, NotFoundError)


def test_who_proposed_the_plan_does_not_agree_by_a_link_either(hall: Hall) -> None:
    hall.end()
    hall.place.clock.advance(1.0)
    own = hall.place.desk.propose(RUNBOOK.name, TWO, "ann")
    assert "somebody else has to agree" in refused(hall, hall.link("ann", own), ANN, StateError)
    assert hall.place.store.approvals(own.run_id) == []


def test_once_the_plan_does_not_wait_any_more_it_answers_nothing(hall: Hall) -> None:
    hall.end()
    assert "does not wait any more" in refused(hall, hall.link(), ANN, StateError)


def test_an_answer_that_the_store_refused_leaves_the_link_unused(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(hall.place.store, "add_approval", refuse)
        with pytest.raises(StoreError):
            hall.service.answer_consent(hall.link(), True, ANN, "")
    hall.service.answer_consent(hall.link(), True, ANN, "")
    assert hall.answers() == [("ann", True, "link")]


def test_each_person_who_may_answer_has_a_link_of_their_own_in_the_message(hall: Hall) -> None:
    notice = plan_notice(hall.run, None, TWO, hall.place.desk.expires(hall.run))
    message = hall.writer.write(notice, ["ann", "bob", "vera", "nobody", "ann"])
    assert [person for person, _ in message.answers] == ["ann", "bob"]
    for person, address in message.answers:
        text = address.removeprefix(f"{BASE}{CONSENT_PATH}")
        assert LINKS.read(text).person == person
        assert address in message.body
    own = replace(notice, asked=replace(notice.asked, requester="ANN ")) if notice.asked else notice
    assert [person for person, _ in hall.writer.write(own, ["ann", "bob"]).answers] == ["bob"]
    assert hall.writer.obstacle("vera") == "is a viewer, and may not answer"
    assert hall.writer.obstacle("nobody") == "has no account"


def test_while_the_address_of_the_page_is_not_known_there_are_no_links(hall: Hall) -> None:
    notice = plan_notice(hall.run, None, None, hall.place.desk.expires(hall.run))
    hall.writer.base = ""
    message = hall.writer.write(notice, ["ann"])
    assert (message.link, message.answers) == ("", ())
