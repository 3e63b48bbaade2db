"""*Notifications*: who is told of what, what became of it, and a message to see that it arrives."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


@router.get("/settings/notifications")
def notifications_page(
    request: Request, site: SiteOf, tried: Annotated[str, Query(max_length=60)] = ""
) -> Response:
    """Routes and the newest messages; `tried`: a test was just sent there."""
    view = site.service.notifications()
    known = tried if any(one.name == tried for one in view.routes) else ""
    return site.page(request, "notifications.html", {"view": view, "tried": known})


@router.post("/settings/notifications/{route}/test")
def notifications_trial(site: SiteOf, visit: VisitOf, route: str) -> Response:
    """Send a test."""
    site.service.send_trial(route, known_caller(visit))
    return RedirectResponse(f"/settings/notifications?tried={quote(route, safe='')}", 303)
