"""Backups of others on their page and by the API."""

from __future__ import annotations

import httpx
from tests.web.estate import Estate
from tests.web.serve import run, sign_in

READ = {"Authorization": "Bearer read-token"}


def test_those_that_need_somebody_come_first_and_all_is_escaped() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/backups")).text
        places = [
            text.index(name)
            for name in ("host:web-1<", "host:web-2<", "database:orders<", "host:only-tested<")
        ]
        assert places == sorted(places)
        for word in ("overdue", "newest failed", "good", "no backup told of", "never", "5 GiB", "1 d"):
            assert word in text, word
        assert "<script>window.owned" not in text
        assert "\u202e" not in text

    run(test)


def test_no_tool_has_reported() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "No tool has reported a backup" in (await client.get("/backups")).text
        assert (await client.get("/api/v1/backups")).json() == {"backups": []}

    run(test, Estate(empty=True))


def test_the_api_tells_ages_in_seconds() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        client.headers.update(READ)
        found = {one["entity"]: one for one in (await client.get("/api/v1/backups")).json()["backups"]}
        orders = found["database:orders"]
        assert (orders["state"], orders["objective_seconds"]) == ("good", 86_400)
        assert orders["good_age_seconds"] == orders["verified_age_seconds"] == 43_200
        assert orders["test"]["kind"] == "restore_test"
        assert found["host:web-1"]["state"] == "overdue"
        assert found["host:web-1"]["verified_age_seconds"] is None
        assert found["host:web-1"]["verified"] is None
        reports = (await client.get("/api/v1/backups/reports", params={"entity": "host:web-2"})).json()[
            "reports"
        ]
        assert [one["backup_id"] for one in reports] == ["a", "b"]
        assert (await client.get("/api/v1/backups/reports")).status_code == 400

    run(test)
