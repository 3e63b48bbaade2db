"""The JSON API: shapes, one error shape, and charts that never draw through silence."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web import content
from tests.web.estate import Estate
from tests.web.serve import client_of, run, sign_in

from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import LogRecord, SeriesPoints
from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.model.view import SeriesView
from stormpetrel.web import WebSettings
from stormpetrel.web.columns import json_response, series_columns

TOKEN = {"Authorization": "Bearer read-token"}


def get(path: str, estate: Estate | None = None) -> tuple[int, Any]:
    async def ask() -> tuple[int, Any]:
        async with client_of(estate or Estate()) as client:
            answer = await client.get(path, headers=TOKEN)
            return answer.status_code, answer.json()

    return asyncio.run(ask())


def test_now_and_incidents() -> None:
    _, now = get("/api/v1/now")
    assert [one["severity"] for one in now["open_incidents"]] == ["critical", "warning"]
    assert {one["state"] for one in now["sources"]} == {"healthy", "quiet", "failing", "waiting"}
    _, page = get("/api/v1/incidents?state=open&state=acknowledged")
    assert [one["state"] for one in page["incidents"]] == ["open", "acknowledged"]
    assert page["next_offset"] is None
    _, brief = get("/api/v1/incidents?state=open&state=acknowledged&brief=true")
    assert [one["findings_total"] for one in brief["incidents"]] == [
        len(one["findings"]) + sum(count for _, count in one["more"]) for one in page["incidents"]
    ]
    assert all(not {"findings", "timeline"} & one.keys() for one in brief["incidents"])
    _, page = get("/api/v1/incidents?limit=10&offset=20")
    assert (len(page["incidents"]), page["next_offset"]) == (10, 30)
    _, one = get("/api/v1/incidents/20260314-0251-checkout")
    assert one["findings"][0]["evidence"]["p_value"] == 3.1e-13


def test_logs_page_through_without_loss_or_repeat() -> None:
    seen: list[int] = []
    before: str | None = "0"
    while before is not None:
        _, page = get(f"/api/v1/logs?limit=150&before={before}")
        seen += [record["time_unix_nano"] for record in page["records"]]
        before = page["next_before"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 400


def test_more_records_of_one_moment_than_a_page_holds_are_all_given() -> None:
    class Burst(Estate):
        def logs(self, query: LogQuery) -> list[LogRecord]:
            times = [content.NOW] * 5 + [content.NOW - 1] * 700 + [content.NOW - 2] * 3
            found = [LogRecord(t, "host:a", "x", 9, str(n), {}) for n, t in enumerate(times)]
            end = query.before_unix_nano or content.NOW + 1
            left = [record for record in found if record.time_unix_nano < end]
            return left[query.skip : query.skip + query.limit]

    seen: list[str] = []
    before: str | None = ""
    while before is not None:
        _, page = get(f"/api/v1/logs?limit=101&before={before}", estate=Burst())
        seen += [record["body"] for record in page["records"]]
        before = page["next_before"]
    assert seen == [str(n) for n in range(708)]


def test_counts_quality_about_findings_series() -> None:
    _, counts = get("/api/v1/logs/counts?buckets=10&severity=17")
    assert np.array(counts["count"]).shape == (10, 25)
    assert np.array(counts["count"])[:, :17].sum() == 0
    assert get("/api/v1/quality")[1]["counts"][1]["verdict"] == "duplicate"
    assert get("/api/v1/about")[1]["version"] == "0.1.0"
    assert len(get("/api/v1/findings?from=-1d")[1]["findings"]) == 4
    _, found = get("/api/v1/series?text=node%20cpu&limit=3")
    assert (found["total"], len(found["series"])) == (40, 3)
    assert get("/api/v1/series/1")[1]["labels"]["job"] == "node"


def test_points_come_as_columns_with_nulls_for_what_is_unknown() -> None:
    status, answer = get("/api/v1/series/0/points?from=-6h")
    assert status == 200
    columns = answer["points"]
    assert len({len(column) for column in columns.values()}) == 1
    assert columns["mean"].count(None) == 1  # the one silence of the estate
    at = columns["mean"].index(None)
    assert columns["t"][at + 1] - columns["t"][at - 1] > 800
    assert answer["band"]["expected"][0] is None
    assert answer["findings"][0]["severity"] == "critical"
    assert get("/api/v1/series/0/points?band=false")[1]["band"] is None


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/api/v1/nothing", 404, "not_found"),
        ("/api/v1/series/99999", 404, "not_found"),
        ("/api/v1/series/99999/points", 404, "not_found"),
        ("/api/v1/series/abc", 400, "bad_request"),
        ("/api/v1/series/0/points?from=yesterday", 400, "bad_request"),
        ("/api/v1/series/0/points?from=now&to=-1h", 400, "bad_request"),
        ("/api/v1/series/0/points?from=-999999d", 400, "bad_request"),
        ("/api/v1/series/0/points?max_points=1000000", 400, "bad_request"),
        ("/api/v1/logs?limit=100000", 400, "bad_request"),
        ("/api/v1/incidents/none", 404, "not_found"),
        ("/api/v1/incidents/20260314-0251-checkout/findings/none/points", 404, "not_found"),
        ("/api/v1/incidents/20260314-0251-checkout/findings/f0003/points", 404, "not_found"),
    ],
)
def test_errors_have_one_shape(path: str, status: int, reason: str) -> None:
    got, body = get(path)
    assert got == status
    assert set(body) == {"error"}
    assert set(body["error"]) == {"reason", "message", "retryable"}
    assert body["error"]["reason"] == reason


def test_not_ready_says_why() -> None:
    estate = Estate()
    estate.is_ready = (False, "the store is being opened")
    status, body = get("/readyz", estate)
    assert status == 503
    assert body["error"] == {"reason": "not_ready", "message": "the store is being opened", "retryable": True}


def test_ready_says_what_is_degraded() -> None:
    estate = Estate()
    assert get("/readyz", estate) == (200, {"status": "ready"})
    estate.is_ready = (True, "7 rows wait on disk")
    assert get("/readyz", estate) == (200, {"status": "ready", "degraded": "7 rows wait on disk"})


def test_the_live_stream_tells_topics() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/live")).text
        bodies = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        assert [body.get("topic") for body in bodies] == [None, "incident", "tick"]
        assert "\u202e" not in bodies[1]["text"]

    run(test)


def test_live_streams_have_a_bound_and_an_end() -> None:
    estate = Estate()
    estate.linger = True

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        first = asyncio.create_task(client.get("/live"))
        await asyncio.sleep(0.05)
        assert (await client.get("/live")).status_code == 429
        assert (await first).status_code == 200
        assert (await client.get("/live")).status_code == 200

    run(test, estate, WebSettings(max_live_clients=1, live_seconds=0.3))


@given(st.lists(st.integers(1, 10_000), min_size=0, max_size=60))
def test_gaps_add_nulls_and_change_nothing_else(steps: list[int]) -> None:
    times = np.cumsum([1_700_000_000, *steps]).astype(np.int64) * NANOS_PER_SECOND
    values = np.arange(len(times), dtype=np.float64)
    view = SeriesView(content.SERIES[0], SeriesPoints(times, values, values, values), None, [])
    columns = json.loads(bytes(json_response(series_columns(view)).body))["points"]
    assert columns["t"] == sorted(columns["t"])
    assert [mean for mean in columns["mean"] if mean is not None] == values.tolist()
    usual = np.median(steps) if len(steps) >= 2 else np.inf
    assert columns["mean"].count(None) == sum(step > 5 * usual for step in steps)
