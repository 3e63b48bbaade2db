"""A report as PDF: text that can be searched, one font that the file carries with it, numbered pages."""

from __future__ import annotations

import threading
import unicodedata
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from stormpetrel.errors import BusyError
from stormpetrel.model.text import written_out
from stormpetrel.web.report.document import Document, texts
from stormpetrel.web.report.sheet import (
    HEIGHT,
    LEFT,
    MOST_PAGES,
    RIGHT,
    WIDTH,
    Heading,
    Mark,
    Sheets,
    Spot,
    Stroke,
    Words,
)
from stormpetrel.web.report.typeset import typeset

_FONT = "StormPetrelSans"
_FILE = Path(__file__).parent / "font" / "DejaVuSans.ttf"
_FOOT, _FOOT_SIZE = 36.0, 7.5
# Letters that run from the right or change their shape with their neighbours: set one by one they would read
# wrongly, so they are written out like those that the font has not.
_NEED_SHAPING = frozenset({"R", "AL", "AN"})
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
# One at a time: it is work for the processor alone, and the library's font cannot be used twice at once.
_TURN = threading.Lock()
_ROOM = threading.BoundedSemaphore(2)  # the one that is made, and one that waits: threads serve other pages


def as_pdf(document: Document, most_pages: int = MOST_PAGES) -> bytes:
    """The whole report, or its first pages and what is missing. The same bytes for the same document.

    Every character that the font cannot show is written out as `⟨U+4E2D⟩`, and the first page says how many
    these are. Costs about 10 ms a page, one at a time in a process.

    Raises:
        BusyError: others are waiting for theirs.
    """
    if not _ROOM.acquire(blocking=False):
        raise BusyError("other PDF files are being made; ask again in a few seconds")
    try:
        with _TURN:
            font = _font()
            spots = typeset(document, font.spelled, font.width_of, most_pages, _note(document, font))
            return _drawn(document, spots, font)
    finally:
        _ROOM.release()


class _Font:
    """What can be shown, and how wide it is."""

    def __init__(self, face: Any) -> None:
        shown = {chr(code) for code in face.charToGlyph if 0x20 <= code <= 0xFFFF}
        self._shown = frozenset(one for one in shown if _stands_alone(one))
        self._widths = {chr(code): float(width) / 1000.0 for code, width in face.charWidths.items()}
        self._default = float(face.defaultWidth) / 1000.0

    def spelled(self, text: str) -> str:
        plain = written_out(text)
        return plain if plain.isascii() else "".join(map(self._spelled, plain))

    def _spelled(self, one: str) -> str:
        return one if one in self._shown or one.isspace() else f"⟨U+{ord(one):04X}⟩"

    def lost(self, text: str) -> int:
        """How many characters of a text are written out for want of a letter."""
        return 0 if text.isascii() else sum(self._spelled(one) != one for one in written_out(text))

    def width_of(self, text: str) -> float:
        return sum(self._widths.get(one, self._default) for one in text)


def _stands_alone(character: str) -> bool:
    category = unicodedata.category(character)
    return category not in _NOT_SHOWN and unicodedata.bidirectional(character) not in _NEED_SHAPING


@lru_cache(maxsize=1)
def _font() -> _Font:
    pdfmetrics.registerFont(TTFont(_FONT, str(_FILE)))
    return _Font(pdfmetrics.getFont(_FONT).face)


def _note(document: Document, font: _Font) -> str:
    lost = sum(font.lost(text) for text in texts(document))
    if not lost:
        return ""
    return (
        f"{lost:,} characters that the font of this file cannot show are written out as ⟨U+…⟩;"
        " the HTML report shows them."
    )


def _drawn(document: Document, sheets: Sheets, font: _Font) -> bytes:
    file = BytesIO()
    # Invariant: without the wall clock and a random id in it.
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), pageCompression=1, invariant=1, lang="en")
    canvas.setTitle(font.spelled(document.title)[:200])
    canvas.setSubject(f"Report of incident {font.spelled(document.incident_id)}")
    canvas.setAuthor("Storm Petrel")
    canvas.setCreator("Storm Petrel")
    number, foot = 0, _foot(document, font)
    for page, marks in enumerate(sheets.pages, 1):
        for mark in marks:
            number += 1
            _draw(canvas, mark, number)
        numbered = f"page {page} of {len(sheets.pages)}"
        right = RIGHT - font.width_of(numbered) * _FOOT_SIZE
        _write(canvas, Words(LEFT, _FOOT, foot, _FOOT_SIZE, tone=0.35))
        _write(canvas, Words(right, _FOOT, numbered, _FOOT_SIZE, tone=0.35))
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _draw(canvas: Any, mark: Mark, number: int) -> None:
    if isinstance(mark, Words):
        _write(canvas, mark)
    elif isinstance(mark, Stroke):
        path = canvas.beginPath()
        path.moveTo(*mark.points[0])
        for point in mark.points[1:]:
            path.lineTo(*point)
        canvas.setLineWidth(mark.weight)
        canvas.setStrokeGray(mark.tone)
        canvas.setFillGray(mark.tone)
        canvas.drawPath(path, stroke=int(not mark.closed), fill=int(mark.closed))
    elif isinstance(mark, Spot):
        canvas.linkURL(mark.href, mark.box, relative=0)
    elif isinstance(mark, Heading):
        canvas.bookmarkPage(f"h{number}")
        canvas.addOutlineEntry(mark.title[:120], f"h{number}", mark.level)


def _write(canvas: Any, words: Words) -> None:
    canvas.setFont(_FONT, words.size)
    canvas.setFillGray(words.tone)
    canvas.setStrokeGray(words.tone)
    canvas.setLineWidth(words.size / 40.0)
    # Bold is the same letters with an outline: one font file is enough.
    canvas.drawString(words.x, words.y, words.text, mode=2 if words.bold else 0)


def _foot(document: Document, font: _Font) -> str:
    """What stands at the foot of each page; of an id that is too long, its beginning."""
    named, exported = font.spelled(document.incident_id), f", exported {document.exported} UTC"
    room = (RIGHT - LEFT - 80.0) / _FOOT_SIZE - font.width_of(f"Incident …{exported}")
    if font.width_of(named) <= room:
        return f"Incident {named}{exported}"
    while font.width_of(named) > room:
        named = named[:-1]
    return f"Incident {named}…{exported}"
