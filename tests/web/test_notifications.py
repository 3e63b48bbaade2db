"""The page of notifications, and where signed links lead."""

from __future__ import annotations

import httpx
from tests.web.estate import PASSWORD, Estate
from tests.web.estate_notify import GOOD_LINK
from tests.web.serve import csrf_of, run, sign_in

LINK = f"/consent/{GOOD_LINK}"


def test_routes_and_what_became_of_messages_are_shown_and_escaped() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = await client.get("/settings/notifications")
        assert page.status_code == 200
        for told in ("chat", "webhook", "has no account", "given up", "delivered in a digest", "on its way"):
            assert told in page.text, told
        assert "<script>window.owned" not in page.text
        assert "Send a test" not in page.text, "that is an admin's"
        about = await client.get("/about")
        assert "the route chat does not deliver" in about.text
        assert "<script>window.owned" not in about.text

    run(test)


def test_without_a_route_it_says_what_to_do() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get("/settings/notifications")
        assert "Nobody is told anything" in page.text
        assert "[notify.NAME]" in page.text
        assert "does not deliver" not in (await client.get("/about")).text

    run(test, Estate(empty=True))


def test_only_an_admin_sends_a_test() -> None:
    estate = Estate()

    async def as_rob(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/")
        path = "/settings/notifications/chat/test"
        assert (await client.post(path, data={"csrf": token})).status_code == 403

    async def as_ada(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        token = await csrf_of(client, "/settings/notifications")
        path = "/settings/notifications/chat/test"
        assert (await client.post(path, data={})).status_code == 403
        answer = await client.post(path, data={"csrf": token})
        assert answer.headers["location"] == "/settings/notifications?tried=chat"
        assert "A test is on its way" in (await client.get(answer.headers["location"])).text
        assert "on its way to" not in (await client.get("/settings/notifications?tried=<b>")).text
        gone = await client.post("/settings/notifications/pager/test", data={"csrf": token})
        assert gone.status_code == 404

    run(as_rob, estate)
    run(as_ada, estate)
    assert estate.trials == [("chat", "ada")]


def test_a_link_shows_the_plan_and_only_its_form_answers() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        for _ in range(3):
            page = await client.get(LINK)
            assert page.status_code == 200
            assert "Do you agree?" in page.text
            assert page.text.count('<td class="num">') >= 20, "all guardrails"
            assert "<script>window.owned" not in page.text
        assert estate.answered == [], "looking agrees to nothing, so previews do not either"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert "noindex" in page.headers["x-robots-tag"]
        without = await client.post(LINK, data={"agreed": "true"})
        assert without.status_code == 403, "a form of another site"
        assert (await client.request("HEAD", LINK)).status_code in (403, 404, 405)
        assert estate.answered == []
        token = await csrf_of(client, LINK)
        answer = await client.post(LINK, data={"csrf": token, "agreed": "false", "reason": "not now"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/automation/runs/r1")
        assert estate.answered == [(False, "rob", "not now")]
        again = await client.post(LINK, data={"csrf": token, "agreed": "true"})
        assert again.status_code == 409
        assert (await client.get(LINK)).status_code == 409

    run(test, estate)
    assert len(estate.answered) == 1


def test_nobody_who_is_not_signed_in_as_the_person_sees_or_answers() -> None:
    estate = Estate()

    async def stranger(client: httpx.AsyncClient) -> None:
        answer = await client.get(LINK)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=")
        assert (await client.post(LINK, data={"agreed": "true"})).status_code in (401, 403)
        # Signing in leads back to the link.
        token = await csrf_of(client, answer.headers["location"])
        form = {"csrf": token, "name": "rob", "password": PASSWORD, "next": LINK}
        assert (await client.post("/sign-in", data=form)).headers["location"] == LINK

    async def somebody_else(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(LINK)
        assert page.status_code == 403
        assert "this link asks rob" in page.text
        token = await csrf_of(client, "/")
        assert (await client.post(LINK, data={"csrf": token, "agreed": "true"})).status_code == 403

    async def viewer(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert (await client.get(LINK)).status_code == 403

    async def token(client: httpx.AsyncClient) -> None:
        for scope in ("read", "approve", "respond"):
            headers = {"Authorization": f"Bearer {scope}-token"}
            assert (await client.get(LINK, headers=headers)).status_code == 403
            sent = await client.post(LINK, headers=headers, data={"agreed": "true"})
            assert sent.status_code == 403

    for test in (stranger, somebody_else, viewer, token):
        run(test, estate)
    assert estate.answered == []


def test_who_answers_plans_by_token_may_look_at_them_and_at_nothing_else() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        headers = {"Authorization": "Bearer approve-token"}
        for path in ("/api/v1/automation", "/api/v1/automation/runs/r1"):
            assert (await client.get(path, headers=headers)).status_code == 200, path
        for path in ("/api/v1/automation/ledger", "/api/v1/incidents", "/api/v1/logs"):
            assert (await client.get(path, headers=headers)).status_code == 403, path
        ingest = {"Authorization": "Bearer ingest-token"}
        assert (await client.get("/api/v1/automation", headers=ingest)).status_code == 403

    run(test)
