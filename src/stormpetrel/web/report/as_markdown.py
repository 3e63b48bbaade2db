"""A report as Markdown: text from strangers is no markup, no link and no HTML in it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from stormpetrel.model.text import written_out
from stormpetrel.web.report.document import (
    Blank,
    Block,
    Bullets,
    Cell,
    Document,
    Facts,
    Figure,
    Link,
    Paragraph,
    Table,
)

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~])")
_LINES = re.compile(r"\s*[\r\n]+\s*")
# Some readers make a link of any address; one that a stranger wrote is shown and leads nowhere.
_ADDRESS = re.compile(r"(:(?=//)|(?<=www)\.)", re.IGNORECASE)
# What a line must not begin with, lest it be a list or a heading; digits keep their place before the dot.
_BEGINS = re.compile(r"^(\d*)([-=.])")


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it stands: one line, nothing of it is markup, a link or HTML.

    >>> print(escaped("<b>x</b>\n[y](javascript:1)"))
    &lt;b&gt;x&lt;/b&gt; \[y\]\(javascript:1\)
    """
    plain = html.escape(written_out(_LINES.sub(" ", text)), quote=False)
    return _ADDRESS.sub(r"\\\1", _SPECIAL.sub(r"\\\1", plain))


def as_markdown(document: Document) -> str:
    """The whole report in Markdown with tables, as GitHub and GitLab read it. O(its length)."""
    parts = [f"# {escaped(document.title)}", ""]
    for section in document.sections:
        parts += [f"{'#' * section.level} {escaped(section.title)}", ""]
        for block in section.blocks:
            parts += [*_lines_of(block), ""]
    return "\n".join(parts)


def _lines_of(block: Block) -> Iterable[str]:
    if isinstance(block, Paragraph):
        yield f"**{escaped(block.text)}**" if block.strong else _line(block.text)
    elif isinstance(block, Facts):
        yield from (f"- {escaped(name)}: {escaped(value)}" for name, value in block.rows)
    elif isinstance(block, Bullets):
        yield from (f"- {_line(line)}" for line in block.lines)
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Figure):
        yield f"> {_line(block.caption)}"
    elif isinstance(block, Blank):
        yield f"_{escaped(block.prompt)}_"


def _table(table: Table) -> Iterable[str]:
    yield f"| {' | '.join(escaped(column.name) for column in table.columns)} |"
    yield f"| {' | '.join('---:' if column.numeric else '---' for column in table.columns)} |"
    for row in table.rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(cell: Cell) -> str:
    # The address is percent-encoded, so nothing in it ends the link.
    return f"[{escaped(cell.text)}]({cell.href})" if isinstance(cell, Link) else escaped(cell)


def _line(text: str) -> str:
    """Text at the beginning of a line."""
    return _BEGINS.sub(r"\1\\\2", escaped(text))
