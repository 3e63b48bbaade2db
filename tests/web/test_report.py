"""Reports: three formats that say the same, with any text in any field, bounded, complete in themselves."""

from __future__ import annotations

import dataclasses
import html
import io
import re
import threading
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from tests.web import content
from tests.web.estate import Estate

from stormpetrel.errors import OverloadedError
from stormpetrel.model.cause import Cause, CauseClass, ChangeSuspicion, Diagnosis, EvidenceItem
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident, TimelineEntry
from stormpetrel.model.signal import SeriesPoints
from stormpetrel.model.text import written_out
from stormpetrel.model.view import BandView, SeriesView
from stormpetrel.web.pages.causes import address_of
from stormpetrel.web.pages.incidents import rows_of
from stormpetrel.web.report.as_html import as_html
from stormpetrel.web.report.as_markdown import as_markdown, escaped
from stormpetrel.web.report.as_pdf import as_pdf
from stormpetrel.web.report.chart import figure_of
from stormpetrel.web.report.compose import BLANKS, Story, compose, drawn
from stormpetrel.web.report.document import LONGEST, Document, Table, links, texts

BASE = "http://localhost:7780"
ODD = [
    content.HOSTILE,
    "</style><script>window.owned=1</script>",
    "| a | b |\n| --- | --- |\n# heading\n- list\n1. one\n> said\n```\ncode",
    "[click](javascript:window.owned=1) ![x](http://evil.example/x.png) <http://evil.example>",
    "http://evil.example www.evil.example",
    "(paren \\) Tj ET BT /F1 99 Tf << /JS (app.alert(1)) >>",
    "<para><img src='file:///etc/passwd'/></para> &amp; &#60;",
    "日本語 العربية עברית हिन्दी ไทย 😀 🏔 e\u0301 Ωμέγα Жук ẞ",
    "\ud800 half \udfff \ufeff \u200b \u2028 end",
    "{{ 7 * 7 }} {% raw %} ${x} %s {0}",
    "x" * 300,
    "",
]


def told(incident: Incident, diagnosis: Diagnosis | None = None) -> Document:
    estate = Estate()
    views = {one.finding_id: estate.finding_series(one) for one in drawn(incident) if one.evidence.series < 9}
    story = Story(
        incident, diagnosis or content.diagnosis(), views, content.NOW, BASE, rows_of, address_of
    )  # fmt: skip
    return compose(story)


def odd_incident(pick: list[str]) -> Incident:
    """Every text of an incident is one of these, in turn."""
    at = iter(range(10_000))

    def odd() -> str:
        return pick[next(at) % len(pick)]

    def finding(one: Finding) -> Finding:
        seen = dataclasses.replace(one.evidence, query=odd(), unit=odd())
        return dataclasses.replace(
            one, finding_id=odd() or "f", detector=odd(), head=odd(), entity=odd(), title=odd(), why=odd(),
            evidence=seen, attributes={odd(): odd()},
        )  # fmt: skip

    base = content.INCIDENTS[0]
    entries = tuple(TimelineEntry(content.NOW + n, odd(), odd(), odd()) for n in range(6))
    assert base.page is not None
    assert base.priority is not None
    return dataclasses.replace(
        base, incident_id=odd(), sentence=odd(), entities=(odd(), odd()), follows=odd(), timeline=entries,
        findings=tuple(finding(one) for one in content.FINDINGS), more=((odd(), 3), (odd(), 4)),
        page=dataclasses.replace(base.page, reason=odd()),
        priority=dataclasses.replace(base.priority, reason=odd()),
    )  # fmt: skip


def odd_diagnosis(pick: list[str]) -> Diagnosis:
    text = pick[0]
    piece = EvidenceItem(text, text, text, 1.0, "metric", text)
    causes = tuple(Cause(text, text, CauseClass.CODE, 1.0, (piece,), text, text) for _ in range(5))
    changes = tuple(ChangeSuspicion(text, 1.0, (piece,)) for _ in range(7))
    return Diagnosis(content.NOW, causes, changes, text, 0.5, True, (text,))


class Shown(HTMLParser):
    """What a browser shows of a page, its tags, and where its links lead."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.hrefs, self.attributes = "", list[str](), list[str](), list[str]()
        self._within: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._within.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.hrefs += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self._within[-1:]):
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()


def bare(text: str) -> str:
    """Text without spaces: where lines break is the format's own."""
    return "".join(text.split())


def markdown_text(text: str) -> str:
    plain = re.sub(r"\]\(http://localhost:7780/[^)]*\)", "", text)
    return html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain))


def pdf_text(file: bytes) -> str:
    """The text of all pages as one, without what stands at their feet and over tables that go on."""
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(file)).pages]
    return "".join(text[: text.rindex("Incident ")] for text in pages)


def spoken(text: str) -> str:
    """As bare text in which every character that some format writes out is written out."""
    return "".join(one if one.isascii() or one in "⟨⟩" else f"⟨U+{ord(one):04X}⟩" for one in bare(text))


