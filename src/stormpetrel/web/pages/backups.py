"""*Backups*: how every entity stands by the backups that tools reported."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from stormpetrel.web.access import guarded_router
from stormpetrel.web.site import SiteOf

router = guarded_router()

_ORDER = ("overdue", "failed", "good", "tested")


@router.get("/backups")
def backups_page(request: Request, site: SiteOf) -> Response:
    """All entities, those that need somebody first."""
    now = site.service.now_unix_nano()
    views = [(view.state(now), view) for view in site.service.backups()]
    views.sort(key=lambda one: (_ORDER.index(one[0]), one[1].standing.entity))
    return site.page(request, "backups.html", {"views": views})
