"""*Changes*: deploys and other changes, and alerts of other systems, as they told us."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from stormpetrel.web.access import guarded_router
from stormpetrel.web.site import SiteOf
from stormpetrel.web.windows import PRESETS, span

router = guarded_router()

_LIMIT = 200


@router.get("/changes")
def changes_page(
    request: Request,
    site: SiteOf,
    start: Annotated[str, Query(alias="from", max_length=40)] = "",
    to: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Changes and alerts of a window, newest first."""
    shown = span(start, to, site.service.now_unix_nano(), "-1d")
    context = {
        "span": shown,
        "presets": PRESETS,
        "parameters": {name: value for name, value in (("from", start), ("to", to)) if value},
        "changes": site.service.changes(shown.window, _LIMIT),
        "alerts": site.service.alerts(shown.window, _LIMIT),
        "limit": _LIMIT,
    }
    return site.page(request, "changes.html", context)
