"""Verdicts on causes, what helped, similar incidents, the scoreboard: pages, report and API."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.web import content
from tests.web.estate import Estate
from tests.web.estate_knowledge import HOSTILE_ENTITY
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.web.knowledge_words import key_of

FIRST = "/incidents/20260314-0251-checkout"
API = f"/api/v1{FIRST}"
RESPOND, READ = ({"Authorization": f"Bearer {scope}-token"} for scope in ("respond", "read"))


def test_a_responder_says_what_it_was_and_takes_it_back() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        page = (await client.get(f"{FIRST}/causes")).text
        assert page.count("This was it") == 2
        assert page.count("This was not it") == 2
        token = await csrf_of(client, f"{FIRST}/causes")
        form = {"csrf": token, "said": "it", "entity": key_of("service:checkout")}
        answer = await client.post(f"{FIRST}/verdict", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{FIRST}#look-back")
        await client.post(
            f"{FIRST}/verdict", data={**form, "said": "not_it", "entity": key_of(HOSTILE_ENTITY)}
        )
        page = (await client.get(f"{FIRST}/causes")).text
        assert "this was it</span>" in page
        assert "this was not it</span>" in page
        assert page.count("This was it</button>") == 1
        incident = (await client.get(FIRST)).text
        assert "It was service:checkout, hypothesis 1 of those told" in incident
        assert "Everything that was said" in incident
        assert (await client.post(f"{FIRST}/verdict/take-back", data={"csrf": token})).status_code == 303
        assert "Nobody has said yet" in (await client.get(FIRST)).text
        assert (await client.post(f"{FIRST}/verdict/take-back", data={"csrf": token})).status_code == 409

    run(test, estate)


def test_something_else_no_cause_and_what_is_refused() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        form = {"csrf": await csrf_of(client, FIRST)}
        path = f"{FIRST}/verdict"
        other = {
            **form,
            "said": "something_else",
            "text": content.HOSTILE,
            "entity": f"host:{content.HOSTILE}",
        }
        assert (await client.post(path, data=other)).status_code == 303
        incident = (await client.get(FIRST)).text
        assert "It was something else on host:&lt;" in incident
        assert "<script>window.owned" not in incident
        assert "<img src=x" not in incident
        for wrong, status in (
            ({"said": "something_else"}, 409),
            ({"said": "something_else", "entity": "service:checkout"}, 409),
            ({"said": "it", "entity": "service:unheard-of"}, 404),
            ({"said": "it", "entity": key_of("service:unheard-of")}, 404),
            ({"said": "maybe"}, 400),
            ({"said": "no_cause", "text": "x" * 2000}, 400),
        ):
            assert (await client.post(path, data={**form, **wrong})).status_code == status, wrong
        assert (await client.post(path, data={**form, "said": "no_cause"})).status_code == 303
        assert "There was no cause to find" in (await client.get(f"{FIRST}/causes")).text

    run(test, estate)


def test_a_viewer_sees_and_says_nothing() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        token = await csrf_of(client, "/")
        for path in (f"{FIRST}/verdict", f"{FIRST}/verdict/take-back", f"{FIRST}/helped"):
            answer = await client.post(path, data={"csrf": token, "said": "no_cause", "text": "x"})
            assert answer.status_code == 403, path
        assert "/verdict" not in (await client.get(f"{FIRST}/causes")).text
        assert "/helped" not in (await client.get(FIRST)).text

    run(test, estate)


def test_what_helped_is_written_when_resolving_or_later_and_bounded() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        form = {"csrf": await csrf_of(client, FIRST)}
        await client.post(f"{FIRST}/state", data={**form, "to": "resolved", "helped": "rolled back"})
        assert estate.notes["20260314-0251-checkout"].text == "rolled back"
        lines = f"first\r\nthen {content.HOSTILE}"
        await client.post(f"{FIRST}/helped", data={**form, "text": lines})
        page = (await client.get(FIRST)).text
        assert "first\nthen &lt;script&gt;" in page
        assert "<script>window.owned" not in page
        too_long = await client.post(f"{FIRST}/helped", data={**form, "text": "x" * 2001})
        assert too_long.status_code == 400
        await client.post(f"{FIRST}/helped", data={**form, "text": "  "})
        assert estate.notes == {}

    run(test, estate)


def test_similar_incidents_say_why_and_what_helped() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get(f"{FIRST}/similar")).text
        for words in (
            "55 % alike",
            "both hit service:checkout",
            "lasted 1 h",
            "What helped:",
            "not resolved",
            "122",
        ):
            assert words in page, words
        assert "<script>window.owned" not in page
        assert "<img src=x" not in page
        assert f'hx-get="{FIRST}/similar"' in (await client.get(FIRST)).text
        assert "Nothing like it is known" in (await client.get("/incidents/2026-old-001/similar")).text
        assert (await client.get("/incidents/none/similar")).status_code == 404

    run(test)


def test_no_earlier_incident() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "No earlier incident is known" in (await client.get(f"{FIRST}/similar")).text

    run(test, Estate(empty=True))


def test_the_scoreboard_gives_percentages_only_where_there_are_enough() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get("/scoreboard")).text
        assert '75 %</a> <span class="muted">12 of 16; 51 to 90 %' in page
        assert '1 of 2</a> <span class="muted">too few for a percentage' in page
        for words in ("By kind of cause", "deploy", "By month", "2026-03", "too few verdicts to say"):
            assert words in page, words
        assert 'id="behind"' not in page
        assert "<script>window.owned" not in page
        behind = (await client.get("/scoreboard?of=first&kind=deploy")).text
        assert behind.count('id="behind-') == 16 + 1  # rows and the heading
        assert "<script>window.owned" not in behind
        assert "<img src=x" not in behind
        month = (await client.get("/scoreboard?of=no_cause&month=2026-02")).text
        assert "memory below its band" in month
        none = (await client.get("/scoreboard?of=no_cause&month=2020-01")).text
        assert "No incident is counted there" in none
        for query in ("of=everything", "of=first&month=march", "of=first&kind=gremlins"):
            assert (await client.get(f"/scoreboard?{query}")).status_code == 400, query

    run(test)


def test_an_empty_scoreboard_says_how_it_fills() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "Nobody has said anything of a cause" in (await client.get("/scoreboard")).text

    run(test, Estate(empty=True))


def test_the_report_has_the_verdict_and_what_helped() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        before = (await client.get(f"{FIRST}/report.md")).text
        assert "### What people say of it" not in before
        room = before.count("To be written by those who were there.")
        form = {"csrf": await csrf_of(client, FIRST)}
        other = {
            **form,
            "said": "something_else",
            "text": content.HOSTILE,
            "entity": f"host:{content.HOSTILE}",
        }
        await client.post(f"{FIRST}/verdict", data=other)
        await client.post(f"{FIRST}/helped", data={**form, "text": f"# waiting\n\n<b>{content.HOSTILE}"})
        text = (await client.get(f"{FIRST}/report.md")).text
        assert "### What people say of it\n\nIt was something else on host:&lt;script&gt;" in text
        assert "Told at that time: service:checkout \\(deploy\\), certainty 79 %" in text
        assert "\\# waiting &lt;b&gt;" in text
        assert text.count("To be written by those who were there.") == room - 1
        page = (await client.get(f"{FIRST}/report.html")).text
        assert "What people say of it" in page
        assert "It was something else on host:&lt;script&gt;" in page
        assert (await client.get(f"{FIRST}/report.pdf")).status_code == 200
        for markup in ("<script", "<img", "<b>"):
            assert markup not in text

    run(test, estate)


def test_the_api_of_verdicts_takes_a_token_that_may_respond() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        body = {"said": "it", "entity": "service:checkout"}
        assert (await client.put(f"{API}/verdict", headers=READ, json=body)).status_code == 403
        assert (await client.put(f"{API}/helped", headers=READ, json={"text": "x"})).status_code == 403
        given = (await client.put(f"{API}/verdict", headers=RESPOND, json=body)).json()
        assert (given["outcome"], given["actor"]) == ("it", "agent-respond")
        assert given["told"]["causes"][0]["entity"] == "service:checkout"
        read = (await client.get(f"{API}/verdict", headers=READ)).json()
        assert read["verdict"] == given
        assert (read["helped"], len(read["history"])) == (None, 1)
        taken = (await client.delete(f"{API}/verdict", headers=RESPOND)).json()
        assert taken["outcome"] == "taken_back"
        assert (await client.delete(f"{API}/verdict", headers=RESPOND)).status_code == 409
        assert (await client.get(f"{API}/verdict", headers=READ)).json()["verdict"] is None
        note = await client.put(f"{API}/helped", headers=RESPOND, json={"text": content.HOSTILE})
        assert note.json()["text"] == content.HOSTILE
        assert (await client.delete(f"{API}/helped", headers=RESPOND)).status_code == 200
        none = await client.get("/api/v1/incidents/none/verdict", headers=READ)
        assert none.status_code == 404

    run(test, estate)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"said": "perhaps"},
        {"said": "it", "entity": "x" * 301},
        {"said": "something_else", "text": "x" * 501},
        {"said": "no_cause", "more": 1},
        {"said": "something_else", "text": "\ud800"},
    ],
)
def test_a_malformed_verdict_is_refused(body: dict[str, object]) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.put(
            f"{API}/verdict",
            headers={**RESPOND, "Content-Type": "application/json"},
            content=json.dumps(body).encode(),
        )
        assert answer.status_code == 400, answer.text

    run(test)


def test_the_api_of_the_scoreboard_leads_to_its_incidents() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        board = (await client.get("/api/v1/scoreboard", headers=READ)).json()
        assert board["overall"]["first"]["right"] == 12
        assert board["overall"]["first"]["total"] == 16
        assert board["by_class"][0]["group"] == "deploy"
        path = "/api/v1/scoreboard/incidents"
        query: dict[str, str | int] = {"measure": "first", "right": "false", "limit": 3}
        found = (await client.get(path, headers=READ, params=query)).json()
        assert (found["total"], found["next_offset"], len(found["incidents"])) == (4, 3, 3)
        rest = (await client.get(path, headers=READ, params={**query, "offset": 3})).json()
        assert (len(rest["incidents"]), rest["next_offset"]) == (1, None)
        row = board["reliability"][0]
        narrow = {"measure": "first", "certainty": row["least"]}
        inside = (await client.get(path, headers=READ, params=narrow)).json()
        assert inside["total"] == row["share"]["total"]
        assert (await client.get(path, headers=READ)).status_code == 400
        similar = (await client.get(f"{API}/similar", headers=READ)).json()
        assert similar["incidents"][0]["similarity"]["score"] == 0.55

    run(test)
