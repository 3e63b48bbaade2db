"""Who may ask for what: every route, every kind of caller; and forms only from our own pages."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.web.estate import Estate
from tests.web.estate_notify import LINK_OF_ANYBODY
from tests.web.serve import client_of, csrf_of, run, sign_in

from stormpetrel.web import WebSettings, create_app
from stormpetrel.web.access import ACCESS, Access, gate, guarded_router, undecided

BY_TOKEN = (Access.CALENDAR, Access.HEARTBEAT, Access.RESPOND, Access.APPROVE, Access.BACKUP)
# What each caller may do, written a second time on purpose: the table must not agree with itself only.
ALLOWED = {
    "nobody": {Access.PUBLIC, Access.LOCAL},
    "vera": {Access.PUBLIC, Access.LOCAL, Access.READ, Access.PLAN, Access.VIEWER},
    "rob": {Access.PUBLIC, Access.LOCAL, Access.READ, Access.PLAN, Access.VIEWER, Access.RESPONDER},
    # Programs change the calendar and answer, by tokens; people do so by forms.
    "ada": set(Access) - set(BY_TOKEN),
    "read-token": {Access.PUBLIC, Access.LOCAL, Access.READ, Access.PLAN},
    "ingest-token": {Access.PUBLIC, Access.LOCAL, Access.HEARTBEAT},
    "calendar-token": {Access.PUBLIC, Access.LOCAL, Access.CALENDAR, Access.HEARTBEAT},
    "respond-token": {Access.PUBLIC, Access.LOCAL, Access.RESPOND},
    "approve-token": {Access.PUBLIC, Access.LOCAL, Access.APPROVE, Access.PLAN},
    "backup-token": {Access.PUBLIC, Access.LOCAL, Access.BACKUP},
    "forged-token": {Access.PUBLIC, Access.LOCAL},
}
FILLED = {
    "incident_id": "20260314-0251-checkout",
    "finding_id": "f0001",
    "series": "0",
    "name": "prometheus-eu",
    "token_id": "t0",
    "feedback_id": "o1",
    "backtest_id": "b-done",
    "flight_id": "f-done",
    "path": "nothing",
    "entry_id": "e1",
    "proposal_id": "p1",
    "signal": "start",
    "pattern_id": "0000000000000001",
    "bond_id": "b1",
    "written": "md",
    "secret": "good-secret",
    "share_id": "s1",
    "run_id": "r1",
    "scope": "runbook:scale-out",
    "snapshot_id": "0" * 32,
    "text": LINK_OF_ANYBODY,
    "route": "chat",
}


def routes() -> list[tuple[str, str]]:
    app = create_app(Estate())
    found = [r for r in app.routes if isinstance(r, APIRoute)]
    return [(method, r.path) for r in found for method in sorted(r.methods or ())]


def test_every_route_has_a_decision_and_every_decision_a_route() -> None:
    assert set(routes()) == set(ACCESS)


def test_every_route_passes_the_gate() -> None:
    for route in create_app(Estate()).routes:
        if isinstance(route, APIRoute):
            assert any(one.dependency is gate for one in route.dependencies), route.path


def test_a_route_without_a_decision_is_found() -> None:
    router = guarded_router()
    router.get("/new")(lambda: None)
    assert undecided(router.routes) == ["GET /new"]


@pytest.mark.parametrize("caller", ALLOWED)
def test_matrix(caller: str) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        csrf = ""
        if caller.endswith("token"):
            client.headers["Authorization"] = f"Bearer {caller}"
        elif caller != "nobody":
            await sign_in(client, caller)
            csrf = await csrf_of(client, "/")
        for method, path in sorted(ACCESS, key=lambda one: "sign-out" in one[1]):
            allowed = ACCESS[method, path] in ALLOWED[caller]
            answer = await client.request(
                method, path.replace(":path", "").format(**FILLED), data={"csrf": csrf} if csrf else None
            )
            refused = answer.status_code in (401, 403) or "/sign-in?next=" in answer.headers.get(
                "location", ""
            )
            by_token = ACCESS[method, path] in BY_TOKEN
            if method == "POST" and not csrf and allowed and not by_token:
                assert answer.status_code == 403, (method, path)  # open to all, and still needs our form
            else:
                assert refused is not allowed, (caller, method, path, answer.status_code)
            assert answer.status_code < 500, (caller, method, path)

    run(test)


def test_metrics_are_open_to_loopback_callers_only() -> None:
    async def asked(peer: str, settings: WebSettings, **headers: str) -> int:
        async with client_of(Estate(), settings, peer) as client:
            return (await client.get("/metrics", headers=headers)).status_code

    is_open, closed = WebSettings(), WebSettings(metrics_open=False)
    assert asyncio.run(asked("127.0.0.1", is_open)) == 200
    assert asyncio.run(asked("10.1.2.3", is_open)) == 401
    assert asyncio.run(asked("127.0.0.1", is_open, **{"X-Forwarded-For": "10.1.2.3"})) == 401
    assert asyncio.run(asked("127.0.0.1", closed)) == 401
    assert asyncio.run(asked("10.1.2.3", is_open, Authorization="Bearer read-token")) == 200
    assert asyncio.run(asked("10.1.2.3", is_open, Authorization="Bearer ingest-token")) == 403


def test_forms_need_the_token_of_this_very_session_and_our_own_origin() -> None:
    estate = Estate()
    path = "/incidents/20260314-0251-checkout/state"

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        csrf = await csrf_of(client, "/")
        form = {"csrf": csrf, "to": "acknowledged", "note": "looking"}
        for headers, data in (
            ({}, form | {"csrf": ""}),
            ({}, form | {"csrf": "0" * 64}),
            ({"Origin": "https://evil.example"}, form),
            ({"Origin": "null"}, form),
            ({"Sec-Fetch-Site": "cross-site"}, form),
            ({"Sec-Fetch-Site": "same-site"}, form),
        ):
            answer = await client.post(path, data=data, headers=headers)
            assert answer.status_code == 403, (headers, data)
        assert estate.incidents["20260314-0251-checkout"].state == "open"
        headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post(path, data=form, headers=headers)).status_code == 303
        assert estate.incidents["20260314-0251-checkout"].state == "acknowledged"

    run(test, estate)


def test_a_form_token_of_another_session_is_refused() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        stolen = await csrf_of(client, "/")
        client.cookies.clear()
        await sign_in(client, "rob")
        assert (await client.post("/sign-out", data={"csrf": stolen})).status_code == 403

    run(test)


def test_foreign_host_names_are_refused() -> None:
    settings = WebSettings(public_url="https://petrel.example.org", allowed_hosts=frozenset({"petrel.lan"}))

    async def test(client: httpx.AsyncClient) -> None:
        for host, status in (
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("", 421),
            ("localhost:7780", 200),
            ("petrel.localhost", 200),
            ("127.0.0.1:7780", 200),
            ("[::1]:7780", 200),
            ("PETREL.example.org", 200),
            ("petrel.lan", 200),
        ):
            answer = await client.get("/healthz", headers={"Host": host})
            assert answer.status_code == status, host

    run(test, settings=settings)
