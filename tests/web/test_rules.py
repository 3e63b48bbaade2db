"""Rules on their page and by the API; merging and splitting, by whom it is allowed."""

from __future__ import annotations

import httpx
from tests.web import content
from tests.web.estate import Estate
from tests.web.serve import csrf_of, run, sign_in

FIRST, SECOND = "20260314-0251-checkout", "20260314-0140-web"
RESPOND, READ = ({"Authorization": f"Bearer {scope}-token"} for scope in ("respond", "read"))


def test_rules_are_listed_escaped_and_deleted() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        text = (await client.get("/rules")).text
        assert "belong together" in text
        assert "do not belong together" in text
        assert "<script>window.owned" not in text
        token = await csrf_of(client, "/rules")
        assert (await client.post("/rules/b1/delete", data={"csrf": token})).status_code == 303
        assert [one.bond_id for one in estate.rules] == ["b2"]
        assert (await client.post("/rules/b1/delete", data={"csrf": token})).status_code == 404

    run(test, estate)


def test_nobody_has_made_a_rule() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "Nobody has made a rule" in (await client.get("/rules")).text

    run(test, Estate(empty=True))


def test_a_responder_merges_and_splits() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, f"/incidents/{FIRST}")
        before = len(estate.incidents[FIRST].findings)
        answer = await client.post(f"/incidents/{FIRST}/merge", data={"csrf": token, "other": f" {SECOND} "})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{FIRST}")
        assert len(estate.incidents[FIRST].findings) == before + 1
        chosen = [one.finding_id for one in content.FINDINGS[:2]]
        answer = await client.post(f"/incidents/{FIRST}/split", data={"csrf": token, "finding": chosen})
        assert answer.headers["location"] == f"/incidents/{FIRST}-split"
        none = await client.post(f"/incidents/{FIRST}/split", data={"csrf": token})
        assert none.status_code == 409
        itself = await client.post(f"/incidents/{FIRST}/merge", data={"csrf": token, "other": FIRST})
        assert itself.status_code == 409

    run(test, estate)


def test_a_viewer_may_look_and_do_nothing() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        token = await csrf_of(client, "/")
        assert "/merge" not in (await client.get(f"/incidents/{FIRST}")).text
        assert "/delete" not in (await client.get("/rules")).text
        for path in (f"/incidents/{FIRST}/merge", f"/incidents/{FIRST}/split", "/rules/b1/delete"):
            assert (await client.post(path, data={"csrf": token, "other": SECOND})).status_code == 403

    run(test)


def test_the_api_takes_a_token_that_may_respond() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        listed = (await client.get("/api/v1/rules", headers=READ)).json()
        assert [one["kind"] for one in listed["rules"]] == ["together", "apart"]
        path = f"/api/v1/incidents/{FIRST}"
        refused = await client.post(f"{path}/merge", headers=READ, json={"other": SECOND})
        assert refused.status_code == 403
        merged = await client.post(f"{path}/merge", headers=RESPOND, json={"other": SECOND})
        assert merged.json()["incident_id"] == FIRST
        finding = content.FINDINGS[0].finding_id
        made = await client.post(f"{path}/split", headers=RESPOND, json={"findings": [finding]})
        assert (made.status_code, made.json()["incident_id"]) == (201, f"{FIRST}-split")
        assert (await client.post(f"{path}/split", headers=RESPOND, json={"findings": []})).status_code == 400
        assert (await client.delete("/api/v1/rules/b1", headers=RESPOND)).status_code == 200
        assert (await client.delete("/api/v1/rules/b1", headers=RESPOND)).status_code == 404

    run(test, estate)