def assert_the_same(document: Document) -> None:
    markdown, page, file = as_markdown(document), Shown(as_html(document)), as_pdf(document)
    told_by = {"md": markdown_text(markdown), "html": page.text, "pdf": pdf_text(file)}
    for fact in map(written_out, texts(document)):
        for name, text in told_by.items():
            assert spoken(fact) in spoken(text), (name, fact)
    wanted = [link.href for link in links(document)]
    assert re.findall(r"\]\((http://localhost:7780/[^)]*)\)", markdown) == wanted
    assert page.hrefs == wanted
    annotations = [
        note.get_object()["/A"]["/URI"]
        for sheet in PdfReader(io.BytesIO(file)).pages
        for note in sheet.get("/Annots", ())
    ]
    assert set(annotations) == set(wanted)


@pytest.mark.parametrize("incident", content.INCIDENTS[:4], ids=lambda one: str(one.incident_id))
def test_every_fact_of_one_format_is_in_the_others(incident: Incident) -> None:
    assert_the_same(told(incident))


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_text_in_any_field_is_told_alike_and_harmless(text: str) -> None:
    document = told(odd_incident([text]), odd_diagnosis([text]))
    assert_the_same(document)
    assert_harmless(document)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_any_unicode_is_told_alike_and_harmless(pick: list[str]) -> None:
    document = told(odd_incident(pick), odd_diagnosis(pick))
    assert_the_same(document)
    assert_harmless(document)


TAGS = """html head meta title style body main h1 h2 h3 p strong bdi dl dt dd ul li div table colgroup col
    thead tbody tr th td a figure figcaption svg polygon polyline circle rect text span footer"""


def assert_harmless(document: Document) -> None:
    shown = Shown(as_html(document))
    assert set(shown.tags) <= set(TAGS.split())
    forbidden = ("style", "src", "srcdoc", "action")
    assert not [name for name in shown.attributes if name.startswith("on") or name in forbidden]
    assert all(href.startswith(BASE + "/") for href in shown.hrefs)
    for line in as_markdown(document).splitlines():
        assert not re.search(r"<[a-zA-Z/!]", line)
        assert re.sub(r"\[rows \\\(sign-in needed\\\)\]\(\S+\)", "", line).count("](") == 0
    reader = PdfReader(io.BytesIO(as_pdf(document)))
    root: Any = reader.trailer["/Root"].get_object()
    assert not {"/OpenAction", "/AA", "/Names", "/AcroForm"} & set(root)
    notes = [note.get_object() for page in reader.pages for note in page.get("/Annots", ())]
    assert all(note["/Subtype"] == "/Link" and note["/A"]["/S"] == "/URI" for note in notes)


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert "\r" not in shown
    assert "://" not in shown
    for at, one in enumerate(shown):
        if one in "<>[]()`*_|":
            assert at > 0
            before = len(shown[:at]) - len(shown[:at].rstrip("\\"))
            assert before % 2 == 1, "an odd number of backslashes stands before it"


def test_the_page_is_complete_in_itself() -> None:
    page = as_html(told(content.INCIDENTS[0]))
    shown = Shown(page)
    assert "script" not in shown.tags
    assert "link" not in shown.tags
    assert "@import" not in page
    assert "url(" not in page
    assert shown.tags.count("svg") == 3
    assert shown.tags.count("h1") == 1
    assert "<html lang=" in page


def test_a_pdf_names_itself_on_every_page_and_can_be_searched() -> None:
    file = as_pdf(told(content.INCIDENTS[0]))
    pages = PdfReader(io.BytesIO(file)).pages
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        text = page.extract_text()
        assert f"page {number} of {len(pages)}" in text
        assert "Incident 20260314-0251-checkout, exported 2026-03-14 03:12:41 UTC" in text
    outline = [one["/Title"] for one in PdfReader(io.BytesIO(file)).outline[1] if not isinstance(one, list)]
    assert outline[:3] == ["Facts", "Impact", "Root cause"]
    assert as_pdf(told(content.INCIDENTS[0])) == file


def test_whoever_waits_for_a_pdf_holds_no_more_than_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr("stormpetrel.web.report.as_pdf._ROOM", room)
    document = told(content.INCIDENTS[0])
    with room, pytest.raises(OverloadedError, match="ask again"):
        as_pdf(document)
    assert as_pdf(document).startswith(b"%PDF")


def test_what_the_font_has_not_is_written_out_and_counted() -> None:
    base = content.INCIDENTS[3]
    unusual = Diagnosis(content.NOW, (), (), "", 0.0, False, ())
    assert "characters that the font" not in pdf_text(as_pdf(told(base, unusual)))
    named = dataclasses.replace(base, sentence="disk voll: Größe Ωμ Жук 日本 שלום 😀 of it", timeline=())
    text = " ".join(pdf_text(as_pdf(told(named, unusual))).split())
    assert "Größe Ωμ Жук ⟨U+65E5⟩⟨U+672C⟩ ⟨U+05E9⟩" in text
    assert "⟨U+1F600⟩ of it" in text
    assert "7 characters that the font of this file cannot show" in text


