"""From the document of a report to sheets of paper, block by block."""

from __future__ import annotations

from collections.abc import Callable

from stormpetrel.web.report.document import (
    LEGEND,
    Blank,
    Block,
    Bullets,
    Cell,
    Chart,
    Document,
    Facts,
    Figure,
    Line,
    Link,
    Paragraph,
    Section,
    Table,
)
from stormpetrel.web.report.sheet import (
    LEFT,
    MOST_PAGES,
    RIGHT,
    Heading,
    OutOfPages,
    Sheets,
    Spot,
    Stroke,
    Words,
)

_BODY, _SMALL, _TITLE = 9.5, 7.5, 16.0
_SIZES = {2: 12.5, 3: 10.5}
_SOFT, _PALE, _EDGE = 0.35, 0.88, 0.7
_GAP = 6.0
_CHART_HEIGHT = 90.0
_NAMES = 120.0  # width of the names of facts
_LINES_FOR_A_HAND = 3
_WHOLE_LINES = 40  # a row of at most so many is not broken by the end of a page


def typeset(
    document: Document,
    spell: Callable[[str], str],
    width_of: Callable[[str], float],
    most: int = MOST_PAGES,
    note: str = "",
) -> Sheets:
    """The sheets of a report. O(characters).

    Args:
        document: the report.
        spell: what the font can show of a text.
        width_of: width of such a text at size 1.
        most: pages at most; what does not fit is left out, and the last page says which sections that is.
        note: of the file itself, under the title; spelled already.
    """
    setter = _Setter(Sheets(width_of, most), spell)
    done = 0
    try:
        setter.sheets.put(Heading(spell(document.title), 0))
        setter.sheets.text(spell(document.title), _TITLE, bold=True)
        setter.sheets.text(note, _SMALL, tone=_SOFT)
        for section in document.sections:
            setter.section(section)
            done += 1
    except OutOfPages:
        missing = [section.title for section in document.sections[done:]]
        rest = f", and {len(missing) - 1} sections after it" if len(missing) > 1 else ""
        setter.sheets.last_words(
            f"This file ends here: it has {most} pages at most. Left out: the rest of"
            f" «{spell(missing[0][:80])}»{rest}. The HTML and Markdown reports have all of it."
        )
    return setter.sheets


class _Setter:
    def __init__(self, sheets: Sheets, spell: Callable[[str], str]) -> None:
        self.sheets, self._spell = sheets, spell

    def section(self, section: Section) -> None:
        size = _SIZES[section.level]
        self.sheets.y -= 2 * _GAP if section.level == 2 else _GAP
        self.sheets.need(size * 4)  # a heading does not stand alone at the foot of a page
        self.sheets.put(Heading(self._spell(section.title), section.level - 1))
        self.sheets.text(self._spell(section.title), size, bold=True)
        for block in section.blocks:
            self.sheets.y -= _GAP / 2
            self._block(block)

    def _block(self, block: Block) -> None:
        if isinstance(block, Paragraph):
            self.sheets.text(self._spell(block.text), _BODY, bold=block.strong)
        elif isinstance(block, Facts):
            for name, value in block.rows:
                self._fact(self._spell(name), self._spell(value))
        elif isinstance(block, Bullets):
            for line in block.lines:
                self._bullet(self._spell(line))
        elif isinstance(block, Table):
            _TableSetter(self.sheets, block, self._spell).put()
        elif isinstance(block, Figure):
            self._figure(block)
        elif isinstance(block, Blank):
            self._blank(block)

    def _fact(self, name: str, value: str) -> None:
        sheets = self.sheets
        sheets.need(_BODY * 2)
        place, page = sheets.y, len(sheets.pages)
        sheets.text(name, _BODY, tone=_SOFT)
        if len(sheets.pages) == page:
            sheets.y = place
        sheets.text(value, _BODY, x=LEFT + _NAMES)

    def _bullet(self, line: str) -> None:
        sheets = self.sheets
        sheets.need(_BODY * 2)
        sheets.put(Words(LEFT, sheets.y - _BODY, "•", _BODY))
        sheets.text(line, _BODY, x=LEFT + 10.0)

    def _blank(self, block: Blank) -> None:
        sheets = self.sheets
        sheets.text(self._spell(block.prompt), _SMALL, tone=_SOFT)
        for _ in range(_LINES_FOR_A_HAND):
            sheets.need(18.0)
            sheets.y -= 18.0
            sheets.put(Stroke(((LEFT, sheets.y), (RIGHT, sheets.y)), _EDGE))

    def _figure(self, figure: Figure) -> None:
        sheets, chart = self.sheets, figure.chart
        caption = self._spell(figure.caption)
        sheets.need(_CHART_HEIGHT + 60.0)
        self._chart(chart, sheets.y - _CHART_HEIGHT)
        sheets.y -= _CHART_HEIGHT + 5.0
        wide = sheets.width_of(chart.end) * _SMALL
        sheets.put(Words(RIGHT - wide, sheets.y - _SMALL - 3.0, chart.end, _SMALL, tone=_SOFT))
        sheets.put(Words(LEFT, sheets.y - _SMALL - 3.0, chart.start, _SMALL, tone=_SOFT))
        middle = (LEFT + RIGHT - sheets.width_of(LEGEND) * _SMALL) / 2
        sheets.put(Words(middle, sheets.y - _SMALL - 3.0, LEGEND, _SMALL, tone=_SOFT))
        sheets.y -= 15.0
        sheets.text(caption, _SMALL, tone=_SOFT)
        sheets.y -= _GAP

    def _chart(self, chart: Chart, bottom: float) -> None:
        sheets, wide = self.sheets, RIGHT - LEFT

        def placed(line: Line) -> Line:
            return tuple((LEFT + x * wide, bottom + y * _CHART_HEIGHT) for x, y in line)

        for piece in chart.band:
            sheets.put(Stroke(placed(piece), _PALE, closed=True))
        for piece in chart.lines:
            # A lone sample is a short dash: a stroke needs two points.
            line = piece if len(piece) > 1 else (piece[0], (piece[0][0] + 0.003, piece[0][1]))
            sheets.put(Stroke(placed(line), 0.0, 0.8))
        corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
        sheets.put(Stroke(placed(corners), _EDGE))
        begin, end = chart.marked
        held = ((begin, -0.045), (max(end, begin + 0.004), -0.045))
        sheets.put(Stroke(placed(held), 0.0, 3.0))
        self._on_chart(chart.top, bottom + _CHART_HEIGHT - 9.0)
        self._on_chart(chart.bottom, bottom + 3.0)

    def _on_chart(self, text: str, y: float) -> None:
        """A few words on white, so that the line behind does not strike them out."""
        shown, x = self._spell(text), LEFT + 3.0
        right, top = x + self.sheets.width_of(shown) * _SMALL + 1.0, y + _SMALL
        corners = ((x - 1.0, y - 1.5), (right, y - 1.5), (right, top), (x - 1.0, top))
        self.sheets.put(Stroke(corners, 1.0, closed=True))
        self.sheets.put(Words(x, y, shown, _SMALL, tone=_SOFT))


