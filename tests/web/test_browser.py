"""The pages in a real browser: two widths, two themes, keyboard, charts; no error, no overflow."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, expect
from tests.web.estate import PASSWORD, Estate
from tests.web.visitor import CHROMIUM, INCIDENT, Visitor

from stormpetrel.errors import BusyError
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.topology import Node, NodeRole, Topology

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
    "/incidents/20260314-0251-checkout/causes",
    "/automation",
    "/automation/runs/r1",
    "/automation/runs/r3",
    "/automation/runbooks/restart-failed-service",
    "/automation/runbooks/restart-failed-service/flight",
    "/automation/ledger",
    "/backups",
    "/incidents/20260314-0251-checkout/shares",
    "/map",
    "/incidents/20260314-0251-checkout/similar",
    "/incidents/2026-old-001/similar",
    "/scoreboard",
    "/scoreboard?of=first",
    "/incidents/20260314-0251-checkout/findings/f0001/why",
    "/explain?series=0",
    "/feedback",
    "/backtest",
    "/backtest/b-done",
    "/backtest/b-running",
    "/about",
    "/settings/tokens",
    "/settings/people",
    "/settings/account",
    "/settings/notifications",
    "/consent/WyJhIl0.signed-for_ada",
    "/nothing-here",
]
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
]


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
        if (
            "incidents/2026" in path and not path.endswith(("/why", "/causes", "/similar", "/shares"))
        ) or "explore?series=" in path:
            # Charts are drawn when they come into view: on a small screen the cause stands before them.
            page.locator("figure.chart").first.scroll_into_view_if_needed()
            page.locator("figure.chart canvas").first.wait_for()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) is (scheme == "dark")
    assert visitor.complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light"), (390, "dark")])
def test_a_shared_report_in_every_size_and_theme(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    visitor = Visitor(browser, address, width, scheme)
    visitor.go("/shared/good-secret")
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.owned") is None
    assert page.locator("svg polyline").first.is_visible()
    hidden = "Array.from(document.querySelectorAll('.wide')).filter(one => one.scrollWidth > one.clientWidth)"
    assert page.evaluate(f"{hidden}.length") == 0, "nothing is out of sight without a hint"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) is (scheme == "dark")
    assert visitor.complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_an_invited_person_comes_in_by_the_keyboard(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    visitor = Visitor(browser, address, width, scheme)
    visitor.go("/invited?secret=good-secret")
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.owned") is None
    expect(page.locator("[name=password]")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")  # a browser's own form, with its origin and all
    page.wait_for_url(visitor.address + "/")
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


def test_the_theme_is_kept(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address, scheme="light")
    visitor.sign_in("vera")
    visitor.page.locator(".menu summary").click()
    visitor.page.get_by_role("button", name="Dark or light").click()
    visitor.go("/logs")
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_part_that_many_ask_for_is_asked_for_again(
    browser: Browser, address: str, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refusals = estate.diagnose, [BusyError("many ask just now")]

    def busy(incident: Incident) -> Diagnosis:
        if refusals:
            raise refusals.pop()
        return real(incident)

    monkeypatch.setattr(estate, "diagnose", busy)
    visitor = Visitor(browser, address)
    visitor.sign_in("rob")
    visitor.go(f"/incidents/{INCIDENT}")
    expect(visitor.page.locator("#cause .refused")).to_contain_text("asked for again in 5 s")
    expect(visitor.page.locator("#live")).to_have_attribute("data-state", "live")
    visitor.page.locator("#cause .causes").wait_for()
    expect(visitor.page.locator("#cause .refused")).to_have_count(0)


def test_a_part_that_is_refused_says_so(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address)
    visitor.page.route("**/similar", lambda route: route.fulfill(status=500, body="no"))
    visitor.sign_in("rob")
    visitor.go(f"/incidents/{INCIDENT}")
    expect(visitor.page.locator("#similar .refused")).to_contain_text("could not be shown (500)")
    expect(visitor.page.locator("#similar a")).to_have_text("Open the page")


def test_a_form_is_sent_once_however_often_its_button_is_pressed(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address)
    visitor.sign_in("rob")
    visitor.go(f"/incidents/{INCIDENT}/shares")
    page, sent = visitor.page, list[str]()
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.evaluate("for (let n = 0; n < 4; n++) document.querySelector('button.first').click()")
    page.locator("#made").wait_for()
    assert len(sent) == 1


def test_names_stay_in_their_boxes_on_the_map(
    browser: Browser, address: str, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = tuple(Node(f"host:{n}" + "\u200d\u202e" * 40, NodeRole.SERVICE) for n in range(3))
    monkeypatch.setattr(estate, "topology", lambda at: Topology(at, nodes))
    visitor = Visitor(browser, address)
    visitor.sign_in("rob")
    visitor.go("/map")
    box, name = visitor.page.locator(".map rect").first, visitor.page.locator(".map .node > svg").first
    outer, inner = box.bounding_box(), name.evaluate("one => one.viewportElement && one.width.baseVal.value")
    assert outer is not None
    assert 0 < inner < outer["width"]
    assert name.evaluate("one => getComputedStyle(one).overflow") == "hidden"


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_the_bar_shows_whole_words_that_nothing_covers(browser: Browser, address: str, width: int) -> None:
    visitor = Visitor(browser, address, width)
    visitor.page.route("**/live", lambda route: route.abort())  # the longest word of the state
    visitor.sign_in("rob")
    page = visitor.page
    expect(page.locator("#live span")).to_be_visible()
    cut = "one => one.scrollWidth > one.clientWidth + 1"
    assert page.locator(".places a span").evaluate_all(f"all => all.filter({cut}).length") == 0
    places, side = page.locator(".places").bounding_box(), page.locator(".side").bounding_box()
    assert places is not None
    assert side is not None
    assert width < 761 or places["x"] + places["width"] <= side["x"]
    # What does not fit moves under its own edge; it does not lie under what stands beside it.
    fits = "one => one.scrollWidth <= one.clientWidth || getComputedStyle(one).overflowX === 'auto'"
    assert page.locator(".places").evaluate(fits)
    page.keyboard.press("?")
    assert page.locator("#help dd").evaluate_all("all => Math.min(...all.map(one => one.clientWidth))") > 100
