"""The report of an incident as a file: Markdown, HTML or PDF."""

from __future__ import annotations

import re
from enum import StrEnum

from fastapi import Request
from starlette.responses import Response

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.incident import Incident
from stormpetrel.model.view import SeriesView
from stormpetrel.web.access import guarded_router
from stormpetrel.web.pages.causes import address_of
from stormpetrel.web.pages.incidents import rows_of
from stormpetrel.web.report.as_html import as_html, content_security_policy
from stormpetrel.web.report.as_markdown import as_markdown
from stormpetrel.web.report.as_pdf import as_pdf
from stormpetrel.web.report.compose import Story, compose, drawn
from stormpetrel.web.report.document import Document
from stormpetrel.web.site import Site, SiteOf

router = guarded_router()


class Format(StrEnum):
    """How a report is written."""

    MARKDOWN = "md"
    HTML = "html"
    PDF = "pdf"


_MEDIA = {
    Format.MARKDOWN: "text/markdown; charset=utf-8",
    Format.HTML: "text/html; charset=utf-8",
    Format.PDF: "application/pdf",
}


@router.get("/incidents/{incident_id}/report.{written}")
def report_file(request: Request, site: SiteOf, incident_id: str, written: Format) -> Response:
    """What a team reads afterwards: facts, impact, cause, timeline, what was done, evidence; as a file."""
    return file_of(request, site, incident_id, written)


def document_of(site: Site, incident: Incident, base: str) -> Document:
    """The report of an incident as it is known now.

    Args:
        site: whose incident it is.
        incident: the incident.
        base: the address under which people reach this site, for links to the evidence.

    Raises:
        OverloadedError: others are asking for causes.
    """
    told = site.service.diagnose(incident)
    story = Story(
        incident=incident,
        told=told,
        views=_views(site, incident),
        exported_unix_nano=site.service.now_unix_nano(),
        base=base.rstrip("/"),
        rows_of=rows_of,
        address_of=address_of,
        known=site.service.knowledge(incident.incident_id),
    )
    return compose(story)


def base_of(request: Request, site: Site) -> str:
    """The address under which people reach us."""
    return site.settings.public_url or str(request.base_url)


def _views(site: Site, incident: Incident) -> dict[str, SeriesView]:
    views = {}
    for finding in drawn(incident):
        try:
            views[finding.finding_id] = site.service.finding_series(finding)
        except StormPetrelError:
            continue  # the report says that there is no chart of it
    return views


def file_of(request: Request, site: Site, incident_id: str, written: Format) -> Response:
    """The report of an incident as a file to keep.

    Raises:
        NotFoundError: there is no such incident. OverloadedError: others are asking.
    """
    document = document_of(site, site.service.incident(incident_id), base_of(request, site))
    name = re.sub(r"[^A-Za-z0-9._-]", "-", incident_id)[:80]
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="incident-{name}.{written}"',
    }
    if written is Format.HTML:
        headers["Content-Security-Policy"] = content_security_policy()
    return Response(_written(document, written), 200, headers, media_type=_MEDIA[written])


def _written(document: Document, written: Format) -> str | bytes:
    if written is Format.PDF:
        return as_pdf(document)
    return as_html(document) if written is Format.HTML else as_markdown(document)
