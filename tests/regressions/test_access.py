"""Guessing costs little memory, and a revoked token stays revoked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.access import Access
from stormpetrel.errors import AuthError, OverloadedError
from stormpetrel.model.access import ApiToken, Caller, Role, Scope
from stormpetrel.testing.clock import FakeClock

ADMIN = Caller("ada", Role.ADMIN)


class Slow:
    """The real control store, in which a token is revoked just after it was looked up."""

    def __init__(self, real: SqlControlStore) -> None:
        self._real = real
        self.meanwhile: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def token_by_hash(self, token_hash: str) -> ApiToken | None:
        found = self._real.token_by_hash(token_hash)
        self.meanwhile()
        return found


def test_a_token_revoked_while_it_is_looked_up_is_not_remembered(tmp_path: Path) -> None:
    control = Slow(open_control_store(f"sqlite:///{tmp_path / 'c.sqlite'}"))
    access = Access(control, FakeClock())  # type: ignore[arg-type]  # the rest is the real store's
    token, secret = access.add_token("agent", frozenset({Scope.INGEST}), ADMIN)
    control.meanwhile = lambda: access.revoke_token(token.token_id, ADMIN)
    access.caller_of_token(secret)
    control.meanwhile = lambda: None
    assert access.caller_of_token(secret) is None


def test_only_a_few_passwords_are_checked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(open_control_store(f"sqlite:///{tmp_path / 'c.sqlite'}"), FakeClock())
    monkeypatch.setattr("stormpetrel.app.access._HASHING_WAIT_SECONDS", 0.05)
    going, inside, most = threading.Event(), [0], [0]
    real = access._hasher

    class Hasher:
        def verify(self, known: str, password: str) -> bool:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            going.wait(20)
            inside[0] -= 1
            return real.verify(known, password)

        def hash(self, password: str) -> str:
            return real.hash(password)

    monkeypatch.setattr(access, "_hasher", Hasher())
    refused: list[Exception] = []

    def guess(n: int) -> None:
        try:
            access.sign_in(f"name{n}", "a wrong password", "10.0.0.1")
        except (AuthError, OverloadedError) as error:
            refused.append(error)

    guesses = [threading.Thread(target=guess, args=(n,)) for n in range(8)]
    for one in guesses:
        one.start()
    guesses[-1].join(0.5)
    going.set()
    for one in guesses:
        one.join(20)
    assert len(refused) == 8
    assert most[0] <= 2
    assert any(isinstance(error, OverloadedError) for error in refused)


def test_the_control_store_is_its_owners_alone(tmp_path: Path) -> None:
    open_control_store(f"sqlite:///{tmp_path / 'c.sqlite'}").put("k", "v")
    assert [p.name for p in tmp_path.iterdir() if p.stat().st_mode & 0o077] == []


def test_a_clock_that_went_back_keeps_nobody_out(tmp_path: Path) -> None:
    clock = FakeClock()
    access = Access(open_control_store(f"sqlite:///{tmp_path / 'c.sqlite'}"), clock)
    for _ in range(5):
        with pytest.raises(AuthError, match="wrong name"):
            access.sign_in("ann", "a wrong password", "10.0.0.1")
    with pytest.raises(AuthError, match="too many"):
        access.sign_in("ann", "a wrong password", "10.0.0.1")
    clock.advance(-86_400.0)
    with pytest.raises(AuthError, match="wrong name"):
        access.sign_in("ann", "a wrong password", "10.0.0.1")
