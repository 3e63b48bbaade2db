"""Tokens on the receiving paths: known ones are not asked for each time, revoked ones are soon refused."""

from __future__ import annotations

import httpx
import pytest
from tests.web.estate import Estate
from tests.web.serve import run

from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.web import push

PATH = "/api/v1/write"
ADMIN = Caller("ada", Role.ADMIN)


class Asked(Estate):
    """Notes which secrets were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def caller_of_token(self, secret: str) -> Caller | None:
        self.asked.append(secret)
        return super().caller_of_token(secret)


async def send(client: httpx.AsyncClient, secret: str) -> int:
    answer = await client.post(PATH, content=b"x", headers={"Authorization": f"Bearer {secret}"})
    return answer.status_code


def test_a_known_token_is_asked_for_once_and_again_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    estate = Asked()

    async def test(client: httpx.AsyncClient) -> None:
        assert [await send(client, "ingest-token") for _ in range(5)] == [204] * 5
        assert estate.asked == ["ingest-token"]
        monkeypatch.setattr(push, "_KNOWN_SECONDS", -1.0)
        estate.asked.clear()
        assert await send(client, "read-token") == 403
        assert await send(client, "read-token") == 403
        assert estate.asked == ["read-token"] * 2

    run(test, estate)


def test_a_revoked_token_is_refused_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "_KNOWN_SECONDS", 0.0)
    estate = Asked()

    async def test(client: httpx.AsyncClient) -> None:
        assert await send(client, "ingest-token") == 204
        (token,) = (t for s, t in estate.tokens.items() if s == "ingest-token")
        estate.revoke_token(token.token_id, ADMIN)
        assert await send(client, "ingest-token") == 401
        assert await send(client, "ingest-token") == 401

    run(test, estate)


def test_a_time_that_is_remembered_is_short() -> None:
    assert push._KNOWN_SECONDS == 1.0


def test_unknown_tokens_are_never_remembered_and_known_ones_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "_MAX_KNOWN", 3)
    estate = Asked()
    secrets = [estate.add_token(f"t{n}", frozenset({Scope.INGEST}), ADMIN)[1] for n in range(10)]

    async def test(client: httpx.AsyncClient) -> None:
        assert await send(client, "forged") == 401
        _, forged = estate.add_token("late", frozenset({Scope.INGEST}), ADMIN)
        estate.tokens["forged"] = estate.tokens.pop(forged)
        assert await send(client, "forged") == 204, "a token made after it was tried is good at once"
        assert [await send(client, secret) for secret in secrets] == [204] * 10

    run(test, estate)
    assert len(estate.asked) == 12
