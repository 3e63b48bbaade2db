"""Explanations, feedback and backtests over HTTP: what is asked reaches the service, answers the reader."""

from __future__ import annotations

import httpx
import pytest
from tests.web import content
from tests.web.estate import Estate
from tests.web.estate_learning import TUNABLES
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.feedback import Opinion
from stormpetrel.model.time import from_seconds
from stormpetrel.web.pages.backtest import changed

INCIDENT = "/incidents/20260314-0251-checkout"
FINDING = f"{INCIDENT}/findings/f0001"


def test_an_explanation_says_everything_and_unknown_days_stay_unknown() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        for path in (f"{FINDING}/why", "/explain?series=0"):
            page = (await client.get(path)).text
            for words in (
                "is strange", "below 61 %", "90 minutes of it", "less than once in a century", "80,640",
                "nothing stored", "outside", "duplicate",
            ):  # fmt: skip
                assert words in page, (path, words)
        missing = (await client.get("/explain?series=0&at=2025-01-01T00:00:00Z")).text
        assert "missing" in missing
        assert "chance if healthy" not in missing
        assert (await client.get("/explain?series=0&at=soon")).status_code == 400
        assert (await client.get("/explain?series=101")).status_code == 404

    run(test)


def test_the_api_explains_with_null_for_what_is_unknown() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        client.headers["Authorization"] = "Bearer read-token"
        for path in (f"/api/v1{FINDING}/explanation", "/api/v1/series/0/explanation?at=-1h"):
            said = (await client.get(path)).json()
            assert (said["state"], said["judged"]["p_value"]) == ("strange", 1e-9)
            assert [slot["mean"] is None for slot in said["past"]].count(True) == 1
        assert (await client.get(f"/api/v1{INCIDENT}/findings/none/explanation")).status_code == 404

    run(test)


def test_a_responder_gives_and_takes_back_an_opinion() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        csrf = await csrf_of(client, INCIDENT)
        answer = await client.post(f"{FINDING}/feedback", data={"csrf": csrf, "opinion": "not_useful"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/feedback?done=o1")
        assert estate.given == [("f0001", Opinion.NOT_USEFUL, "rob")]
        wrong = await client.post(f"{FINDING}/feedback", data={"csrf": csrf, "opinion": "great"})
        assert wrong.status_code in (400, 422)
        page = (await client.get("/feedback")).text
        assert "3.9 times rarer to be told" in page
        assert "2 times more common is told" in page
        assert "taken back by" in page
        answer = await client.post("/feedback/o1/undo", data={"csrf": csrf})
        assert (answer.status_code, estate.undone) == (303, ["o1"])
        assert (await client.post("/feedback/o2/undo", data={"csrf": csrf})).status_code == 409

    run(test, estate)


def test_a_viewer_sees_no_buttons() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "Take back" not in (await client.get("/feedback")).text
        assert "Not useful" not in (await client.get(INCIDENT)).text
        assert "Run the backtest" not in (await client.get("/backtest")).text
        assert "/cancel" not in (await client.get("/backtest/b-running")).text

    run(test)


def test_a_token_of_scope_respond_acts_over_the_api() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        client.headers["Authorization"] = "Bearer respond-token"
        given = await client.post(
            f"/api/v1{FINDING}/feedback", json={"opinion": "expected", "note": "backup"}
        )
        assert (given.status_code, given.json()["note"]) == (201, "backup")
        for body in ({"opinion": "great"}, {}, {"opinion": "useful", "more": 1}):
            assert (await client.post(f"/api/v1{FINDING}/feedback", json=body)).status_code in (400, 422)
        assert (await client.post("/api/v1/feedback/o1/undo")).status_code == 200
        asked = {"from": "-2d", "settings": {"detect.p_open": 1e-4}}
        started = await client.post("/api/v1/backtests", json=asked)
        assert (started.status_code, started.json()["state"]) == (202, "queued")
        window, settings = estate.started[0]
        assert window.seconds == 2 * 86_400
        assert settings == {"detect.p_open": 1e-4}
        wrong = await client.post("/api/v1/backtests", json=asked | {"settings": {"detect.p_open": 2}})
        assert (wrong.status_code, wrong.json()["error"]["reason"]) == (400, "config")
        assert (await client.post("/api/v1/backtests/b-running/cancel")).json()["state"] == "cancelled"

    run(test, estate)


def test_the_form_of_a_backtest_gives_what_was_changed() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        csrf = await csrf_of(client, "/backtest")
        form = {
            "csrf": csrf,
            "from": "-7d",
            "to": "now",
            "detect.p_open": "0.0001",
            "detect.hold_samples": "",
        }
        answer = await client.post("/backtest", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/backtest/b-queued")
        window, settings = estate.started[0]
        assert (window.end_unix_nano, settings) == (content.NOW, {"detect.p_open": 1e-4})
        assert window.end_unix_nano - window.start_unix_nano == from_seconds(7 * 86_400)
        assert (await client.post("/backtest", data=form | {"detect.p_open": "much"})).status_code == 400
        assert (await client.post("/backtest", data=form | {"from": "now"})).status_code == 400
        await client.post("/backtest/b-running/cancel", data={"csrf": csrf})
        assert estate.cancelled == ["b-running"]

    run(test, estate)


def test_a_done_backtest_lists_the_differences() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get("/backtest/b-done")).text
        for words in (
            "no longer told",
            "told in addition",
            "not told live",
            "as it was told",
            "3 more incidents",
        ):
            assert words in page, words
        client.headers["Authorization"] = "Bearer read-token"
        done = (await client.get("/api/v1/backtests/b-done")).json()
        assert [one["incident_id"] for one in done["changed"]] == ["i1", "i3"]
        listed = (await client.get("/api/v1/backtests")).json()
        assert len(listed["backtests"]) == 5
        assert listed["tunables"][1]["whole"] is True

    run(test)


def test_what_is_as_today_is_no_change() -> None:
    same = {"detect.p_open": "0.001", "detect.hold_samples": "3"}
    assert changed(TUNABLES, same) == {}
    assert changed(TUNABLES, same | {"detect.hold_samples": "5"}) == {"detect.hold_samples": 5.0}
    with pytest.raises(StormPetrelError, match=r"detect\.p_open: 'x' is no number"):
        changed(TUNABLES, {"detect.p_open": "x"})


def test_about_tells_of_model_state() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get("/about")).text
        assert "Not taken over, learnt anew" in page
        assert "disk full" in page

    run(test)
