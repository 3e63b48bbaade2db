"""The pages and the API on sources, quarantine, changes, and the live tail."""

from __future__ import annotations

import json
from typing import Any

import httpx
from tests.web.content import HOSTILE
from tests.web.estate import Estate
from tests.web.serve import run, sign_in


def test_the_worst_source_stands_first_with_its_reasons() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/sources")).text
        order = [
            text.index(f">{name}</bdi></a>")
            for name in ("/var/log/syslog", "otel", "staging", "prometheus-eu", "host")
        ]
        assert order == sorted(order)
        assert "7.2 % of samples come twice" in text
        assert "and 1 more" in text
        assert "permission denied; add the user petrel" in text

    run(test)


def test_a_snippet_names_this_installation() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "url: http://127.0.0.1:7780/x" in (await client.get("/sources")).text

    run(test)


def test_an_empty_installation_says_how_to_connect() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/sources")).text
        assert "No source has spoken yet" in text
        assert "Prometheus" in text
        assert "Nothing is kept apart" in (await client.get("/quarantine")).text
        assert "No change was told in this window" in (await client.get("/changes")).text

    run(test, Estate(empty=True))


def test_the_preview_says_what_letting_in_would_change() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        text = (await client.get("/quarantine?series=4")).text
        assert "58 of 60 samples would be stored where nothing is now." in text
        assert "would expect about 1024 instead of 1.5" in text
        assert "12 more samples would have been called strange" in text
        assert "nan" not in text[text.index("<polyline") : text.index("</svg>")]
        assert "cannot be let in" in text

    run(test)


def test_what_cannot_be_let_in_can_only_be_deleted() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        assert "/quarantine/release" in (await client.get("/quarantine?series=4")).text
        text = (await client.get("/quarantine?series=2")).text
        assert "/quarantine/release" not in text
        assert "/quarantine/drop" in text

    run(test)


def test_a_viewer_sees_no_buttons() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "/quarantine/release" not in (await client.get("/quarantine?series=4")).text

    run(test)


def test_the_tail_passes_its_filter_on_and_shows_hostile_text_as_text() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        answer = await client.get("/tail/stream?text=disk&severity=17&source=otel&entity=host:db-1")
        sent = [
            line[6:] for line in answer.text.splitlines() if line.startswith("data: ") and "records" in line
        ]
        record = json.loads(sent[0])["records"][0]
        assert record["entity"] == "host:db-1"
        assert record["body"] != HOSTILE
        assert "U+202E" in record["body"]
        assert json.loads(sent[0])["skipped"] == 3

    run(test, estate)
    query = estate.tailed[0]
    assert (query.text, query.min_severity, query.source, query.entity) == ("disk", 17, "otel", "host:db-1")


def test_the_tail_is_not_for_strangers() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        assert (await client.get("/tail/stream")).status_code in (303, 401)

    run(test)


def test_the_api_tells_the_same() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        headers = {"Authorization": "Bearer read-token"}

        async def get(path: str) -> Any:
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 200, path
            return answer.json()

        assert (await get("/api/v1/sources"))["sources"][0]["quality_ratio"] == 0.913
        one = await get("/api/v1/sources//var/log/syslog")
        assert one["verdicts"] == {"good": 912000, "duplicate": 71000}
        assert [e["verdict"] for e in (await get("/api/v1/quarantine"))["entries"]] == [
            "rescaled",
            "not_finite",
        ]
        assert (await get("/api/v1/alerts"))["alerts"][0]["state"] == "firing"
        assert (await get("/api/v1/changes"))["changes"][0]["kind"] == "deploy"
        assert (await get("/api/v1/flows?address=10.0.0.9"))["flows"] == []

    run(test)
