"""Pages that stay open, in a real browser: they follow, say when they cannot, and lose nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect
from tests.web.estate import Estate
from tests.web.visitor import CHROMIUM, INCIDENT, Visitor

from stormpetrel.model.access import Caller, Role
from stormpetrel.model.incident import IncidentState

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
]


def test_the_first_page_follows_the_estate(browser: Browser, address: str, estate: Estate) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("vera")
    expect(visitor.page.locator("#announce")).to_contain_text("<script>")
    estate.quiet = True
    visitor.page.evaluate("htmx.trigger(document.body, 'live-incident', {})")
    expect(visitor.page.locator("h1")).to_have_text("All quiet")
    assert visitor.complaints == []


def test_losing_the_stream_is_said(browser: Browser, address: str, estate: Estate) -> None:
    visitor = Visitor(browser, address)
    visitor.page.route("**/live", lambda route: route.abort())
    visitor.sign_in("vera")
    expect(visitor.page.locator("#live")).to_have_text("not live")


def test_silence_of_the_stream_is_said_and_the_page_catches_up(
    browser: Browser, address: str, estate: Estate
) -> None:
    visitor = Visitor(browser, address)
    page = visitor.page
    page.clock.install()
    visitor.sign_in("vera")
    visitor.go(f"/incidents/{INCIDENT}")
    live = page.locator("#live")
    expect(live).to_have_text("live")
    page.clock.fast_forward(60_000)
    expect(live).to_have_text("not live")
    estate.move_incident(INCIDENT, IncidentState.MITIGATED, Caller("ada", Role.ADMIN))
    estate.messages = []  # nothing but the stream itself says that there is something to see
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(live).to_have_text("live")
    expect(page.locator("#incident-head .state-mitigated")).to_be_visible()


def test_what_somebody_writes_survives_a_refresh(browser: Browser, address: str, estate: Estate) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("rob")
    visitor.go(f"/incidents/{INCIDENT}")
    page = visitor.page
    page.fill("[name=note]", "half a thou")
    refresh = "htmx.trigger(document.body, 'live-incident', {})"
    with page.expect_response(f"**/incidents/{INCIDENT}"):
        page.evaluate(refresh)
    expect(page.locator("[name=note]")).to_have_value("half a thou")
    expect(page.locator("[name=note]")).to_be_focused()
    estate.move_incident(INCIDENT, IncidentState.MITIGATED, Caller("ada", Role.ADMIN))
    page.locator("[name=note]").blur()
    page.evaluate(refresh)
    expect(page.locator("#incident-head .state-mitigated")).to_be_visible()
    expect(page.locator("#timeline")).to_contain_text("mitigated")
    expect(page.locator("[name=note]")).to_have_value("half a thou")


def test_what_was_opened_to_be_read_stays_open_over_a_refresh(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("vera")
    visitor.go("/pages")
    page = visitor.page
    page.get_by_text("As a table").click()
    with page.expect_response("**/pages"):
        page.evaluate("htmx.trigger(document.body, 'live-incident', {})")
    expect(page.locator("#budget.htmx-request")).to_have_count(0)
    expect(page.get_by_role("region", name="Pages by week")).to_be_visible()
