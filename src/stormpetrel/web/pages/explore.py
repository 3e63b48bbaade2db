"""The metric explorer: find a series, look at it with its band and findings, read its numbers."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request
from starlette.responses import Response

from stormpetrel.model.view import SeriesView
from stormpetrel.web.access import guarded_router
from stormpetrel.web.filters import ExploreFilter
from stormpetrel.web.site import Site, SiteOf
from stormpetrel.web.windows import PRESETS, Span, span

router = guarded_router()

_FOUND = 30
_TABLE_ROWS = 200
_MAX_POINTS = 4000


@router.get("/explore")
def explore_page(request: Request, site: SiteOf, query: Annotated[ExploreFilter, Query()]) -> Response:
    """Series by words; one of them drawn when `series` is given."""
    asked = span(query.start, query.to, site.service.now_unix_nano())
    context: dict[str, Any] = {
        "found": site.service.search_series(query.text, _FOUND),
        "text": query.text,
        "span": asked,
        "band": query.band,
        "presets": PRESETS,
        "series": query.series,
        "info": None,
        "parameters": query.parameters(),
    }
    if query.series >= 0:
        context |= _chosen(site, query.series, asked)
    return site.page(request, "explore.html", context)


def _chosen(site: Site, series: int, asked: Span) -> dict[str, Any]:
    info = site.service.series_info(series)
    view = site.service.series(series, asked.window, _MAX_POINTS, band=False)
    return {"info": info, "rows": table_rows(view), "summary": _summary(view), "series_view": view}


def table_rows(view: SeriesView) -> list[tuple[int, float, float, float]]:
    """The newest points as (time, mean, least, greatest): what the chart draws, as numbers."""
    points = view.points
    newest = slice(-1, -_TABLE_ROWS - 1, -1)
    columns = (points.time_unix_nano, points.mean, points.low, points.high)
    return [
        (int(t), float(mean), float(low), float(high))
        for t, mean, low, high in zip(*(c[newest].tolist() for c in columns), strict=True)
    ]


def _summary(view: SeriesView) -> dict[str, float] | None:
    points = view.points
    if not np.isfinite(points.mean).any():
        return None
    return {
        "last": float(points.mean[-1]),
        "least": float(np.nanmin(points.low)),
        "greatest": float(np.nanmax(points.high)),
        "mean": float(np.nanmean(points.mean)),
    }
