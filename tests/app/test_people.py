"""People: links that work once, an admin who always stays, sessions and tokens that end."""

from __future__ import annotations

import contextlib

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.app.access import sha256_of
from stormpetrel.app.people import People
from stormpetrel.errors import AuthError, NotFoundError, OverloadedError, StateError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.people import PeopleAct, name_fault
from stormpetrel.testing.clock import FakeClock

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ANN = Caller("ann", Role.ADMIN)
HERE = "10.0.0.9"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_700_000_000_000_000_000)


@pytest.fixture
def people(control: SqlControlStore, clock: FakeClock) -> People:
    made = People(control, clock, CHEAP)
    made.create_admin(made.new_setup_secret(), "ann", PASSWORD)
    return made


def test_a_link_makes_exactly_its_name_and_role_once(people: People, control: SqlControlStore) -> None:
    link, secret = people.invite(" bo ", Role.RESPONDER, ANN)
    assert secret not in repr(control.list_invitations(link.created_unix_nano))
    assert people.join(secret, PASSWORD, HERE) == Caller("bo", Role.RESPONDER)
    assert people.sign_in("bo", PASSWORD, HERE).role is Role.RESPONDER
    with pytest.raises(NotFoundError):
        people.join(secret, PASSWORD, HERE)
    acts = [(one.actor, one.act, one.person) for one in people.people(ANN).changes]
    assert acts == [("bo", PeopleAct.JOINED, "bo"), ("ann", PeopleAct.INVITED, "bo")]


def test_links_that_are_altered_old_replaced_or_withdrawn_open_nothing(
    people: People, clock: FakeClock
) -> None:
    _, first = people.invite("bo", Role.VIEWER, ANN)
    _, second = people.invite("bo", Role.ADMIN, ANN)
    _, gone = people.invite("cy", Role.VIEWER, ANN)
    people.remove("cy", ANN)
    for secret in ("", first, second[:-1], second + "x", second.swapcase(), gone, "\ud800"):
        with pytest.raises((NotFoundError, OverloadedError)):
            people.join(secret, PASSWORD, HERE)
    assert people.invitation(second, HERE).role is Role.ADMIN  # what opens never waits
    clock.advance(-3600)
    with pytest.raises(NotFoundError):
        people.invitation(second, "10.0.0.1")
    clock.advance(25 * 3600 - 1)
    assert people.invitation(second, HERE).person == "bo"
    clock.advance(1)
    with pytest.raises(NotFoundError):
        people.join(second, PASSWORD, "10.0.0.1")


def test_guesses_at_links_and_at_the_old_password_are_slowed_down(people: People, clock: FakeClock) -> None:
    for _ in range(5):
        with pytest.raises(NotFoundError):
            people.invitation("guess", HERE)
        with pytest.raises(AuthError, match="wrong"):
            people.change_password("guess", "a fine new password", ANN, HERE)
    with pytest.raises(OverloadedError):
        people.invitation("guess", HERE)
    with pytest.raises(AuthError, match="too many"):
        people.change_password(PASSWORD, "a fine new password", ANN, HERE)
    with pytest.raises(AuthError, match="too many"):
        people.sign_in("ann", PASSWORD, HERE)
    clock.advance(2.1)
    people.change_password(PASSWORD, "a fine new password", ANN, HERE)


def test_a_name_that_exists_meanwhile_is_not_taken_over(people: People) -> None:
    _, secret = people.invite("bo", Role.ADMIN, ANN)
    people.add_user("Bo", Role.VIEWER, PASSWORD, ANN)
    with pytest.raises(StateError, match="taken"):
        people.join(secret, PASSWORD, HERE)
    assert people.caller_of_user("bo") is None
    for name in ("ANN", "\uff41nn", "bo"):
        with pytest.raises(StateError, match="taken"):
            people.invite(name, Role.VIEWER, ANN)


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\u202eb", "a\u200bb", "ann\ufe0f", "\u3164", "a  b", "Petrel", "x" * 65]
)
def test_names_that_hide_something_are_refused(people: People, name: str) -> None:
    with pytest.raises(StateError):
        people.invite(name, Role.VIEWER, ANN)


@given(st.text(max_size=70))
def test_a_name_that_passes_shows_all_of_itself(name: str) -> None:
    if not name_fault(name):
        assert name.isprintable()
        assert 1 <= len(name) <= 64


