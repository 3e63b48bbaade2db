"""Access: one-time set-up, slowed guessing, tokens that can be revoked."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from stormpetrel.app.access import Access
from stormpetrel.errors import AuthError, NotFoundError, StateError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.control import ControlStore
from stormpetrel.testing.clock import FakeClock

ADMIN = Caller("ann", Role.ADMIN)
PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_700_000_000_000_000_000)


@pytest.fixture
def access(control: ControlStore, clock: FakeClock) -> Access:
    return Access(control, clock, CHEAP)


def test_passwords_are_hashed_slowly_and_with_much_memory(control: ControlStore, clock: FakeClock) -> None:
    access = Access(control, clock)
    access.create_admin(access.new_setup_secret(), "ann", PASSWORD)
    user = control.user("ann")
    assert user is not None
    assert user.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert access.sign_in("ann", PASSWORD, "127.0.0.1") == ADMIN


def test_the_set_up_link_works_once(access: Access) -> None:
    secret = access.new_setup_secret()
    assert access.setup_needed()
    caller = access.create_admin(secret, " ann ", PASSWORD)
    assert caller == Caller("ann", Role.ADMIN)
    assert not access.setup_needed()
    with pytest.raises(AuthError):
        access.create_admin(secret, "eve", PASSWORD)
    with pytest.raises(AuthError):
        access.create_admin(access.new_setup_secret(), "eve", PASSWORD)


def test_a_wrong_old_or_replaced_set_up_secret_is_refused(access: Access, clock: FakeClock) -> None:
    first = access.new_setup_secret()
    second = access.new_setup_secret()
    for wrong in ("", "guess", first):
        with pytest.raises(AuthError):
            access.create_admin(wrong, "ann", PASSWORD)
    clock.advance(24 * 3600)
    with pytest.raises(AuthError):
        access.create_admin(second, "ann", PASSWORD)
    assert access.setup_needed()


@pytest.mark.parametrize(
    ("name", "password"),
    [("", PASSWORD), ("a\nb", PASSWORD), ("ann", "short"), ("Longer Name", "longer name")],
)
def test_weak_names_and_passwords_are_refused(access: Access, name: str, password: str) -> None:
    with pytest.raises(StateError):
        access.create_admin(access.new_setup_secret(), name, password)


def test_signing_in_needs_the_right_password(access: Access) -> None:
    access.create_admin(access.new_setup_secret(), "ann", PASSWORD)
    assert access.sign_in("ann", PASSWORD, "127.0.0.1") == ADMIN
    for name, password in (("ann", "wrong"), ("bob", PASSWORD), ("", "")):
        with pytest.raises(AuthError, match="wrong name or password"):
            access.sign_in(name, password, "127.0.0.1")


def test_guessing_is_slowed_down_and_only_for_the_guesser(access: Access, clock: FakeClock) -> None:
    access.create_admin(access.new_setup_secret(), "ann", PASSWORD)
    for _ in range(5):
        with pytest.raises(AuthError, match="wrong"):
            access.sign_in("ann", "wrong", "10.0.0.9")
    with pytest.raises(AuthError, match="too many"):
        access.sign_in("ann", PASSWORD, "10.0.0.9")
    assert access.sign_in("ann", PASSWORD, "10.0.0.1") == ADMIN
    clock.advance(2.1)
    assert access.sign_in("ann", PASSWORD, "10.0.0.9") == ADMIN
    with pytest.raises(AuthError, match="wrong"):
        access.sign_in("ann", "wrong", "10.0.0.9")


def test_tokens_are_kept_as_hashes_and_can_be_revoked(access: Access, control: ControlStore) -> None:
    token, secret = access.add_token("prometheus", frozenset({Scope.INGEST}), ADMIN)
    assert secret not in repr(control.list_tokens())
    assert secret.endswith(token.hint)
    assert access.caller_of_token(secret) == Caller("prometheus", None, frozenset({Scope.INGEST}), "ann")
    assert access.caller_of_token(secret + "x") is None
    access.revoke_token(token.token_id, ADMIN)
    assert access.caller_of_token(secret) is None
    with pytest.raises(NotFoundError):
        access.revoke_token("nothing", ADMIN)


@pytest.mark.parametrize(
    "caller", [Caller("v", Role.VIEWER), Caller("r", Role.RESPONDER), Caller("t", None, frozenset(Scope))]
)
def test_only_an_admin_handles_tokens_and_people(access: Access, caller: Caller) -> None:
    for act in (
        lambda: access.add_token("x", frozenset({Scope.READ}), caller),
        lambda: access.list_tokens(caller),
        lambda: access.revoke_token("x", caller),
        lambda: access.add_user("x", Role.ADMIN, PASSWORD, caller),
    ):
        with pytest.raises(AuthError):
            act()


def test_the_session_key_survives_a_restart(control: ControlStore, clock: FakeClock) -> None:
    key = Access(control, clock).session_key()
    assert len(key) == 32
    assert Access(control, clock).session_key() == key


def test_waiting_is_bounded(access: Access, clock: FakeClock) -> None:
    access.create_admin(access.new_setup_secret(), "ann", PASSWORD)
    for _ in range(40):
        clock.advance(301)
        with pytest.raises(AuthError, match="wrong"):
            access.sign_in("ann", "wrong", "10.0.0.9")
    clock.set(clock.now_unix_nano() + from_seconds(301))
    assert access.sign_in("ann", PASSWORD, "10.0.0.9") == ADMIN
