"""The pages in a real browser: two widths, two themes, keyboard, charts; no error, no overflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, ViewportSize, expect, sync_playwright
from tests.web.estate import PASSWORD, Estate
from tests.web.serve import server

from stormpetrel.model.access import Caller, Role
from stormpetrel.model.incident import IncidentState

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGES = [
    "/",
    "/incidents",
    "/incidents/20260314-0251-checkout",
    "/incidents/20260313-hostile",
    "/explore?text=node",
    "/explore?series=0&from=-6h",
    "/explore?series=4",
    "/pages",
    "/logs",
    "/patterns",
    "/patterns/1",
    "/patterns/2",
    "/compare",
    "/quality",
    "/calendar",
    "/calendar?edit=e1",
    "/sources",
    "/sources/prometheus-eu",
    "/quarantine?series=4",
    "/changes",
    "/tail",
    "/incidents/20260314-0251-checkout/findings/f0001/why",
    "/explain?series=0",
    "/feedback",
    "/backtest",
    "/backtest/b-done",
    "/backtest/b-running",
    "/about",
    "/settings/tokens",
    "/nothing-here",
]
INCIDENT = "20260314-0251-checkout"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def estate() -> Estate:
    made = Estate()
    made.linger = True
    return made


@pytest.fixture
def address(estate: Estate) -> Iterator[str]:
    with server(estate) as base:
        yield base


class Visitor:
    """A person with a browser window; complaints of the browser are kept."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, scheme: str = "dark") -> None:
        size: ViewportSize = {"width": width, "height": 860}
        context = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light")
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.address = address
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: object) -> None:
        text = str(getattr(message, "text", message))
        if getattr(message, "type", "") in ("error", "warning") and "404" not in text:
            self.complaints.append(text)

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, name: str) -> None:
        self.go("/sign-in")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(self.address + "/")


@pytest.mark.parametrize(
    ("width", "scheme", "pages"),
    [(1280, "dark", PAGES), (390, "light", PAGES), (1280, "light", PAGES[::3]), (390, "dark", PAGES[1::3])],
)
def test_every_page_in_every_size_and_theme(
    browser: Browser, address: str, width: int, scheme: str, pages: list[str]
) -> None:
    visitor = Visitor(browser, address, width, scheme)
    visitor.sign_in("ada")
    page = visitor.page
    for path in pages:
        visitor.go(path)
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate("window.owned") is None, path
        if ("incidents/2026" in path and "/why" not in path) or "explore?series=" in path:
            page.locator("figure.chart canvas").first.wait_for()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) is (scheme == "dark")
    assert visitor.complaints == []


def test_an_inline_script_would_not_run(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("ada")
    visitor.page.evaluate(
        "const script = document.createElement('script'); script.textContent = 'window.owned = 1';"
        "document.body.append(script)"
    )
    assert visitor.page.evaluate("window.owned") is None
    assert any("Content Security Policy" in text for text in visitor.complaints)


def test_the_keyboard_alone_finds_and_moves_an_incident(
    browser: Browser, address: str, estate: Estate
) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("rob")
    page = visitor.page
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/incidents")
    page.keyboard.press("/")
    page.keyboard.type("p99")
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents?text=p99*")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/incidents/{INCIDENT}")
    page.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#incident-head .state-acknowledged")).to_be_visible()
    assert estate.incidents[INCIDENT].state is IncidentState.ACKNOWLEDGED
    assert visitor.complaints == []


def steady_box(plot: Locator) -> FloatRect:
    """Where a chart is, once it is drawn for good: while its page is laid out it is drawn anew."""
    before = None
    for _ in range(100):
        plot.wait_for()
        box = plot.bounding_box()
        if box is not None and box == before:
            return box
        before = box
        plot.page.wait_for_timeout(100)
    raise AssertionError(f"the chart does not come to rest: {before}")


def test_the_explorer_zooms_and_the_address_tells(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("vera")
    visitor.go("/explore?series=0&from=-6h")
    page = visitor.page
    plot = page.locator("#explorer-chart .u-over")
    box = steady_box(plot)
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=2026-03-1.*to=2026-03-1"))
    expect(page.locator("#range-from")).to_have_value(re.compile("^2026-03-1"))
    page.go_back()
    expect(page.locator("#range-from")).to_have_value("-6h")
    page.locator("#explorer-chart .uplot").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#explorer-chart .u-value").first).to_have_text(
        re.compile(r"^2026-03-1\d \d\d:\d\d:\d\d$")
    )
    page.get_by_text("Values as a table").click()
    expect(page.locator("#numbers tbody tr").first).to_be_visible()
    assert visitor.complaints == []


def test_series_are_found_while_typing(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("vera")
    visitor.go("/explore")
    visitor.page.locator("[data-search]").press_sequentially("memory", delay=10)
    expect(visitor.page.locator("#found .results li")).to_have_count(1)
    assert visitor.complaints == []


def test_the_first_page_follows_the_estate(browser: Browser, address: str, estate: Estate) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("vera")
    expect(visitor.page.locator("#announce")).to_contain_text("<script>")
    estate.quiet = True
    visitor.page.evaluate("htmx.trigger(document.body, 'live-incident', {})")
    expect(visitor.page.locator("h1")).to_have_text("All quiet")
    assert visitor.complaints == []


def test_the_theme_is_kept(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address, scheme="light")
    visitor.sign_in("vera")
    visitor.page.locator(".menu summary").click()
    visitor.page.get_by_role("button", name="Dark or light").click()
    visitor.go("/logs")
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_losing_the_stream_is_said(browser: Browser, address: str, estate: Estate) -> None:
    visitor = Visitor(browser, address)
    visitor.page.route("**/live", lambda route: route.abort())
    visitor.sign_in("vera")
    expect(visitor.page.locator("#live")).to_have_text("not live")


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