def test_a_removed_person_is_out_and_is_spoken_for_no_more(people: People, control: SqlControlStore) -> None:
    people.add_user("bo", Role.ADMIN, PASSWORD, ANN)
    bo = people.sign_in("bo", PASSWORD, HERE)
    _, approve = people.add_token("bo-cli", frozenset({Scope.APPROVE}), bo)
    _, ingest = people.add_token("sender", frozenset({Scope.INGEST}), bo)
    _, pending = people.invite("cy", Role.ADMIN, bo)
    assert people.caller_of_token(approve) is not None
    people.remove("bo", ANN)
    assert people.caller_of_session("bo", bo.mark) is None
    assert people.caller_of_token(approve) is None
    assert people.caller_of_token(ingest) is not None  # a sender is nobody's voice
    with pytest.raises(NotFoundError):
        people.join(pending, PASSWORD, HERE)
    with pytest.raises(AuthError):
        people.sign_in("bo", PASSWORD, HERE)
    with pytest.raises(NotFoundError):
        people.remove("bo", ANN)


def test_a_lowered_admins_links_end(people: People) -> None:
    people.add_user("bo", Role.ADMIN, PASSWORD, ANN)
    _, pending = people.invite("cy", Role.ADMIN, Caller("bo", Role.ADMIN))
    people.change_role("bo", Role.VIEWER, ANN)
    with pytest.raises(NotFoundError):
        people.join(pending, PASSWORD, HERE)


def test_the_last_admin_stays_and_nobody_changes_themselves(people: People) -> None:
    people.add_user("bo", Role.ADMIN, PASSWORD, ANN)
    bo = Caller("bo", Role.ADMIN)
    for act in (
        lambda: people.change_role("bo", Role.VIEWER, bo),
        lambda: people.remove("bo", bo),
        lambda: people.new_password_link("bo", bo),
    ):
        with pytest.raises(StateError):
            act()
    _, secret = people.new_password_link("bo", ANN)  # bo cannot sign in: ann is the last who can
    for act in (lambda: people.change_role("ann", Role.VIEWER, bo), lambda: people.remove("ann", bo)):
        with pytest.raises(StateError, match="last admin"):
            act()
    people.join(secret, PASSWORD, HERE)
    people.change_role("ann", Role.VIEWER, bo)
    with pytest.raises(StateError, match="last admin"):
        people.remove("bo", Caller("somebody (command line)", Role.ADMIN))


_NAMES = st.sampled_from(["ann", "bo", "cy"])
_STEPS = st.lists(st.tuples(st.sampled_from(["role", "remove", "link", "join"]), _NAMES, _NAMES,
                            st.sampled_from(Role)), max_size=25)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STEPS)
def test_whatever_admins_do_one_of_them_can_sign_in(
    people: People, control: SqlControlStore, steps: list[tuple[str, str, str, Role]]
) -> None:
    """Who acts has been let through before others took the role away: as two requests at once."""
    secrets: dict[str, str] = {}
    for act, name, by, role in steps:
        caller = Caller(by, Role.ADMIN)
        with contextlib.suppress(StateError, NotFoundError, OverloadedError):
            if act == "role":
                people.change_role(name, role, caller)
            elif act == "remove":
                people.remove(name, caller)
            elif act == "link":
                if control.user(name) is None:
                    secrets[name] = people.invite(name, role, caller)[1]
            else:
                people.join(secrets.pop(name, ""), PASSWORD, name)
        assert any(one.role is Role.ADMIN and one.password_hash for one in control.list_users())


@pytest.mark.parametrize("role", [Role.VIEWER, Role.RESPONDER, None])
def test_only_an_admin_changes_people(people: People, role: Role | None) -> None:
    caller = Caller("eve", role, frozenset(Scope) if role is None else frozenset())
    for act in (
        lambda: people.people(caller),
        lambda: people.invite("x", Role.VIEWER, caller),
        lambda: people.new_password_link("ann", caller),
        lambda: people.change_role("ann", Role.VIEWER, caller),
        lambda: people.remove("ann", caller),
    ):
        with pytest.raises(AuthError):
            act()


def test_a_hash_is_of_any_text() -> None:
    assert sha256_of("\ud800") != sha256_of("a")
