"""A link to a report, as people use it: made by one, read by another without an account, revoked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.e2e.browser import signed_in
from tests.e2e.conftest import Petrel, http_get, wait_until
from tests.e2e.test_learning import incidents, send_story

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_link_is_made_read_without_an_account_and_revoked(petrel: Petrel) -> None:
    petrel.start()
    send_story(petrel)
    wait_until(lambda: len(incidents(petrel)) == 1, 120, lambda: petrel.output[-2000:])
    where = f"{petrel.url}/incidents/{incidents(petrel)[0]['incident_id']}"
    with signed_in(petrel) as page:
        page.goto(where)
        page.click("text=Share the report by a link")
        page.select_option("select[name=lifetime]", "1h")
        page.click("text=Make a link")
        link = page.locator("#made").inner_text()
        assert link.startswith(f"{petrel.url}/shared/petrel_")

        browser = page.context.browser
        assert browser is not None
        stranger = browser.new_context(viewport={"width": 390, "height": 800})
        reader = stranger.new_page()
        refused: list[str] = []
        asked: list[str] = []
        reader.on("console", lambda m: refused.append(m.text) if m.type == "error" else None)
        reader.on("request", lambda request: asked.append(request.url))
        reader.goto(link)
        expect(reader.locator("h1")).to_contain_text("queue depth 0")
        expect(reader.locator("h2", has_text="Root cause")).to_be_visible()
        expect(reader.locator("svg").first).to_be_visible()
        # The file's own style was let in by its digest, and nothing else was asked for.
        assert reader.evaluate("getComputedStyle(document.querySelector('figure svg')).display") == "block"
        assert reader.evaluate("document.documentElement.scrollWidth") <= 390
        assert [url for url in asked if not url.endswith("/favicon.ico")] == [link]
        assert [one for one in refused if "favicon" not in one] == []
        assert stranger.cookies() == []

        page.goto(f"{where}/shares")
        expect(page.locator("tbody td.num")).to_have_text("1")
        page.click("button:has-text('Revoke')")
        expect(page.locator("text=No link opens this report")).to_be_visible()

        answer = reader.goto(link)
        assert answer is not None
        assert answer.status == 404
        expect(reader.locator("main")).to_contain_text("this link opens nothing")
        reader.goto(where)
        assert "/sign-in" in reader.url
        stranger.close()

        cookies = {one["name"]: one["value"] for one in page.context.cookies() if "name" in one}
        for written, begins in (("pdf", b"%PDF-"), ("html", b"<!doctype html>"), ("md", b"# ")):
            file = http_get(f"{where}/report.{written}", cookies=cookies, timeout=60)
            assert file.content.startswith(begins), file.text[:300]
    secret = link.rpartition("/")[2]
    assert petrel.stop() == 0
    assert "share_made" in petrel.output
    assert secret not in petrel.output
    kept = [path for path in (petrel.directory / "data").rglob("*") if path.is_file()]
    assert not any(secret.encode() in path.read_bytes() for path in kept)
    assert re.search(r"share_revoked", petrel.output)
