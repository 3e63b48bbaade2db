"""Sheets of paper: where each line of text and each stroke of a report stands. Pure geometry.

Lengths are points (1/72 inch), y grows upwards. Text flows from the top; what does not fit goes to the next
page, and there are at most `MOST_PAGES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stormpetrel.web.report.document import Point

WIDTH, HEIGHT = 595.0, 842.0  # A4
LEFT, RIGHT, TOP, BOTTOM = 48.0, 547.0, 794.0, 60.0
MOST_PAGES = 60
_LAST_ROOM = 40.0  # of the last page, for saying what is missing
_LEADING = 1.35


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text. `tone` is 0 for the blackest."""

    x: float
    y: float
    text: str
    size: float
    bold: bool = False
    tone: float = 0.0


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points; `closed` ones are filled."""

    points: tuple[Point, ...]
    tone: float
    weight: float = 0.5
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """A rectangle (left, bottom, right, top) that leads to an address."""

    box: tuple[float, float, float, float]
    href: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A place that the table of contents names."""

    title: str
    level: int


Mark = Words | Stroke | Spot | Heading


class OutOfPages(Exception):  # noqa: N818 - no error: the report is as long as it may be
    """Raised when more pages would be needed than there may be."""


@dataclass(slots=True)
class Sheets:
    """Pages that are filled from the top.

    Args:
        width_of: width of a text at size 1.
        most: so many pages at most.
    """

    width_of: Callable[[str], float]
    most: int = MOST_PAGES
    pages: list[list[Mark]] = field(default_factory=lambda: [[]])
    y: float = TOP

    def put(self, mark: Mark) -> None:
        """Draw on the page that is being filled."""
        self.pages[-1].append(mark)

    def left(self) -> float:
        """How much height is left on this page."""
        kept = _LAST_ROOM if len(self.pages) == self.most else 0.0
        return self.y - BOTTOM - kept

    def need(self, height: float) -> None:
        """Go to the next page unless so much is left; OutOfPages when there is none."""
        if self.left() < height and self.y < TOP:
            self.turn()

    def turn(self) -> None:
        """Go to the next page; OutOfPages when there is none."""
        if len(self.pages) >= self.most:
            raise OutOfPages
        self.pages.append([])
        self.y = TOP

    def line(self, words: Words) -> None:
        """One line at the present height, which goes down by it."""
        height = words.size * _LEADING
        self.need(height)
        self.put(Words(words.x, self.y - words.size, words.text, words.size, words.bold, words.tone))
        self.y -= height

    def text(self, text: str, size: float, *, x: float = LEFT, bold: bool = False, tone: float = 0.0) -> None:
        """Text from `x` to the right margin, on as many lines and pages as it takes."""
        for line in self.wrapped(text, size, RIGHT - x):
            self.line(Words(x, 0.0, line, size, bold, tone))

    def last_words(self, text: str) -> None:
        """What stands at the end of the last page, in the room that was kept for it."""
        y = min(self.y, BOTTOM + _LAST_ROOM) - 4.0
        for line in self.wrapped(text, 8.0, RIGHT - LEFT)[:3]:
            y -= 8.0 * _LEADING
            self.put(Words(LEFT, y, line, 8.0, bold=True))

    def wrapped(self, text: str, size: float, width: float) -> list[str]:
        """Lines of at most this width: broken at spaces, and inside words that are wider. O(characters)."""
        room, space = width / size, self.width_of(" ")
        lines: list[str] = []
        line, used = "", 0.0
        for word in text.split():
            wide = self.width_of(word)
            if line and used + space + wide <= room:
                line, used = f"{line} {word}", used + space + wide
                continue
            if line:
                lines.append(line)
            line, used = word, wide
            if wide > room:
                *full, line = self._pieces(word, room)
                lines += full
                used = self.width_of(line)
        return [*lines, line] if line else lines

    def _pieces(self, word: str, room: float) -> list[str]:
        pieces, begin, used = [], 0, 0.0
        for at, character in enumerate(word):
            wide = self.width_of(character)
            if used + wide > room and at > begin:
                pieces.append(word[begin:at])
                begin, used = at, 0.0
            used += wide
        return [*pieces, word[begin:]]
