"""Root causes on the page and in the API; text from strangers stays text."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import replace

import httpx
from tests.web import content
from tests.web.estate import Estate
from tests.web.serve import run, sign_in

from stormpetrel.model.cause import EvidenceItem
from stormpetrel.model.cause_verdict import IncidentKnowledge, ToldDiagnosis
from stormpetrel.model.run import Run, RunState
from stormpetrel.web.pages.causes import address_of, literal_of
from stormpetrel.web.pages.now import cause_context

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
        changes = page.split("Changes near it")[1].split("</ul>")[0]
        around = address_of(content.diagnosis().changes[0].evidence[0], content.diagnosis())
        assert html.unescape(changes).count(f'<a href="{around}">') == 2, "also of one without evidence"
        assert "<script>window.owned" not in page
        assert (await client.get("/incidents/none/causes")).status_code == 404

    run(test)


CHECKOUT, WEB = "20260314-0251-checkout", "20260314-0140-web"


class Told(Estate):
    """What was told of causes: so many seconds ago, or nothing."""

    ages: dict[str, int]

    def knowledge(self, incident_id: str) -> IncidentKnowledge:
        known, age = super().knowledge(incident_id), self.ages.get(incident_id)
        if known.told is None or age is None:
            return replace(known, told=None)
        return replace(known, told=replace(known.told, time_unix_nano=content.NOW - age * content.SECOND))


async def first_page(client: httpx.AsyncClient) -> dict[str, str]:
    """The open incidents' cards on the first page, by id."""
    await sign_in(client, "vera")
    page = (await client.get("/")).text
    cards = [card.split("</article>")[0] for card in page.split("<article")[1:]]
    return {card.split('id="incident-', 1)[1].split('"')[0]: card for card in cards}


def test_the_first_page_tells_the_cause_and_asks_for_it_where_that_is_old() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        cards = await first_page(client)
        assert all("Most likely root cause" in cards[one] for one in (CHECKOUT, WEB))
        assert "hx-get" not in cards[CHECKOUT]
        assert f'hx-get="/incidents/{WEB}/causes"' in cards[WEB]

    estate = Told()
    estate.ages = {CHECKOUT: 30, WEB: 600}
    run(test, estate)


def test_a_cause_that_was_never_told_is_asked_for_by_the_first_page() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        cards = await first_page(client)
        assert "Most likely root cause" not in cards[CHECKOUT]
        assert f'hx-get="/incidents/{CHECKOUT}/causes"' in cards[CHECKOUT]

    estate = Told()
    estate.ages = {}
    run(test, estate)


def test_only_the_worst_incidents_of_a_storm_have_their_causes_looked_at() -> None:
    estate = Estate()
    asked: list[str] = []

    def last_told(incident_ids: Sequence[str]) -> dict[str, ToldDiagnosis]:
        asked.extend(incident_ids)
        return {}

    estate.last_told = last_told  # type: ignore[method-assign] # counts who is asked for
    (line, *_) = estate.now().open_incidents
    storm = [replace(line, incident_id=f"i{number}") for number in range(40)]
    assert cause_context(estate, storm, content.NOW)["told"] == {}
    assert asked == ["i0", "i1", "i2"]


def plans_told(*runs: Run) -> dict[str, str]:
    """What the first page says of plans, by incident."""
    estate, found = Estate(), {}
    estate.automation_runs = {one.run_id: one for one in runs}

    async def test(client: httpx.AsyncClient) -> None:
        for incident, card in (await first_page(client)).items():
            _, there, rest = card.partition('class="card-plan">')
            if there:
                found[incident] = rest.partition("</p>")[0]

    run(test, estate)
    return found


def test_the_first_page_says_what_to_do_where_there_is_a_plan() -> None:
    held = Estate().automation_runs["r3"]
    of_web = replace(held.plan, incident_id=WEB)
    acting = replace(held, run_id="newest", state=RunState.ACTING, plan=of_web)
    waits = replace(held, run_id="older", state=RunState.WAITING, plan=of_web)
    assert plans_told() == {}
    assert plans_told(replace(acting, state=RunState.FINISHED)) == {}
    told = plans_told(acting)
    assert list(told) == [WEB]
    assert "Being done" in told[WEB]
    told = plans_told(acting, waits, held)
    assert sorted(told) == sorted((WEB, CHECKOUT))
    assert 'What to do: <a href="/automation/runs/older"' in told[WEB], "people first"
    assert "held: you decide" in told[CHECKOUT]


def test_evidence_leads_to_its_rows() -> None:
    told = content.diagnosis()
    first = told.causes[0]
    assert address_of(first.evidence[0], told).startswith("/explore?text=http_request_duration_seconds")
    assert address_of(first.evidence[1], told).startswith("/logs?text=")
    assert address_of(told.causes[1].evidence[0], told) == ""
    assert address_of(told.changes[0].evidence[0], told).startswith("/changes?from=")
    assert literal_of("<*> <*>") == ""
    call = EvidenceItem("self time", "service:a b", "GET / takes 9 s in itself", 1.0, "trace", "GET /")
    around = address_of(first.evidence[1], told).partition("&from=")[2]
    assert address_of(call, told) == f"/logs?entity=service%3Aa%20b&from={around}"
    assert math.fsum(item.weight for item in first.evidence) == first.score
