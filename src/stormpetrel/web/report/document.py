"""What a report says before it is written in any format: a small tree, and nothing in it is markup.

Markdown, HTML and PDF are written from this one value, so they say the same. Texts are as they came, also
those of strangers: whoever writes a format makes them harmless there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

LONGEST = 1_000  # characters of one text
LONGEST_UNIT = 40

Point = tuple[float, float]
Line = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """Text that leads somewhere; the address is one of ours, percent-encoded."""

    text: str
    href: str


Cell = str | Link


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name, its part of the width where widths are fixed, and how it is aligned."""

    name: str
    width: float
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of one series. Every coordinate is in [0, 1], from the left and from the bottom.

    Attributes:
        lines: what was observed, broken where the series was silent.
        band: what was expected, each piece a closed outline.
        marked: from where to where the finding held.
        top, bottom, start, end: what stands at the axes.
    """

    lines: tuple[Line, ...]
    band: tuple[Line, ...]
    marked: Point
    top: str
    bottom: str
    start: str
    end: str


# How a chart is read; it stands where one is drawn.
LEGEND = "Line: observed. Shade: expected. Bar: the time of the finding."


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences; a strong one is what the section comes to."""

    kind: ClassVar[str] = "paragraph"
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with what they are, one a line."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Bullets:
    """Short lines without an order."""

    kind: ClassVar[str] = "bullets"
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; each row has a cell for each column."""

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart and its caption, which says in words what the chart shows: some formats have only that."""

    kind: ClassVar[str] = "figure"
    caption: str
    chart: Chart


@dataclass(frozen=True, slots=True)
class Blank:
    """Room for what only people know."""

    kind: ClassVar[str] = "blank"
    prompt: str


Block = Paragraph | Facts | Bullets | Table | Figure | Blank


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it; `level` is 2 or 3."""

    title: str
    blocks: tuple[Block, ...]
    level: int = 2


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report. `exported` is the time of its making as text."""

    title: str
    incident_id: str
    exported: str
    sections: tuple[Section, ...]


def cut(text: str, most: int = LONGEST) -> str:
    """The text on one line, and where it is too long its beginning and how much is missing.

    >>> cut("a\\n b"), cut("abcdef", 4)
    ('a b', 'abcd… (2 more characters)')
    """
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[:most]}… ({len(plain) - most:,} more characters)"


def texts(document: Document) -> Iterator[str]:
    """Everything that a reader reads, in order, but for the axes and legends of charts."""
    yield document.title
    for section in document.sections:
        yield section.title
        for block in section.blocks:
            yield from _texts_of(block)


def _texts_of(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield block.text
    elif isinstance(block, Facts):
        for name, value in block.rows:
            yield name
            yield value
    elif isinstance(block, Bullets):
        yield from block.lines
    elif isinstance(block, Table):
        yield from (column.name for column in block.columns)
        for row in block.rows:
            yield from (cell.text if isinstance(cell, Link) else cell for cell in row)
    elif isinstance(block, Figure):
        yield block.caption
    else:
        yield block.prompt


def links(document: Document) -> Iterator[Link]:
    """Every link, in order."""
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                for row in block.rows:
                    yield from (cell for cell in row if isinstance(cell, Link))
