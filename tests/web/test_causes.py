"""Root causes on the page and in the API; text from strangers stays text."""

from __future__ import annotations

import math

import httpx
from tests.web import content
from tests.web.serve import run, sign_in

from stormpetrel.web.pages.causes import address_of, literal_of

INCIDENT = "/incidents/20260314-0251-checkout"


def test_the_page_shows_each_piece_of_evidence_with_its_weight_and_the_sum() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get(f"{INCIDENT}/causes")).text
        for words in (
            "Most likely root cause",
            "service:checkout",
            "deploy-4711",
            "+2.5",
            "+1.25",
            "3.75",
            "Not first",
        ):
            assert words in page, words
        assert "<script>window.owned" not in page
        assert (await client.get("/incidents/none/causes")).status_code == 404

    run(test)


def test_evidence_leads_to_its_rows() -> None:
    told = content.diagnosis()
    first = told.causes[0]
    assert address_of(first.evidence[0], told).startswith("/explore?text=http_request_duration_seconds")
    assert address_of(first.evidence[1], told).startswith("/logs?text=")
    assert address_of(told.causes[1].evidence[0], told) == ""
    assert address_of(told.changes[0].evidence[0], told).startswith("/changes?from=")
    assert literal_of("<*> <*>") == ""
    assert math.fsum(item.weight for item in first.evidence) == first.score
