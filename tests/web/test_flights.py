"""Flight reports on their page and by the API: every number opens its plans; strangers' text stays text."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.web.estate import Estate
from tests.web.estate_flights import NAME, PLANS, REPORT
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.model import canonical
from stormpetrel.model.flight import Flight
from stormpetrel.web.pages.flights import chosen

PAGE = f"/automation/runbooks/{NAME}/flight"
READ, RESPOND = ({"Authorization": f"Bearer {scope}-token"} for scope in ("read", "respond"))
API = "/api/v1/automation/flights"


@pytest.mark.parametrize("state", ["queued", "running", "done", "failed", "cancelled"])
def test_the_report_is_shown_in_every_state_and_escapes_what_it_shows(state: str) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        page = await client.get(f"{PAGE}?flight=f-{state}")
        assert page.status_code == 200, page.text[-2000:]
        assert "<script>window.owned" not in page.text
        assert ("hx-get" in page.text.split('id="flight"')[1][:200]) == (state in ("queued", "running"))
        assert ("/cancel" in page.text) == (state in ("queued", "running"))

    run(test)


def test_every_number_opens_its_plans_and_every_plan_its_verdicts() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get(PAGE)).text
        links = {one.replace("&amp;", "&") for one in re.findall(rf'href="({PAGE}\?[^"#]*only=[^"#]+)', text)}
        assert len(links) >= 10, links
        for link in links:
            shown = (await client.get(link)).text
            count = shown.count('class="panel flown"')
            if "expected_job" not in link and "nobody" not in link:  # of these no plan is kept
                assert count >= 1, link
            assert count < len(PLANS), link
            assert shown.count('<th scope="row">budget</th>') == count, "each has all of its verdicts"
        assert text.count('class="panel flown"') == len(PLANS)
        assert "too few for" in text
        assert "4 more plans are counted" in text
        assert 'action="/automation' not in text, "a viewer flies nothing"

    run(test)


def test_what_was_never_flown_says_so() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        text = (await client.get(PAGE)).text
        assert "It was not flown yet" in text
        assert 'action="/automation/flights"' in text

    run(test, Estate(empty=True))


def test_another_version_than_the_present_one_is_told() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/automation/runbooks/scale-out/flight")).text
        assert "has to be flown itself" in text
        assert "It made no plan" in text

    run(test)


def test_a_responder_flies_and_stops_it() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, PAGE)
        form = {"csrf": token, "runbook": NAME, "from": "-8d", "to": "now"}
        answer = await client.post("/automation/flights", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?flight=f-queued")
        ((window, by),) = estate.flown
        assert (window.seconds, by) == (8 * 86_400, "rob")
        too_long = await client.post("/automation/flights", data={**form, "from": "-40d"})
        assert too_long.status_code == 400
        stop = {"csrf": token, "runbook": NAME}
        assert (await client.post("/automation/flights/f-running/cancel", data=stop)).status_code == 303
        assert (await client.post("/automation/flights/f-done/cancel", data=stop)).status_code == 409
        assert estate.grounded == ["f-running"]

    run(test, estate)


def test_a_viewer_flies_nothing() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        token = await csrf_of(client, "/")
        for path in ("/automation/flights", "/automation/flights/f-running/cancel"):
            answer = await client.post(path, data={"csrf": token, "runbook": NAME})
            assert answer.status_code == 403, path

    run(test, estate)
    assert not estate.flown
    assert not estate.grounded


def test_the_api_flies_looks_and_stops_with_its_scopes() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        kept = (await client.get(API, headers=READ)).json()["flights"]
        assert [one["report"] for one in kept] == [None] * 3
        whole = await client.get(f"{API}/f-done", headers=READ)
        assert canonical.read(Flight, whole.text).report == REPORT, "it is read back as it was"
        assert (await client.get(f"{API}/none", headers=READ)).status_code == 404
        assert (await client.post(API, headers=READ, json={})).status_code == 403
        started = await client.post(API, headers=RESPOND, json={"from": "-10d"})
        assert (started.status_code, started.json()["state"]) == (202, "queued")
        assert (await client.post(API, headers=RESPOND, json={"form": "-1d"})).status_code == 400
        stopped = await client.post(f"{API}/f-queued/cancel", headers=RESPOND)
        assert stopped.json()["state"] == "cancelled"

    run(test, estate)
    assert estate.flown[0][0].seconds == 10 * 86_400


def test_what_is_not_a_number_of_the_report_shows_all_plans() -> None:
    assert chosen(PLANS, "nonsense:1") == list(PLANS)
    assert chosen(PLANS, "refused:16") == [PLANS[2]]
    assert chosen(PLANS, "refused:1") == []
