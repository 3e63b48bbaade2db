"""A report as one HTML file: its own style, charts as SVG, no script, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stormpetrel.web import show
from stormpetrel.web.report.document import LEGEND, Document, Line

_TEMPLATES = Path(__file__).parents[1] / "templates"
_NAME = "report.html"
WIDTH, HEIGHT = 720, 150  # of a chart, in the units of its picture


def as_html(document: Document) -> str:
    """The whole report. Every text is escaped, unseen characters are written out. O(its length)."""
    return (
        _environment()
        .get_template(_NAME)
        .render(document=document, width=WIDTH, height=HEIGHT, legend=LEGEND)
    )


@lru_cache(maxsize=1)
def content_security_policy() -> str:
    """What a browser may do with the report: show it with its own style, known by its digest."""
    source = (_TEMPLATES / _NAME).read_text(encoding="utf-8")
    style = source.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=show.visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = _points
    return environment


def _points(piece: Line) -> str:
    return " ".join(f"{x * WIDTH:.1f},{(1 - y) * HEIGHT:.1f}" for x, y in piece)
