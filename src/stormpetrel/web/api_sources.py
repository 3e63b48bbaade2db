"""The JSON API's part on sources: their quality, what is kept apart, and what others told."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from stormpetrel.model.view import QuarantineEntry, SourcePage
from stormpetrel.web.access import guarded_router
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.site import SiteOf
from stormpetrel.web.windows import span

router = guarded_router()

From = Annotated[str, Query(alias="from", max_length=40)]
To = Annotated[str, Query(max_length=40)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/api/v1/sources")
def sources(site: SiteOf) -> Response:
    """Every source with rate, lag, quality and its reasons."""
    return json_response({"sources": [fields_of(view) for view in site.service.sources()]})


@router.get("/api/v1/sources/{name:path}")
def source(site: SiteOf, name: str) -> Response:
    """One source with its counts and its worst series."""
    return json_response(_source(site.service.source(name)))


@router.get("/api/v1/quarantine")
def quarantine(site: SiteOf) -> Response:
    """What is kept apart, by series and verdict."""
    return json_response({"entries": [_entry(entry) for entry in site.service.quarantine()]})


@router.get("/api/v1/alerts")
def alerts(site: SiteOf, start: From = "", to: To = "", limit: Limit = 200) -> Response:
    """Alerts of other systems, newest first."""
    window = span(start, to, site.service.now_unix_nano(), "-1d").window
    return json_response({"alerts": [fields_of(one) for one in site.service.alerts(window, limit)]})


@router.get("/api/v1/changes")
def changes(site: SiteOf, start: From = "", to: To = "", limit: Limit = 200) -> Response:
    """Deploys and other changes, newest first."""
    window = span(start, to, site.service.now_unix_nano(), "-1d").window
    return json_response({"changes": [fields_of(one) for one in site.service.changes(window, limit)]})


@router.get("/api/v1/flows")
def flows(
    site: SiteOf,
    start: From = "",
    to: To = "",
    address: Annotated[str, Query(max_length=64)] = "",
    limit: Limit = 200,
) -> Response:
    """Network flows that start in the window, newest first; of one address, when given."""
    window = span(start, to, site.service.now_unix_nano(), "-1h").window
    return json_response({"flows": [fields_of(one) for one in site.service.flows(window, limit, address)]})


def _source(page: SourcePage) -> dict[str, Any]:
    return {
        **fields_of(page.view),
        "verdicts": {count.verdict.name.lower(): count.count for count in page.verdicts},
        "rejected": dict(page.rejected),
        "series_total": page.series_total,
        "series_limit": page.series_limit,
        "worst": [
            {"series": one.info.series, "selector": one.info.text(), "quality_ratio": one.quality_ratio,
             "verdicts": list(one.verdicts)}
            for one in page.worst
        ],
    }  # fmt: skip


def _entry(entry: QuarantineEntry) -> dict[str, Any]:
    return {
        "series": entry.info.series,
        "selector": entry.info.text(),
        "verdict": entry.verdict.name.lower(),
        "samples": entry.samples,
        "first_unix_nano": entry.first_unix_nano,
        "last_unix_nano": entry.last_unix_nano,
        "least": entry.least if entry.least == entry.least else None,
        "greatest": entry.greatest if entry.greatest == entry.greatest else None,
        "releasable": entry.releasable,
    }
