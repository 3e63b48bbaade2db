"""The JSON API, version 1: the same answers the pages show. Times are Unix nanoseconds, names carry units."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from stormpetrel.errors import NotFoundError
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident, IncidentLine, IncidentState
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.web.access import guarded_router
from stormpetrel.web.columns import fields_of, finding_json, json_response, page_json, series_columns
from stormpetrel.web.filters import LogFilter
from stormpetrel.web.show import severity_word
from stormpetrel.web.site import SiteOf
from stormpetrel.web.windows import span

router = guarded_router()

From = Annotated[str, Query(alias="from", max_length=40)]
To = Annotated[str, Query(max_length=40)]
Text = Annotated[str, Query(max_length=400)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


@router.get("/api/v1/now")
def now(site: SiteOf) -> Response:
    """Open incidents without their findings, sources, and how much is known."""
    view = site.service.now()
    body = {
        **fields_of(view),
        "open_incidents": [line_json(incident) for incident in view.open_incidents],
    }
    return json_response(body)


@router.get("/api/v1/incidents")
def incidents(
    site: SiteOf,
    state: Annotated[list[IncidentState] | None, Query()] = None,
    text: Text = "",
    limit: Limit = 100,
    offset: Offset = 0,
    brief: bool = False,
) -> Response:
    """Incidents, newest start first, with `brief` without findings and timelines; `next_offset` is null on
    the last page."""
    asked = (state or (), text, limit + 1, offset)
    found: list[dict[str, Any]]
    if brief:
        found = [line_json(one) for one in site.service.list_incident_lines(*asked)]
    else:
        found = [incident_json(one) for one in site.service.list_incidents(*asked)]
    more = offset + limit if len(found) > limit else None
    return json_response({"incidents": found[:limit], "next_offset": more})


@router.get("/api/v1/incidents/{incident_id}")
def incident(site: SiteOf, incident_id: str) -> Response:
    """One incident, whole."""
    return json_response(incident_json(site.service.incident(incident_id)))


@router.get("/api/v1/incidents/{incident_id}/findings/{finding_id}/points")
def finding_points(site: SiteOf, incident_id: str, finding_id: str) -> Response:
    """The evidence of one finding as columns: observed, expected band, and where it was strange."""
    finding = finding_of(site.service.incident(incident_id), finding_id)
    if finding.evidence.series < 0:
        raise NotFoundError(f"finding {finding_id} is not about one series; its rows are log records")
    return json_response(series_columns(site.service.finding_series(finding)))


@router.get("/api/v1/findings")
def findings(site: SiteOf, start: From = "", to: To = "", limit: Limit = 500) -> Response:
    """Findings that overlap the window, newest start first."""
    window = span(start, to, site.service.now_unix_nano(), "-1d").window
    return json_response({"findings": [finding_json(one) for one in site.service.findings(window, limit)]})


@router.get("/api/v1/series")
def series_search(site: SiteOf, text: Text = "", limit: Limit = 50, offset: Offset = 0) -> Response:
    """Series whose selector holds every word of `text`."""
    page = site.service.search_series(text, limit, offset)
    return json_response({"series": [_series(info) for info in page.series], "total": page.total})


@router.get("/api/v1/series/{series}")
def series_one(site: SiteOf, series: int) -> Response:
    """What is known of one series."""
    return json_response(_series(site.service.series_info(series)))


@router.get("/api/v1/series/{series}/points")
def series_points(
    site: SiteOf,
    series: int,
    start: From = "",
    to: To = "",
    max_points: Annotated[int, Query(ge=10, le=100_000)] = 4000,
    band: bool = True,
) -> Response:
    """Points of one series as columns, with its expected band when asked for."""
    site.service.series_info(series)
    window = span(start, to, site.service.now_unix_nano()).window
    return json_response(series_columns(site.service.series(series, window, max_points, band)))


@router.get("/api/v1/logs")
def logs(site: SiteOf, query: Annotated[LogFilter, Query()]) -> Response:
    """Log records, newest first; continue with `before` = `next_before` until that is null."""
    found = site.service.logs(query.log_query(site.service.now_unix_nano()))
    more = query.next_before(found)
    records = [{**fields_of(record), "pattern": f"{record.pattern:016x}"} for record in found]
    return json_response({"records": records, "next_before": more})


@router.get("/api/v1/logs/counts")
def log_counts(
    site: SiteOf, query: Annotated[LogFilter, Query()], buckets: Annotated[int, Query(ge=1, le=500)] = 60
) -> Response:
    """Log records per bucket of time and severity number (25 columns)."""
    counts = site.service.log_counts(query.log_query(site.service.now_unix_nano()), buckets)
    return json_response(fields_of(counts))


@router.get("/api/v1/quality")
def quality(site: SiteOf) -> Response:
    """What the quality gate refused, kept apart, or let in with a remark."""
    view = site.service.quality()
    quarantined = [
        {"verdict": verdict, "series": _series(info), "time_unix_nano": time, "value": value}
        for verdict, info, time, value in view.quarantined
    ]
    counts = [{**fields_of(count), "verdict": count.verdict.name.lower()} for count in view.counts]
    return json_response({**fields_of(view), "counts": counts, "quarantined": quarantined})


@router.get("/api/v1/about")
def about(site: SiteOf) -> Response:
    """Versions, throughput, lag, drops, sizes and models of this system."""
    return json_response(fields_of(site.service.about()))


def finding_of(incident_: Incident, finding_id: str) -> Finding:
    """One finding of an incident.

    Raises:
        NotFoundError: the incident has none of that id.
    """
    for finding in incident_.findings:
        if finding.finding_id == finding_id:
            return finding
    raise NotFoundError(f"incident {incident_.incident_id} has no finding {finding_id}")


def incident_json(one: Incident) -> dict[str, Any]:
    """An incident whole, severities as words."""
    return {
        **fields_of(one),
        "severity": severity_word(one.severity),
        "findings": [finding_json(f) for f in one.findings],
        "page": page_json(one.page),
    }


def line_json(one: IncidentLine) -> dict[str, Any]:
    """An incident as a list tells it, severities as words."""
    return {**fields_of(one), "severity": severity_word(one.severity), "page": page_json(one.page)}


def _series(info: SeriesInfo) -> dict[str, Any]:
    return {**fields_of(info), "labels": dict(info.labels), "text": info.text()}
