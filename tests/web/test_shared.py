"""Links to reports: what they show to whom, what they say of themselves, and that the secret goes nowhere."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.web import content
from tests.web.estate import Estate
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.errors import BusyError, StoreError
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.incident import Incident
from stormpetrel.web import WebSettings
from stormpetrel.web.report.as_html import content_security_policy
from stormpetrel.web.report.kept import MOST_WAITING, KeptReports

ID = content.INCIDENTS[0].incident_id
INCIDENT = f"/incidents/{ID}"
API = f"/api/v1/incidents/{ID}/shares"
RESPOND = {"Authorization": "Bearer respond-token"}


def assert_private(answer: httpx.Response) -> None:
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert "noindex" in answer.headers["x-robots-tag"]
    assert "set-cookie" not in answer.headers


def test_a_responder_makes_looks_through_and_revokes() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        page = (await client.get(f"{INCIDENT}/shares")).text
        assert '<option value="1d" selected>1 day</option>' in page
        assert "<script>window.owned" not in page
        csrf = {"csrf": await csrf_of(client, f"{INCIDENT}/shares")}
        made = await client.post(f"{INCIDENT}/shares", data={**csrf, "lifetime": "7d"})
        found = re.search(r'id="made" tabindex="0">(http://localhost/shared/[^<]+)<', made.text)
        assert found
        assert "secret-2" not in (await client.get(f"{INCIDENT}/shares")).text
        assert (await client.post(f"{INCIDENT}/shares", data={**csrf, "lifetime": "9y"})).status_code == 400
        await client.post(f"{INCIDENT}/shares", data=csrf)
        assert estate.links["secret-3"].ends_unix_nano - content.NOW == 24 * 3600 * content.SECOND
        full = await client.post(f"{INCIDENT}/shares", data=csrf)
        assert full.status_code == 409
        assert "has 20 links already" in full.text
        revoked = await client.post(f"{INCIDENT}/shares/s2/revoke", data=csrf)
        assert revoked.headers["location"] == f"{INCIDENT}/shares"
        assert (await client.get(found[1])).status_code == 404

    run(test, estate)


def test_a_viewer_and_an_empty_list() -> None:
    estate = Estate()
    estate.links = {}

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert (await client.get(f"{INCIDENT}/shares")).status_code == 403
        assert "Share the report" not in (await client.get(INCIDENT)).text
        client.cookies.clear()
        await sign_in(client, "rob")
        assert "No link opens this report" in (await client.get(f"{INCIDENT}/shares")).text
        assert "Share the report" in (await client.get(INCIDENT)).text

    run(test, estate)


def test_who_has_the_link_reads_the_report_and_nothing_else() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        shared = await client.get("/shared/good-secret")
        assert shared.status_code == 200
        assert_private(shared)
        assert shared.headers["content-security-policy"] == content_security_policy()
        for words in ("Root cause", "service:checkout", "rows (sign-in needed)", "<svg"):
            assert words in shared.text
        assert "good-secret" not in shared.text
        assert "<script>window.owned" not in shared.text
        for elsewhere in ("/", INCIDENT, f"{INCIDENT}/report.html", f"{INCIDENT}/shares", "/logs"):
            answer = await client.get(elsewhere)
            assert "/sign-in" in answer.headers.get("location", ""), elsewhere
        bearer = {"Authorization": "Bearer good-secret"}
        assert (await client.get(f"/api/v1{INCIDENT}", headers=bearer)).status_code == 401
        await sign_in(client, "vera")
        file = await client.get(f"{INCIDENT}/report.html")
        assert file.text.replace('href="http://localhost/', 'href="/') == shared.text

    run(test)


def test_the_style_is_allowed_by_its_digest() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        page = (await client.get("/shared/good-secret")).text
        style = page.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in content_security_policy()
        assert "unsafe" not in content_security_policy()

    run(test)


def test_what_opens_nothing_is_answered_alike() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answers = [
            await client.get(path)
            for path in (
                "/shared/unknown",
                "/shared/",
                "/shared/a/b",
                "/shared/good-secret%00",
                "/shared/" + "x" * 5000,
            )
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1
        assert "this link opens nothing" in answers[0].text
        for answer in answers:
            assert_private(answer)
        slash = await client.get("/shared/good-secret/")
        assert slash.status_code == 200

    run(test)


def test_slowed_down_and_other_failures_stay_private_too() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        estate.slowed = True
        slow = await client.get("/shared/good-secret")
        assert slow.status_code == 429
        assert slow.headers["retry-after"]
        assert_private(slow)
        assert_private(await client.post("/shared/good-secret"))
        foreign = await client.get("/shared/good-secret", headers={"Host": "evil.example"})
        assert foreign.status_code == 421
        assert_private(foreign)

    run(test, estate)


def test_the_secret_reaches_neither_logs_nor_errors(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    estate = Estate()
    bodies: list[str] = []

    async def test(client: httpx.AsyncClient) -> None:
        client.headers["accept"] = "application/json"
        failures = (StoreError("the store is away"), RuntimeError("a fault"))
        for failure in failures:

            def fail(*_: object, failure: Exception = failure) -> None:
                raise failure

            monkeypatch.setattr(estate, "open_share", fail)
            for method in ("GET", "POST", "PUT"):
                answer = await client.request(method, "/shared/s3cr3t-of-a-link")
                assert answer.status_code in (405, 500, 503)
                bodies.append(answer.text)
                assert_private(answer)
        monkeypatch.undo()
        bodies.append((await client.get("/shared/s3cr3t-of-a-link")).text)
        client.headers["accept"] = "text/html"
        bodies.append((await client.get("/shared/s3cr3t-of-a-link")).text)

    run(test, estate)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert "s3cr3t" not in "".join(bodies)
    assert "s3cr3t" not in "".join(ours)
    assert "s3cr3t" not in "".join(capfd.readouterr())


def test_the_api_makes_lists_and_revokes() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        client.headers.update(RESPOND)
        listed = (await client.get(API)).json()["shares"]
        assert [one["share_id"] for one in listed] == ["s1"]
        assert "token_hash" not in listed[0]
        made = await client.post(API, json={})
        assert made.status_code == 201
        assert made.json()["url"] == "https://petrel.example.org/shared/secret-2"
        assert made.json()["ends_unix_nano"] - content.NOW == 24 * 3600 * content.SECOND
        assert (await client.post(API, json={"lifetime": "2d"})).status_code == 400
        assert (await client.post(API, json={"life": "1d"})).status_code == 400
        assert (await client.post(API.replace(ID, "none"), json={})).status_code == 404
        assert (await client.post(API, json={"lifetime": "30d"})).status_code == 201
        assert (await client.post(API, json={})).status_code == 409
        assert (await client.delete(f"{API}/s2")).json() == {"revoked": "s2"}
        assert (await client.delete(f"{API}/s2")).status_code == 404

    run(test, estate, WebSettings(public_url="https://petrel.example.org"))


def test_reports_are_files_and_come_in_three_formats() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        for written, media, begins in (
            ("md", "text/markdown; charset=utf-8", b"# p99 latency"),
            ("html", "text/html; charset=utf-8", b"<!doctype html>"),
            ("pdf", "application/pdf", b"%PDF-"),
        ):
            for path in (f"{INCIDENT}/report.{written}", f"/api/v1{INCIDENT}/report?format={written}"):
                answer = await client.get(path)
                assert answer.headers["content-type"] == media
                assert (
                    answer.headers["content-disposition"] == f'attachment; filename="incident-{ID}.{written}"'
                )
                assert answer.content.startswith(begins)
        assert (await client.get(f"{INCIDENT}/report.docx")).status_code == 400
        assert (await client.get("/incidents/none/report.pdf")).status_code == 404

    run(test)


def test_many_readers_cost_one_report() -> None:
    kept, made = KeptReports(), list[str]()

    def make() -> str:
        made.append("x")
        return f"report {len(made)}"

    second = content.SECOND
    assert kept.of("a", content.NOW, make) == "report 1"
    assert kept.of("a", content.NOW + 29 * second, make) == "report 1"
    assert kept.of("b", content.NOW, make) == "report 2"
    assert kept.of("a", content.NOW + 30 * second, make) == "report 3"
    assert kept.of("a", content.NOW, make) == "report 4"  # the clock went back
    for number in range(40):
        kept.of(f"c{number}", content.NOW, make)
    assert kept.of("a", content.NOW, make) == "report 45"


def test_few_wait_for_a_report_and_the_rest_is_told_to_come_back() -> None:
    kept, begun, go_on = KeptReports(), threading.Event(), threading.Event()

    def make() -> str:
        begun.set()
        assert go_on.wait(10)
        return "made"

    with ThreadPoolExecutor(MOST_WAITING + 1) as readers:
        made = [readers.submit(kept.of, "a", content.NOW, make)]
        assert begun.wait(10)
        made += [readers.submit(kept.of, "a", content.NOW, make) for _ in range(MOST_WAITING)]
        while kept._room._value:  # until they all wait
            threading.Event().wait(0.01)
        with pytest.raises(BusyError, match="few seconds"):
            kept.of("b", content.NOW, make)
        go_on.set()
        assert [one.result(10) for one in made] == ["made"] * (MOST_WAITING + 1)
    assert kept.of("b", content.NOW, make) == "made"


def test_who_is_told_to_come_back_hears_when() -> None:
    class Busy(Estate):
        def diagnose(self, incident: Incident) -> Diagnosis:
            raise BusyError("many ask what caused an incident just now; ask again in a few seconds")

    async def test(client: httpx.AsyncClient) -> None:
        shared = await client.get("/shared/good-secret")
        assert_private(shared)
        await sign_in(client, "rob")
        for answer in (
            shared,
            await client.get(f"{INCIDENT}/causes"),
            await client.get(f"{INCIDENT}/report.md"),
        ):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "ask again in a few seconds" in answer.text

    run(test, Busy())


def test_what_a_reader_calls_us_by_is_in_nobodys_links() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        for host in ("6.6.6.6", "localhost:7780"):
            page = await client.get("/shared/good-secret", headers={"Host": host})
            assert page.status_code == 200
            assert 'href="/explore' in page.text
            assert "6.6.6.6" not in page.text

    async def named(client: httpx.AsyncClient) -> None:
        page = await client.get("/shared/good-secret")
        assert 'href="https://petrel.example.org/explore' in page.text

    run(test)
    run(named, settings=WebSettings(public_url="https://petrel.example.org/"))
