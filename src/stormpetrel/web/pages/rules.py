"""*Rules*: what people said belongs together or apart; merging and splitting incidents."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.incident import Incident
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


@router.get("/rules")
def rules_page(request: Request, site: SiteOf) -> Response:
    """Every rule about two entities, newest first."""
    return site.page(request, "rules.html", {"bonds": site.service.bonds()})


@router.post("/rules/{bond_id}/delete")
def rule_delete(site: SiteOf, visit: VisitOf, bond_id: str) -> Response:
    """Forget a rule; back to the list afterwards."""
    caller = known_caller(visit)
    site.service.delete_bond(bond_id, caller)
    return RedirectResponse("/rules", 303)


@router.post("/incidents/{incident_id}/merge")
def incident_merge(
    site: SiteOf, visit: VisitOf, incident_id: str, other: Annotated[str, Form(max_length=200)]
) -> Response:
    """Put another incident into this one; to the one with everything afterwards."""
    caller = known_caller(visit)
    return _to(site.service.merge_incidents(incident_id, other.strip(), caller))


@router.post("/incidents/{incident_id}/split")
def incident_split(
    site: SiteOf,
    visit: VisitOf,
    incident_id: str,
    finding: Annotated[list[str] | None, Form(max_length=500)] = None,
) -> Response:
    """Make an incident of the chosen findings; to the new one afterwards."""
    caller = known_caller(visit)
    return _to(site.service.split_incident(incident_id, finding or [], caller))


def _to(incident: Incident) -> Response:
    return RedirectResponse(f"/incidents/{quote(incident.incident_id, safe='')}", 303)
