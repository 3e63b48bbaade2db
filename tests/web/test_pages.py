"""What the pages say, that hostile text stays text, and that nothing inline is ever needed."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest
from tests.web.content import FINDINGS, HOSTILE
from tests.web.estate import Estate
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.errors import StoreError
from stormpetrel.model.time import to_iso
from stormpetrel.model.view import AboutView, NowView, QualityView
from stormpetrel.web.filters import LogFilter
from stormpetrel.web.guard import CONTENT_SECURITY_POLICY
from stormpetrel.web.pages.incidents import rows_of, seen_of
from stormpetrel.web.pages.now import now_context

PAGES = [
    "/",
    "/incidents",
    "/incidents?state=resolved&text=hostile&offset=0",
    "/incidents/20260314-0251-checkout",
    "/incidents/20260313-hostile",
    "/explore",
    "/explore?text=zzz",
    "/explore?series=0&from=-6h",
    "/explore?series=4&band=0",
    "/pages",
    "/logs",
    "/logs?severity=17&text=script&entity=service:checkout&source=otel&from=-1d",
    "/patterns",
    "/patterns?sort=change&text=script&severity=17&from=-1d",
    "/patterns?sort=new",
    "/patterns?sort=severity",
    "/patterns?text=zzz",
    "/patterns/1",
    "/patterns/0000000000000002?from=-1d",
    "/patterns/3",
    "/patterns/5",
    "/patterns/6",
    "/compare",
    "/compare?text=zzz",
    "/compare?from=-15m&before_from=-1d&before_to=-23h",
    "/logs?pattern=2",
    "/quality",
    "/sources",
    "/sources/prometheus-eu",
    "/sources//var/log/syslog",
    "/sources/nobody",
    "/quarantine",
    "/quarantine?series=4",
    "/quarantine?series=3&done=0",
    "/changes",
    "/changes?from=-7d",
    "/tail?text=%3Cscript%3E&severity=17",
    "/about",
    "/incidents/20260314-0251-checkout/causes",
    "/map",
    "/map?back=60",
    "/incidents/20260314-0251-checkout/findings/f0001/why",
    "/explain?series=0",
    "/explain?series=4&at=2026-03-14T02:00:00Z",
    "/feedback",
    "/feedback?done=x",
    "/backtest",
    "/backtest/b-done",
    "/backtest/b-running",
    "/backtest/b-failed",
    "/settings/tokens",
    "/settings/people",
    "/settings/account",
    "/invited?secret=good-secret",
    "/settings/notifications",
    "/consent/WyJhIl0.signed-for_ada",
    "/nothing-here",
    "/incidents/none",
    "/logs?from=%3Cscript%3E",
    "/logs?text=%3Cscript%3Ealert(1)%3C/script%3E&entity=%22%3E%3Cscript%3E",
]


class Outline(HTMLParser):
    """What a browser would run or style inline."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "script" and not (names.get("src") or "").startswith("/static/"):
            self.inline.append(tag)
        if tag in ("style", "iframe", "object", "embed", "img", "base"):
            self.inline.append(tag)
        self.inline += [f"{tag} {name}" for name in names if name.startswith("on") or name == "style"]
        target = names.get("href") or names.get("src") or ""
        if target.lower().strip().startswith(("javascript:", "data:", "http:", "https:", "//")):
            self.inline.append(target)


def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    return parser


@pytest.mark.parametrize("path", PAGES)
def test_pages_run_nothing_inline_and_show_no_unseen_characters(path: str) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        answer = await client.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.status_code in (200, 400, 404)
        found = outline(answer.text)
        assert found.inline == []
        assert len(found.ids) == len(set(found.ids))
        assert "\u202e" not in answer.text
        assert "\x1b" not in answer.text
        assert "\x00" not in answer.text

    run(test)


