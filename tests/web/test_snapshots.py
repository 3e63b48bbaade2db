"""The API of backups: for a token of its own scope, one snapshot at a time."""

from __future__ import annotations

import httpx
import pytest
from tests.web.serve import run

PATH = "/api/v1/snapshots"


def test_a_snapshot_is_taken_and_released() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        client.headers["Authorization"] = "Bearer backup-token"
        taken = await client.post(PATH)
        assert (taken.status_code, taken.json()) == (201, {"snapshot": "1" * 32})
        second = await client.post(PATH)
        assert (second.status_code, second.json()["error"]["reason"]) == (409, "state")
        assert (await client.delete(f"{PATH}/{'1' * 32}")).status_code == 200
        assert (await client.delete(f"{PATH}/none")).status_code == 404

    run(test)


@pytest.mark.parametrize("token", ["read-token", "ingest-token", "respond-token", "forged-token"])
def test_other_tokens_take_none(token: str) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.post(PATH, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in (401, 403)

    run(test)
