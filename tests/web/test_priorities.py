"""Priorities in lists and on the page of an incident; what is counted and not kept; alerts as findings."""

from __future__ import annotations

from dataclasses import replace

import httpx
from tests.web import content
from tests.web.estate import Estate
from tests.web.serve import run, sign_in

from stormpetrel.model.finding import Evidence
from stormpetrel.model.incident import Priority

FIRST, SECOND = "20260314-0251-checkout", "20260314-0140-web"


def test_now_lists_what_should_be_looked_at_first_first() -> None:
    estate = Estate()
    second = estate.incidents[SECOND]
    estate.incidents[SECOND] = replace(second, priority=Priority(1, 3, 3, "why"))
    estate.incidents[FIRST] = replace(estate.incidents[FIRST], priority=Priority(2, 3, 2, "why"))

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/")).text
        assert text.index(f"/incidents/{SECOND}") < text.index(f"/incidents/{FIRST}")
        estate.incidents[SECOND] = second  # P3 again
        text = (await client.get("/")).text
        assert text.index(f"/incidents/{FIRST}") < text.index(f"/incidents/{SECOND}")

    run(test, estate)


def test_list_and_page_say_the_priority_with_its_reason() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert ">P1</span>" in (await client.get("/incidents")).text
        text = (await client.get(f"/incidents/{FIRST}")).text
        assert "Priority P1: <bdi>impact high: reaches the entry point service:shop" in text

    run(test)


def test_findings_that_are_counted_and_not_kept_are_named_and_escaped() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get(f"/incidents/{FIRST}")).text
        kept = len(content.INCIDENTS[0].findings)
        assert f'<span class="count">{kept + 42}</span>' in text
        assert "38 \u00d7 <bdi>p99 latency far above its band</bdi>" in text
        hostile = (await client.get("/incidents/20260313-hostile")).text
        assert "<script>window.owned" not in hostile
        assert "Counted, not kept whole" in hostile

    run(test)


def test_an_alert_shows_who_told_it_and_no_numbers_that_there_are_not() -> None:
    estate = Estate()
    nan = float("nan")
    start = content.NOW - content.MINUTE
    alert = replace(
        content.FINDINGS[0],
        detector="alert",
        head="firing",
        evidence=Evidence("alert", 'HighLatency{service="x"}', -1, start, start, nan, nan, nan, nan, 1.0),
        attributes={"source": f"am {content.HOSTILE}", "notifications": "7"},
    )
    estate.incidents[FIRST] = replace(estate.incidents[FIRST], findings=(alert,))

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get(f"/incidents/{FIRST}")).text
        assert "7 times" in text
        assert "expected band" not in text
        assert "Why is this strange?" not in text
        assert 'href="/changes?from=' in text
        assert "<script>window.owned" not in text

    run(test, estate)
