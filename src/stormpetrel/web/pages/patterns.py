"""Log patterns: all of a window, one of them, and two windows compared."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.pattern import Variable
from stormpetrel.model.pattern_view import PatternOrder, PatternRow
from stormpetrel.model.signal import LogRecord
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.filters import LogFilter, PairFilter
from stormpetrel.web.show import number
from stormpetrel.web.site import SiteOf, VisitOf
from stormpetrel.web.windows import PRESETS, around

router = guarded_router()

LIMIT = 500
_SHORT = 400
_SEVERITIES = ("unset", "trace", "debug", "info", "warn", "error", "fatal")

# 63 bits, as the store's column holds them.
PatternId = Annotated[str, Path(pattern=r"^([0-7][0-9a-f]{15}|[0-9a-f]{1,15})$")]


@router.get("/patterns")
def patterns_page(
    request: Request,
    site: SiteOf,
    query: Annotated[LogFilter, Query()],
    sort: PatternOrder = PatternOrder.COUNT,
) -> Response:
    """Every pattern of a window with its count, its change, and when it was first seen."""
    now = site.service.now_unix_nano()
    found = site.service.patterns(query.log_query(now), LIMIT, sort)
    context: dict[str, Any] = {
        "filter": query,
        "parameters": query.parameters(),
        "span": query.span(now),
        "presets": PRESETS,
        "found": found,
        "rows": [(row, spark(row.counts)) for row in found.rows],
        "sort": "" if sort is PatternOrder.COUNT else sort.value,
    }
    return site.page(request, "patterns.html", context)


@router.get("/patterns/{pattern_id}")
def pattern_page(
    request: Request, site: SiteOf, pattern_id: PatternId, query: Annotated[LogFilter, Query()]
) -> Response:
    """One pattern: its sightings, its variables, its newest records."""
    now = site.service.now_unix_nano()
    page = site.service.pattern(int(pattern_id, 16), query.log_query(now))
    known = page.known
    context: dict[str, Any] = {
        "filter": query,
        "parameters": query.parameters(),
        "span": query.span(now),
        "presets": PRESETS,
        "page": page,
        "name": f"{page.pattern:016x}",
        "spark": spark(page.row.counts) if page.row is not None else "",
        "records": [(record, _near(record)) for record in page.records],
        "severities": [(word, many) for word, many in zip(_SEVERITIES, known.severities, strict=True) if many]
        if known is not None
        else [],
        "variables": [(one, _numbers(one)) for one in known.variables] if known is not None else [],
    }
    return site.page(request, "pattern.html", context)


@router.post("/patterns/{pattern_id}/watch")
def watch_variable(
    site: SiteOf,
    visit: VisitOf,
    pattern_id: PatternId,
    variable: Annotated[str, Form(min_length=1, max_length=200)],
    stop: Annotated[bool, Form()] = False,
) -> Response:
    """Follow the numbers of a variable as a series, or no more; back to the pattern afterwards."""
    caller = known_caller(visit)
    act = site.service.unwatch_variable if stop else site.service.watch_variable
    act(int(pattern_id, 16), variable, caller)
    return RedirectResponse(f"/patterns/{pattern_id}#variables-title", 303)


@router.get("/compare")
def compare_page(
    request: Request, site: SiteOf, query: Annotated[LogFilter, Query()], pair: Annotated[PairFilter, Query()]
) -> Response:
    """Two windows: which patterns appeared, vanished, grew, shrank, most surprising first."""
    now = site.service.now_unix_nano()
    second = query.span(now)
    first = pair.first(second.window)
    found = site.service.compare_patterns(query.log_query(now), first, second.window)
    context: dict[str, Any] = {
        "filter": query,
        "pair": pair,
        "parameters": {**query.parameters(), **pair.parameters()},
        "span": second,
        "presets": PRESETS,
        "found": found,
        "rows": [(row, _changed(row)) for row in found.rows if abs(row.surprise) >= 1.0],
    }
    return site.page(request, "compare.html", context)


def spark(counts: tuple[int, ...]) -> str:
    """The outline of a small bar chart as an SVG path, one unit wide a count and 20 high; empty when all
    are zero.

    >>> spark((0, 2, 1))
    'M1 20V0h1V20ZM2 20V10h1V20Z'
    """
    peak = max(counts, default=0)
    heights = (
        [round(20 - max(20 * count / peak, 1.5), 1) if count else 20 for count in counts] if peak else []
    )
    return "".join(f"M{x} 20V{y:g}h1V20Z" for x, y in enumerate(heights) if y < 20)


def _changed(row: PatternRow) -> str:
    """What became of a pattern between two windows."""
    if not row.before:
        return "new" if row.new else "appeared"
    if not row.records:
        return "vanished"
    return "more" if row.surprise > 0 else "fewer"


def _numbers(one: Variable) -> str:
    """A variable's numbers in words, where most of its values were numbers."""
    if one.numeric * 2 < one.seen:
        return ""
    low, middle, high = one.quantiles
    return f"half below {number(middle)}, 5 % below {number(low)}, 5 % above {number(high)}"


def _near(record: LogRecord) -> dict[str, object]:
    start, end = around(record.time_unix_nano, 60.0)
    return {"from": start, "to": end, "source": record.source, "mark": record.time_unix_nano}
