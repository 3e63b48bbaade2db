"""The page *Calendar* and its API: what is shown, who may change it, and what is asked of the service."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.web.content import HOSTILE, NOW
from tests.web.estate import Estate
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.model.calendar import OPEN_END, Cron, Decision, EntryKind, JobSignal, Once
from stormpetrel.model.time import from_iso, from_seconds
from stormpetrel.web.calendar_shape import STRIP_WIDTH, lanes_of

MINUTE = from_seconds(60)
CALENDAR = {"Authorization": "Bearer calendar-token"}


def test_everything_is_there_and_hostile_text_is_text() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        text = (await client.get("/calendar")).text
        assert "Database upgrade" in text
        assert "counts as expected already" in text
        assert "7 of the last 7" in text
        assert text.count("not seen</span>") == 2
        assert text.count("unknown</span></div>") == 1
        assert "missing" in text
        assert "until somebody ends it" in text
        assert "https://example.org/a.ics answered 503" in text
        assert HOSTILE not in text

    run(test)


def test_an_empty_calendar_says_what_to_do() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/calendar")).text
        for said in ("Nothing is going on", "None yet", "No job is watched", "The calendar is empty"):
            assert said in text
        assert "/calendar/windows" not in text, "a viewer changes nothing"

    run(test, Estate(empty=True))


def test_three_clicks_make_a_window_for_an_hour_from_now() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/calendar")
        answer = await client.post("/calendar/windows", data={"csrf": token, "minutes": "60"})
        assert answer.headers["location"] == "/calendar?done=made"

    run(test, estate)
    draft, source, by = estate.drafts[0]
    assert (draft.kind, draft.title, draft.scopes) == (EntryKind.MAINTENANCE, "Maintenance", ("*",))
    assert draft.recurrence == Once(NOW, NOW + 60 * MINUTE)
    assert (source, by) == ("page", "rob")


def test_a_window_is_changed_ended_and_open_ended() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/calendar")
        text = (await client.get("/calendar?edit=e1")).text
        assert "host:db-1\n{job=&#34;postgres&#34;}</textarea>" in text
        form = {"csrf": token, "entry_id": "e1", "title": "Longer", "minutes": "0", "kind": "freeze",
                "start": "2026-03-14T02:00", "scopes": " host:a \n\n host:b", "train": "true"}  # fmt: skip
        assert (await client.post("/calendar/windows", data=form)).status_code == 303
        assert (await client.post("/calendar/end", data={"csrf": token, "entry_id": "e1"})).status_code == 303
        gone = await client.post("/calendar/end", data={"csrf": token, "entry_id": "nothing"})
        assert gone.status_code == 404

    run(test, estate)
    (changed, draft) = estate.changed[0]
    assert changed == "e1"
    assert draft.scopes == ("host:a", "host:b")
    assert draft.recurrence == Once(from_iso("2026-03-14T02:00"), OPEN_END)
    assert (draft.kind, draft.train) == (EntryKind.FREEZE, True)
    assert estate.ended == ["e1"]


def test_what_is_wrong_is_said_beside_what_was_typed() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/calendar")
        form = {"csrf": token, "title": "Keep me", "start": "tomorrow", "scopes": "host:kept"}
        answer = await client.post("/calendar/windows", data=form)
        assert answer.status_code == 400
        assert "is no time" in answer.text
        assert 'value="Keep me"' in answer.text
        assert "host:kept</textarea>" in answer.text

    run(test)


def test_a_proposal_is_decided() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/calendar")
        for decision in ("accepted", "rejected", "open"):
            form = {"csrf": token, "proposal_id": "p1", "decision": decision}
            assert (await client.post("/calendar/decide", data=form)).status_code == 303
        form = {"csrf": token, "proposal_id": "p1", "decision": "perhaps"}
        assert (await client.post("/calendar/decide", data=form)).status_code == 400

    run(test, estate)
    assert estate.decided == [("p1", Decision.ACCEPTED), ("p1", Decision.REJECTED), ("p1", Decision.OPEN)]


def test_strips_show_each_period_once_and_stay_inside() -> None:
    for proposal in Estate().calendar().proposals:
        lanes = lanes_of(proposal)
        assert len(lanes) >= min(proposal.possible, 4)
        assert all(lane.x >= 0 and lane.x + lane.width <= STRIP_WIDTH for lane in lanes)
        assert [lane.time_unix_nano for lane in lanes] == sorted(lane.time_unix_nano for lane in lanes)
    assert [lane.seen for lane in lanes_of(Estate().calendar().proposals[1])].count(False) == 3


def test_the_api_tells_and_changes_the_calendar() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        reader = {"Authorization": "Bearer read-token"}
        read: Any = (await client.get("/api/v1/calendar", headers=reader)).json()
        assert read["current"][1]["end_unix_nano"] is None
        assert read["proposals"][0]["rule"]["period_seconds"] == 86_400
        assert read["entries"][3]["recurrence"]["spans_total"] == 2
        body = {"title": "Backup", "kind": "expected_job", "cron": "0 2 * * *", "time_zone": "Europe/Berlin",
                "duration_seconds": 600, "scopes": ["host:a"], "heartbeat": "backup"}  # fmt: skip
        made = await client.post("/api/v1/calendar/entries", json=body, headers=CALENDAR)
        assert made.status_code == 201
        assert made.json()["entry_id"] == "e9"
        for wrong in ({"title": "x", "colour": 1}, {"title": "x", "cron": "0 2 * * *", "start": "2026-01-01"},
                      {"title": "x", "heartbeat": "y"}, {"title": "x", "start": "soon"}):  # fmt: skip
            refused = await client.post("/api/v1/calendar/entries", json=wrong, headers=CALENDAR)
            assert refused.status_code == 400, wrong
        rejected = {"decision": "rejected"}
        word = await client.post("/api/v1/calendar/proposals/p1", json=rejected, headers=CALENDAR)
        assert word.json()["decision"] == "rejected"
        assert (await client.delete("/api/v1/calendar/entries/e1", headers=CALENDAR)).status_code == 200

    run(test, estate)
    draft = estate.drafts[0][0]
    assert draft.recurrence == Cron("0 2 * * *", "Europe/Berlin", 600.0)
    assert draft.watch is not None
    assert draft.watch.heartbeat == "backup"
    assert estate.ended == ["e1"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("backup/start", 202),
        ("backup/finish", 202),
        ("backup/fail", 202),
        ("backup/nap", 400),
        ("a b/start", 400),
    ],
)
def test_heartbeats_come_by_token(path: str, status: int) -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.post(f"/api/v1/jobs/{path}", headers={"Authorization": "Bearer ingest-token"})
        assert answer.status_code == status

    run(test, estate)
    told = [("backup", JobSignal(path.partition("/")[2]), "agent-ingest")] if status == 202 else []
    assert estate.told == told
