"""The JSON API's part on the topology: who calls whom and what runs on what, now or at a moment."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from stormpetrel.web.access import guarded_router
from stormpetrel.web.columns import json_response
from stormpetrel.web.site import SiteOf
from stormpetrel.web.windows import moment

router = guarded_router()


@router.get("/api/v1/topology")
def topology(site: SiteOf, at: Annotated[str, Query(max_length=40)] = "now") -> Response:
    """Entities with their roles, and edges with when they were seen, as it was at a moment.

    `at` is now, a time back from now as `-6h`, or ISO 8601.
    """
    return json_response(site.service.topology(moment(at, site.service.now_unix_nano())))