class _TableSetter:
    """One table; its header stands again on each page, and a row that is very high goes on there."""

    def __init__(self, sheets: Sheets, table: Table, spell: Callable[[str], str]) -> None:
        self._sheets, self._table, self._spell = sheets, table, spell
        whole = sum(column.width for column in table.columns)
        self._edges, x = [], LEFT
        for column in table.columns:
            wide = column.width / whole * (RIGHT - LEFT)
            self._edges.append((x, x + wide - 5.0))
            x += wide

    def put(self) -> None:
        self._header()
        for row in self._table.rows:
            self._row(row)

    def _header(self) -> None:
        names = [self._wrapped(at, column.name) for at, column in enumerate(self._table.columns)]
        height = max(map(len, names)) * _SMALL * 1.35
        self._sheets.need(height + 4 * _SMALL * 1.35)  # with the beginning of a row
        self._lines(names, [""] * len(names), header=True)
        self._ruled()

    def _row(self, row: tuple[Cell, ...]) -> None:
        cells = [self._wrapped(at, _text(cell)) for at, cell in enumerate(row)]
        addresses = [cell.href if isinstance(cell, Link) else "" for cell in row]
        while any(cells):
            fitting = int(self._sheets.left() / (_SMALL * 1.35))
            high = max(map(len, cells))
            if fitting < (high if high <= _WHOLE_LINES else 3):
                self._sheets.turn()
                self._header()
                continue
            self._lines([lines[:fitting] for lines in cells], addresses, header=False)
            cells = [lines[fitting:] for lines in cells]
        self._ruled()

    def _lines(self, cells: list[list[str]], addresses: list[str], *, header: bool) -> None:
        """The cells, one after the other: so the text of a cell stands together where it is searched."""
        sheets, leading = self._sheets, _SMALL * 1.35
        for at, lines in enumerate(cells):
            left, right = self._edges[at]
            for number, line in enumerate(lines):
                y = sheets.y - _SMALL - number * leading
                wide = sheets.width_of(line) * _SMALL
                x = max(left, right - wide) if self._table.columns[at].numeric else left
                sheets.put(Words(x, y, line, _SMALL, bold=header, tone=_SOFT if header else 0.0))
                if addresses[at]:
                    sheets.put(Spot((x, y - 2.0, x + wide, y + _SMALL), addresses[at]))
        sheets.y -= max(map(len, cells), default=0) * leading

    def _ruled(self) -> None:
        sheets = self._sheets
        sheets.y -= 1.5
        sheets.put(Stroke(((LEFT, sheets.y), (RIGHT, sheets.y)), _EDGE))
        sheets.y -= 1.5

    def _wrapped(self, at: int, text: str) -> list[str]:
        left, right = self._edges[at]
        return self._sheets.wrapped(self._spell(text), _SMALL, right - left)


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Link) else cell