@pytest.mark.parametrize(
    "path",
    [
        "/incidents/20260313-hostile",
        "/logs",
        "/explore?text=evil",
        "/quality",
        "/sources",
        "/changes",
        "/sources/prometheus-eu",
    ],
)
def test_hostile_text_is_shown_as_text(path: str) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        text = (await client.get(path)).text
        assert "&lt;script&gt;window.owned=1&lt;/script&gt;" in text
        assert "⟨U+202E⟩gnp.exe⟨U+001B⟩" in text
        assert HOSTILE not in text

    run(test)


def test_every_answer_carries_the_security_headers() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        for path in ("/sign-in", "/nothing", "/static/base.css", "/api/v1/now", "/healthz"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"

    assert "unsafe" not in CONTENT_SECURITY_POLICY
    run(test)


def test_quiet_says_what_is_not_known() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/")).text
        assert "All quiet" in text
        assert "31 series have fallen silent" in text
        assert "204 series are warming up" in text

    run(test, Estate(quiet=True))


def test_a_small_judged_part_is_not_called_quiet() -> None:
    class Learning(Estate):
        def now(self) -> NowView:
            return replace(super().now(), series_total=555, series_unknown=6, series_warming_up=529)

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/")).text
        assert "All quiet" not in text
        assert "Still learning" in text
        assert "20 of 555 series have been seen" in text

    run(test, Learning(quiet=True))


def test_where_nothing_arrives_it_is_not_called_quiet() -> None:
    class Silent(Estate):
        def now(self) -> NowView:
            held = replace(super().now(), series_total=149, series_unknown=140, series_warming_up=0)
            return replace(held, samples_per_second=0.0, log_records_per_second=0.0)

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/")).text
        assert "All quiet" not in text
        assert "<title>Quiet" not in text
        assert "Nothing arrives" in text
        assert "140 of 149 series have fallen silent" in text

    run(test, Silent(quiet=True))


def test_the_counted_records_are_what_their_number_opens() -> None:
    """A log finding: its number and window open that window alone, other links what surrounds it."""
    (finding,) = [f for f in FINDINGS if f.evidence.signal == "log"]
    start, end = (
        quote(to_iso(t)) for t in (finding.evidence.start_unix_nano, finding.evidence.end_unix_nano)
    )
    assert seen_of(finding).endswith(f"&from={start}&to={end}")
    assert start not in rows_of(finding)


@pytest.mark.parametrize("detector", ["new_pattern", "rare_value"])
def test_a_single_record_is_what_its_number_opens(detector: str) -> None:
    """Its window would be empty if it ended with the record."""
    (known,) = [f for f in FINDINGS if f.evidence.signal == "log"]
    time = known.evidence.start_unix_nano
    query = 'log_values{pattern="00000000000000ab",variable="status"}'
    evidence = replace(known.evidence, query=query, start_unix_nano=time, end_unix_nano=time)
    address = urlsplit(seen_of(replace(known, detector=detector, evidence=evidence, end_unix_nano=time)))
    asked = dict(parse_qsl(address.query))
    assert (address.path, asked["pattern"]) == ("/logs", "00000000000000ab")
    window = LogFilter.model_validate(asked).log_query(time).window
    assert window.start_unix_nano <= time < window.end_unix_nano


def test_samples_kept_apart_are_one_row_a_series() -> None:
    class Noisy(Estate):
        def quality(self) -> QualityView:
            view = super().quality()
            return replace(view, quarantined=view.quarantined * 100)

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/quality")).text
        kept = text[text.index('id="kept-title"') : text.index('id="room-title"')]
        assert "the newest 200, by series" in kept
        assert kept.count("<tr>") == 3
        assert kept.count('<td class="num">100</td>') == 2

    run(test, Noisy())


def test_an_empty_estate_is_not_called_quiet() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/")).text
        assert "All quiet" not in text
        assert "Nothing is watched yet" in text
        for path in ("/incidents", "/explore", "/logs", "/quality"):
            assert 'class="empty"' in (await client.get(path)).text, path

    run(test, Estate(empty=True))


def test_no_healthy_source_is_not_quiet() -> None:
    view: NowView = Estate(quiet=True).now()
    assert now_context(view)["blind"] is False
    dead = [one for one in Estate().now().sources if one.state != "healthy"]
    blind = NowView(view.now_unix_nano, [], 0, dead, 100, 100, 0, 0, 0.0, 0.0)
    assert now_context(blind)["blind"] is True
    learning = NowView(view.now_unix_nano, [], 0, view.sources, 100, 0, 100, 0, 9.0, 0.0)
    assert now_context(learning)["blind"] is True


def test_the_worst_open_incident_stands_first() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/")).text
        assert text.index("p99 latency") < text.index("CPU far above")

    run(test)


def test_incidents_page_through_and_keep_their_filter() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        first = (await client.get("/incidents?state=resolved&text=memory")).text
        assert first.count("data-item") == 50
        link = re.search(r'rel="next" href="([^"]+)"', first)
        assert link
        second = (await client.get(link[1].replace("&amp;", "&"))).text
        assert "state=resolved" in link[1]
        assert "text=memory" in link[1]
        assert not set(re.findall(r'id="(incident-[^"]+)"', first)) & set(
            re.findall(r'id="(incident-[^"]+)"', second)
        )

    run(test)


def test_moving_an_incident_shows_the_buttons_that_fit() -> None:
    path = "/incidents/20260314-0251-checkout"

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        csrf = await csrf_of(client, path)
        form = {"csrf": csrf, "to": "resolved", "note": "<b>restarted</b>"}
        assert (await client.post(path + "/state", data=form)).headers["location"] == path
        text = (await client.get(path)).text
        assert 'value="acknowledged"' not in text
        assert "&lt;b&gt;restarted&lt;/b&gt;" in text
        again = await client.post(path + "/state", data=form)
        assert again.status_code == 409
        assert "resolved cannot become resolved" in again.text
        assert (await client.post(path + "/state", data=form | {"to": "nonsense"})).status_code == 400

    run(test)


def test_every_number_of_a_finding_links_to_its_rows() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/incidents/20260314-0251-checkout")).text
        metric = re.findall(r'href="(/explore\?series=0&amp;from=[^"]+)"', text)
        logs = re.findall(r'href="(/logs\?entity=service%3Acheckout&amp;severity=17[^"]+)"', text)
        assert len(metric) >= 5
        assert len(logs) >= 4
        for link in (metric[0], logs[0]):
            assert (await client.get(link.replace("&amp;", "&"))).status_code == 200

    run(test)


def test_log_pages_follow_each_other_in_time() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        first = (await client.get("/logs")).text
        link = re.search(r'rel="next" href="([^"]+)"', first)
        assert link
        second = (await client.get(link[1].replace("&amp;", "&"))).text
        times = [re.findall(r'<summary data-item><time datetime="([^"]+)"', page) for page in (first, second)]
        assert len(times[0]) == 100
        assert min(times[0]) > max(times[1])

    run(test)


def test_a_release_is_asked_of_the_service() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        csrf = await csrf_of(client, "/quarantine?series=4")
        answer = await client.post("/quarantine/release", data={"csrf": csrf, "series": "4"})
        assert answer.headers["location"] == "/quarantine?done=58"
        await client.post("/quarantine/drop", data={"csrf": csrf, "series": "2"})

    run(test, estate)
    assert (estate.released, estate.dropped) == ([4], [2])


def test_faults_have_a_page_and_no_trace() -> None:
    class Broken(Estate):
        def about(self) -> AboutView:
            raise RuntimeError("secret detail")

        def quality(self) -> QualityView:
            raise StoreError("the store failed: <b>disk</b>")

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        answer = await client.get("/about")
        assert answer.status_code == 500
        assert "secret detail" not in answer.text
        assert "RuntimeError" in answer.text
        answer = await client.get("/quality")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "&lt;b&gt;disk" in answer.text
        assert (await client.get("/api/v1/about")).json()["error"]["reason"] == "internal"

    run(test, Broken())
