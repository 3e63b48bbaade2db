"""The JSON API's part on log patterns; ids are 16 hexadecimal digits. The list also comes as CSV."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from stormpetrel.model.pattern_view import PatternOrder, PatternRow
from stormpetrel.model.time import to_iso
from stormpetrel.web.access import guarded_router
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.filters import LogFilter, PairFilter
from stormpetrel.web.pages.patterns import PatternId
from stormpetrel.web.show import log_severity_word
from stormpetrel.web.site import SiteOf

router = guarded_router()

Limit = Annotated[int, Query(ge=1, le=5000)]
_CSV = (
    "pattern", "records", "before", "surprise", "severity", "new", "first", "last", "source", "entity",
    "entities", "text",
)  # fmt: skip


@router.get("/api/v1/patterns")
def patterns(
    site: SiteOf,
    query: Annotated[LogFilter, Query()],
    most: Limit = 500,
    sort: PatternOrder = PatternOrder.COUNT,
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the name of the parameter in the address
) -> Response:
    """Patterns of a window, most records first, beside the window before."""
    found = site.service.patterns(query.log_query(site.service.now_unix_nano()), most, sort)
    if format == "csv":
        return _csv(found.rows)
    body = {**fields_of(found), "rows": [_row(row) for row in found.rows]}
    return json_response(body)


@router.get("/api/v1/patterns/compare")
def compare(
    site: SiteOf,
    query: Annotated[LogFilter, Query()],
    pair: Annotated[PairFilter, Query()],
    most: Limit = 200,
) -> Response:
    """Two windows: `from`, `to`, and `before_from`, `before_to` (the window before, when left out)."""
    now = site.service.now_unix_nano()
    second = query.span(now).window
    found = site.service.compare_patterns(query.log_query(now), pair.first(second), second, most)
    return json_response({**fields_of(found), "rows": [_row(row) for row in found.rows]})


@router.get("/api/v1/patterns/{pattern_id}")
def pattern(site: SiteOf, pattern_id: PatternId, query: Annotated[LogFilter, Query()]) -> Response:
    """One pattern with its variables and its newest records in the window."""
    page = site.service.pattern(int(pattern_id, 16), query.log_query(site.service.now_unix_nano()))
    known = None
    if page.known is not None:
        known = {**fields_of(page.known), "merged": [f"{one:016x}" for one in page.known.merged]}
        known["id"] = f"{page.known.id:016x}"
    body = {
        **fields_of(page),
        "pattern": f"{page.pattern:016x}",
        "aliases": [f"{one:016x}" for one in page.aliases],
        "known": known,
        "row": _row(page.row) if page.row is not None else None,
        "records": [{**fields_of(one), "pattern": f"{one.pattern:016x}"} for one in page.records],
    }
    return json_response(body)


def _row(row: PatternRow) -> dict[str, Any]:
    return {**fields_of(row), "pattern": f"{row.pattern:016x}"}


def _csv(rows: list[PatternRow]) -> Response:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CSV)
    for row in rows:
        writer.writerow(
            [
                f"{row.pattern:016x}", row.records, row.before, f"{row.surprise:.2f}",
                log_severity_word(row.severity), int(row.new), to_iso(row.first_unix_nano),
                to_iso(row.last_unix_nano), _plain(row.source), _plain(row.entity), row.entities,
                _plain(row.text),
            ]
        )  # fmt: skip
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="patterns.csv"'}
    return Response(out.getvalue(), headers=headers, media_type="text/csv; charset=utf-8")


def _plain(text: str) -> str:
    """Text of strangers that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
