"""The page Pages: budget, reserve, paged and held with their reasons, objectives; paging by hand."""

from __future__ import annotations

import dataclasses

import httpx
from tests.web.estate import Estate
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.model.page import PageAccount, PageDecision, carried_over

HELD, PAGED = "20260314-0140-web", "20260314-0251-checkout"


def test_budget_reserve_and_decisions_are_told_in_words() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/pages")).text
        assert "3 of 5" in text
        assert "the first 4 of 5" in text
        assert "is below the bar of 7.2" in text
        assert "reaches the bar" in text
        assert "burns 14.4x" in text
        assert "neither good nor bad is known" in text

    run(test)


def test_an_estate_in_which_nothing_happened_says_so() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/pages")).text
        for words in ("Nobody was woken", "Nothing was held back", "No objective is set"):
            assert words in text

    run(test, Estate(empty=True))


def test_lists_and_the_incident_say_paged_or_held_with_the_reason() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/incidents")).text
        assert 'page-held"' in text
        assert 'page-paged"' in text
        held = (await client.get(f"/incidents/{HELD}")).text
        assert "Held, nobody is woken" in held
        assert "Page now" not in held  # a viewer may look

    run(test)


def test_a_responder_pages_what_is_held_once() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, f"/incidents/{HELD}")
        assert "Page now" in (await client.get(f"/incidents/{HELD}")).text
        answer = await client.post(f"/incidents/{HELD}/page", data={"csrf": token, "note": "db too"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{HELD}")
        page = estate.incidents[HELD].page
        assert page is not None
        assert (page.decision, page.account, page.reason) == (
            PageDecision.PAGED,
            PageAccount.BY_HAND,
            "paged by rob: db too",
        )
        again = await client.post(f"/incidents/{HELD}/page", data={"csrf": token})
        assert again.status_code == 409
        none = await client.post("/incidents/none/page", data={"csrf": token})
        assert none.status_code == 404

    run(test, estate)


def test_a_responder_may_page_what_nothing_was_decided_of() -> None:
    estate = Estate()
    estate.incidents[HELD] = dataclasses.replace(estate.incidents[HELD], page=None)

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        text = (await client.get(f"/incidents/{HELD}")).text
        assert "Whether somebody is woken is not decided yet." in text
        assert "Page now" in text

    run(test, estate)


def test_a_page_that_was_sent_for_another_incident_says_so() -> None:
    estate = Estate()
    whole = estate.incidents[PAGED]
    assert whole.page is not None
    page = carried_over(whole.page, "whole")
    estate.incidents[PAGED] = dataclasses.replace(whole, page=page)

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        text = (await client.get(f"/incidents/{PAGED}")).text
        assert "paged with another</span>" in text
        assert "together with whole: " in text
        assert "Page now" not in text

    run(test, estate)


def test_a_viewer_may_not_page() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        token = await csrf_of(client, "/")
        answer = await client.post(f"/incidents/{HELD}/page", data={"csrf": token})
        assert answer.status_code == 403

    run(test)


def test_the_api_says_the_same() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        headers = {"Authorization": "Bearer read-token"}
        told = (await client.get("/api/v1/pages", headers=headers)).json()
        assert (told["per_week"], told["used"], told["fullest"]) == (5, 3, 5)
        assert [tier["tier"] for tier in told["tiers"]] == ["critical", "error", "warning"]
        assert told["weeks"][-1]["budget"] == 3
        record = next(one for one in told["records"] if one["incident_id"] == PAGED)
        assert (record["page"]["decision"], record["page"]["tier"]) == ("paged", "critical")
        slos = (await client.get("/api/v1/slos", headers=headers)).json()["slos"]
        assert slos[0]["firing"] == ["14.4x", "6x"]
        assert slos[1]["left_ratio"] is None
        incident = (await client.get(f"/api/v1/incidents/{HELD}", headers=headers)).json()
        assert (incident["page"]["decision"], incident["page"]["tier"]) == ("held", "warning")
        assert (await client.get("/api/v1/pages")).status_code == 401

    run(test)
