"""For the machines that look after us: process up, ready, our own metrics."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from stormpetrel.web.access import guarded_router
from stormpetrel.web.errors import RETRY_SECONDS, error_body
from stormpetrel.web.site import SiteOf

router = guarded_router()

_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz")
def healthz() -> Response:
    """The process answers; says nothing of the store or the sources."""
    return Response(orjson.dumps({"status": "up"}), media_type="application/json")


@router.get("/readyz")
def readyz(site: SiteOf) -> Response:
    """200 when signals can be taken and kept, else 503 and why; `degraded` says what is amiss meanwhile."""
    ready, why = site.service.ready()
    if ready:
        told = {"status": "ready"} if why in ("", "ready") else {"status": "ready", "degraded": why}
        return Response(orjson.dumps(told), media_type="application/json")
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return Response(error_body("not_ready", why, True), 503, headers, media_type="application/json")


@router.get("/metrics")
def metrics(site: SiteOf) -> Response:
    """Our own metrics in Prometheus' text format."""
    return Response(site.service.own_metrics(), media_type=_PROMETHEUS_TEXT)
