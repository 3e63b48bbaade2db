"""Links to one incident's report: made, listed and revoked by responders, opened by whoever has one."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from stormpetrel.errors import StateError
from stormpetrel.model.share import Lifetime
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.pages.report import base_of, document_of
from stormpetrel.web.report.as_html import as_html, content_security_policy
from stormpetrel.web.site import Site, SiteOf, Visit, VisitOf

router = guarded_router()


@router.get("/shared/{secret:path}")
def shared_report(request: Request, site: SiteOf, secret: str) -> Response:
    """The report that a link opens, as HTML; what every answer here says is `web.private`'s."""
    address = request.client.host if request.client else ""
    incident = site.service.open_share(secret.rstrip("/"), address)
    # Not what this reader called us by: that would stand in others' links, and each name would cost anew.
    base = site.settings.public_url
    key = f"{incident.updated_unix_nano} {incident.incident_id}"
    now = site.service.now_unix_nano()
    text = site.shared.of(key, now, lambda: as_html(document_of(site, incident, base)))
    return HTMLResponse(text, headers={"Content-Security-Policy": content_security_policy()})


@router.get("/incidents/{incident_id}/shares")
def shares_page(request: Request, site: SiteOf, visit: VisitOf, incident_id: str) -> Response:
    """The links of an incident, and the form that makes one; a section of the incident's page."""
    return _shares(request, site, visit, incident_id)


@router.post("/incidents/{incident_id}/shares")
def share_make(
    request: Request,
    site: SiteOf,
    visit: VisitOf,
    incident_id: str,
    lifetime: Annotated[Lifetime, Form()] = Lifetime.DAY,
) -> Response:
    """Make a link; its address is on this answer and never again."""
    try:
        _, secret = site.service.share_incident(incident_id, lifetime, known_caller(visit))
    except StateError as error:
        return _shares(request, site, visit, incident_id, problem=str(error))
    return _shares(request, site, visit, incident_id, made=shared_address(base_of(request, site), secret))


@router.post("/incidents/{incident_id}/shares/{share_id}/revoke")
def share_revoke(site: SiteOf, visit: VisitOf, incident_id: str, share_id: str) -> Response:
    """A link opens nothing from now on; back to the list afterwards."""
    site.service.revoke_share(incident_id, share_id, known_caller(visit))
    return RedirectResponse(f"/incidents/{quote(incident_id, safe='')}/shares", 303)


def shared_address(base: str, secret: str) -> str:
    """The whole address of a link."""
    return f"{base.rstrip('/')}/shared/{secret}"


def _shares(
    request: Request, site: Site, visit: Visit, incident_id: str, *, made: str = "", problem: str = ""
) -> Response:
    context = {
        "incident": site.service.incident(incident_id),
        "shares": site.service.shares(incident_id, known_caller(visit)),
        "lifetimes": list(Lifetime),
        "usual": Lifetime.DAY,
        "made": made,
        "problem": problem,
    }
    return site.page(request, "shares.html", context, status=409 if problem else 200)