def large(entries: int = 2000, findings: int = 400) -> Document:
    base = content.INCIDENTS[0]
    line = tuple(
        TimelineEntry(content.NOW + n, "note", f"step {n} " + "word " * 500, "jo") for n in range(entries)
    )
    many = tuple(
        dataclasses.replace(content.FINDINGS[2], finding_id=f"f{n}", title=f"{n} " + "日" * 2000)
        for n in range(findings)
    )
    roots = tuple(f"host:h{n}" for n in range(90))
    return told(
        dataclasses.replace(base, timeline=line, findings=many, entities=roots, more=(("x", 1),) * 70)
    )


def test_lists_are_cut_and_say_so() -> None:
    said = list(texts(large()))
    for words in (
        "1,800 entries between are left out", "and 300 more findings.", "and 40 more",
        "1,800 steps before are left out.",
    ):  # fmt: skip
        assert words in said, words
    assert any(one.endswith("more characters)") for one in said)
    assert max(map(len, said)) < LONGEST + 200
    assert "step 0 " in said[said.index("Timeline (UTC)") + 7]


def test_a_pdf_is_bounded_and_says_what_it_left_out() -> None:
    file = as_pdf(large(), most_pages=5)
    pages = PdfReader(io.BytesIO(file)).pages
    assert len(pages) == 5
    last = " ".join(pages[4].extract_text().split())
    assert "This file ends here: it has 5 pages at most. Left out: the rest of «Timeline (UTC)»" in last
    assert "and 8 sections after it" in last
    assert len(PdfReader(io.BytesIO(as_pdf(large()))).pages) <= 60


def test_there_is_room_for_those_who_were_there() -> None:
    markdown = as_markdown(told(content.INCIDENTS[0]))
    for title in BLANKS:
        assert f"### {title}\n\n_To be written by those who were there._" in markdown


def test_without_a_cause_or_anything_else_it_says_so() -> None:
    nothing = Diagnosis(content.NOW, (), (), "", 0.0, False, ())
    bare_one = dataclasses.replace(
        content.INCIDENTS[0],
        findings=(),
        timeline=(),
        entities=(),
        more=(),
        page=None,
        priority=None,
        follows="",
    )
    said = " ".join(texts(told(bare_one, nothing)))
    for words in ("No cause found", "Nothing is kept.", "Nobody moved the incident", "No finding is kept"):
        assert words in said, words
    assert_the_same(told(bare_one, nothing))


def test_what_was_done_is_by_whom_and_when() -> None:
    line = (
        TimelineEntry(content.NOW, "opened", "it began"),
        TimelineEntry(content.NOW + 1, "state", "acknowledged", "rob"),
        TimelineEntry(content.NOW + 2, "state", "resolved"),
        TimelineEntry(content.NOW + 3, "finding", "error lines surge"),
    )
    document = told(dataclasses.replace(content.INCIDENTS[0], timeline=line))
    done = next(one for one in document.sections if one.title == "What was done").blocks[0]
    assert isinstance(done, Table)
    rows = done.rows
    assert [row[1:] for row in rows] == [("rob", "state", "acknowledged"), ("petrel", "state", "resolved")]
    assert rows[0][0] == "2026-03-14 03:12:41"


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(
    st.lists(st.tuples(numbers, numbers, numbers), max_size=30),
    st.integers(1, 10**12),
    st.sampled_from(["", "bytes", "seconds", "ratio", "requests"]),
)
def test_a_chart_of_any_numbers_stays_in_its_frame(
    rows: list[tuple[float, float, float]], step: int, unit: str
) -> None:
    times = content.ANOMALY[0] + np.arange(len(rows), dtype=np.int64) * step
    mean, low, high = (np.array([row[k] for row in rows], np.float64) for k in range(3))
    info = dataclasses.replace(content.SERIES[0], unit=unit)
    points = SeriesPoints(times, mean, mean, mean, 0.0, len(rows))
    view = SeriesView(info, points, BandView(times, mean, low, high, mean), [])
    figure = figure_of(view, content.FINDINGS[0])
    if figure is None:
        assert np.isfinite(mean).sum() < 2
        return
    chart = figure.chart
    places = [*chart.marked, *(x for line in (*chart.lines, *chart.band) for place in line for x in place)]
    assert np.isfinite(places).all()
    assert np.min(places) >= 0
    assert np.max(places) <= 1
    assert sum(map(len, chart.lines)) == np.isfinite(mean).sum()


def test_a_chart_breaks_where_the_series_was_silent() -> None:
    figure = figure_of(Estate().finding_series(content.FINDINGS[0], 6000.0), content.FINDINGS[0])
    assert figure is not None
    assert len(figure.chart.lines) == 2
    assert 0 < figure.chart.marked[0] < figure.chart.marked[1] < 1
