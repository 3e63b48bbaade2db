"""*Pages*: the alarm budget, what it let through and what it held, and objectives."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.page import PageDecision
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


@router.get("/pages")
def budget_page(request: Request, site: SiteOf) -> Response:
    """What is left, the weeks, paged and held with rank and reason, and what objectives burn."""
    view = site.service.alarm_budget()
    context = {
        "view": view,
        "paged": [one for one in view.records if one.page.decision is PageDecision.PAGED],
        "held": [one for one in view.records if one.page.decision is PageDecision.HELD],
        "slos": site.service.slos(),
    }
    return site.page(request, "budget.html", context)


@router.post("/incidents/{incident_id}/page")
def page_by_hand(
    site: SiteOf,
    visit: VisitOf,
    incident_id: str,
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Page what was held; back to the incident afterwards."""
    caller = known_caller(visit)
    site.service.page_incident(incident_id, caller, note.strip())
    return RedirectResponse(f"/incidents/{quote(incident_id, safe='')}", 303)
