"""Sessions: signed, bounded, ended; signing in, setting up, tokens."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response
from tests.web.estate import PASSWORD, SETUP_SECRET, Estate
from tests.web.serve import client_of, csrf_of, run, sign_in

from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.web import WebSettings
from stormpetrel.web.pages.account import local_path
from stormpetrel.web.session import Session, Sessions

KEY = b"0123456789abcdef"
HOUR = 3600 * NANOS_PER_SECOND


def cookie_of(sessions: Sessions, session: Session) -> str:
    response = Response()
    sessions.write(response, session)
    return response.headers["set-cookie"].partition("=")[2].partition(";")[0].strip('"')


def test_a_session_comes_back_until_its_time_is_over() -> None:
    sessions = Sessions(KEY, 3600, False)
    session = sessions.start("ada", HOUR)
    cookie = cookie_of(sessions, session)
    assert sessions.read(cookie, HOUR) == session
    assert sessions.read(cookie, 2 * HOUR - 1) == session
    assert sessions.read(cookie, 2 * HOUR) is None
    assert sessions.read(cookie, HOUR - 61 * NANOS_PER_SECOND) is None  # dated ahead of our clock
    assert Sessions(b"another key, same length", 3600, False).read(cookie, HOUR) is None


def test_a_session_that_was_signed_out_stays_out() -> None:
    sessions = Sessions(KEY, 3600, False)
    session = sessions.start("ada", 0)
    cookie = cookie_of(sessions, session)
    sessions.end(Response(), session)
    assert sessions.read(cookie, 1) is None


@given(st.text(max_size=2000))
def test_any_cookie_text_is_refused_quietly(text: str) -> None:
    assert Sessions(KEY, 3600, False).read(text, 0) is None


@given(st.integers(0, 200), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_cookie_is_refused(at: int, letter: str) -> None:
    sessions = Sessions(KEY, 3600, False)
    session = sessions.start("ada", 0)
    cookie = cookie_of(sessions, session)
    at %= len(cookie)
    changed = cookie[:at] + letter + cookie[at + 1 :]
    assert sessions.read(changed, 1) in ((session, None) if changed == cookie else (None, session))
    if changed != cookie and at < len(cookie) - 1:  # base64's last letter carries unused bits
        assert sessions.read(changed, 1) is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 16"):
        Sessions(b"short", 3600, False)


def test_cookie_attributes() -> None:
    async def cookie(settings: WebSettings) -> str:
        async with client_of(Estate(), settings) as client:
            return (await client.get("/sign-in")).headers["set-cookie"]

    plain = asyncio.run(cookie(WebSettings()))
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Secure" not in plain
    secure = asyncio.run(cookie(WebSettings(public_url="https://petrel.example.org")))
    assert secure.startswith("__Host-petrel=")
    assert "Secure" in secure
    assert "Path=/" in secure
    assert "Domain" not in secure


def test_signing_in_starts_a_new_session_and_goes_back() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        asked = await client.get("/logs?text=a%20b")
        assert asked.headers["location"] == "/sign-in?next=%2Flogs%3Ftext%3Da%2520b"
        csrf = await csrf_of(client, asked.headers["location"])
        planted = client.cookies["petrel_session"]
        form = {"csrf": csrf, "name": "ada", "password": PASSWORD, "next": "/logs?text=a%20b"}
        answer = await client.post("/sign-in", data=form)
        assert answer.headers["location"] == "/logs?text=a%20b"
        assert client.cookies["petrel_session"] != planted
        client.cookies.clear()
        client.cookies.set("petrel_session", planted)
        assert (await client.get("/")).status_code == 303  # the anonymous session did not become ada's

    run(test)


def test_a_failed_sign_in_says_no_more_than_the_service() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        csrf = await csrf_of(client, "/sign-in")
        for name in ("ada", "nobody"):
            answer = await client.post("/sign-in", data={"csrf": csrf, "name": name, "password": "wrong"})
            assert answer.status_code == 403
            assert "wrong name or password" in answer.text

    run(test)


def test_signing_out_ends_copies_of_the_cookie_too() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        copied = dict(client.cookies)
        assert (await client.post("/sign-out", data={"csrf": await csrf_of(client, "/")})).status_code == 303
        client.cookies.update(copied)
        assert (await client.get("/")).status_code == 303

    run(test)


def test_a_person_who_is_gone_is_out_at_once() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert (await client.get("/")).status_code == 200
        del estate.people["vera"]
        assert (await client.get("/")).status_code == 303

    run(test, estate)


def test_set_up_works_once_with_the_secret() -> None:
    estate = Estate(set_up=False)

    async def test(client: httpx.AsyncClient) -> None:
        assert "one-time link" in (await client.get("/sign-in")).text
        csrf = await csrf_of(client, f"/set-up?secret={SETUP_SECRET}")
        form = {"csrf": csrf, "secret": "guess", "name": "root", "password": PASSWORD}
        assert (await client.post("/set-up", data=form)).status_code == 403
        answer = await client.post("/set-up", data=form | {"secret": SETUP_SECRET})
        assert answer.headers["location"] == "/"
        assert (await client.get("/")).status_code == 200
        assert (await client.get(f"/set-up?secret={SETUP_SECRET}")).headers["location"] == "/sign-in"

    run(test, estate)


def test_a_token_secret_is_shown_once_and_revoking_works() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        csrf = await csrf_of(client, "/settings/tokens")
        form = {"csrf": csrf, "name": "prometheus-eu", "scope": ["ingest", "read"]}
        assert "petrel_6_secret" in (await client.post("/settings/tokens", data=form)).text
        assert "petrel_6_secret" not in (await client.get("/settings/tokens")).text
        assert estate.caller_of_token("petrel_6_secret") is not None
        assert (await client.post("/settings/tokens/t6/revoke", data={"csrf": csrf})).status_code == 303
        assert estate.caller_of_token("petrel_6_secret") is None
        assert (await client.post("/settings/tokens", data={"csrf": csrf, "name": "x"})).status_code == 400
        bad = {"csrf": csrf, "name": "<b>", "scope": "read"}
        assert (await client.post("/settings/tokens", data=bad)).status_code == 400

    run(test, estate)


@given(st.text(max_size=60))
def test_after_signing_in_nobody_is_sent_elsewhere(text: str) -> None:
    path = local_path(text)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert "\n" not in path
    assert "\r" not in path


def test_what_was_written_comes_back_when_the_session_has_ended() -> None:
    incident = "/incidents/20260314-0251-checkout"

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        form = {
            "csrf": await csrf_of(client, incident),
            "to": "acknowledged",
            "note": "<b>the pool was full</b>",
        }
        client.cookies.clear()
        here = {"Origin": "http://localhost", "Referer": f"http://localhost{incident}"}
        answer = await client.post(f"{incident}/state", data=form, headers=here)
        assert answer.status_code == 401
        assert "Your session has ended. Nothing was done." in answer.text
        assert "&lt;b&gt;the pool was full&lt;/b&gt;" in answer.text
        assert 'href="/sign-in?next=%2Fincidents%2F20260314-0251-checkout"' in answer.text
        elsewhere = {"Origin": "https://evil.example", "Referer": f"https://evil.example{incident}"}
        answer = await client.post(f"{incident}/state", data=form, headers=elsewhere)
        assert answer.status_code == 401
        assert "the pool was full" not in answer.text
        assert "go back" not in answer.text

    run(test)


def test_a_form_of_an_older_session_gives_back_what_was_written_and_no_secret() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        answer = await client.post(
            "/automation/switch/engage",
            data={
                "csrf": "0" * 64,
                "scope": "global",
                "reason": "it restarts the wrong one",
                "password": PASSWORD,
            },
            headers={"Referer": "http://localhost//evil.example"},
        )
        assert answer.status_code == 403
        assert "it restarts the wrong one" in answer.text
        assert PASSWORD not in answer.text
        assert "Back to the page" not in answer.text, "that address leads elsewhere"

    run(test)
