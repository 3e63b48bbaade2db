"""The JSON API of merging and splitting incidents, and of the rules that follow; it takes scope respond."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.api import incident_json
from stormpetrel.web.columns import json_response
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


class AskedMerge(BaseModel):
    """The body of a merge: the id of the incident that goes into this one."""

    model_config = ConfigDict(extra="forbid")

    other: str = Field(max_length=200)


class AskedSplit(BaseModel):
    """The body of a split: the ids of the findings that go."""

    model_config = ConfigDict(extra="forbid")

    findings: list[str] = Field(min_length=1, max_length=500)


@router.get("/api/v1/rules")
def rules(site: SiteOf) -> Response:
    """What people said belongs together or apart, newest first."""
    return json_response({"rules": site.service.bonds()})


@router.delete("/api/v1/rules/{bond_id}")
def delete_rule(site: SiteOf, visit: VisitOf, bond_id: str) -> Response:
    """Forget a rule."""
    site.service.delete_bond(bond_id, known_caller(visit))
    return json_response({"deleted": bond_id})


@router.post("/api/v1/incidents/{incident_id}/merge")
def merge(site: SiteOf, visit: VisitOf, incident_id: str, body: AskedMerge) -> Response:
    """Put another open incident into this one."""
    return json_response(
        incident_json(site.service.merge_incidents(incident_id, body.other, known_caller(visit)))
    )


@router.post("/api/v1/incidents/{incident_id}/split")
def split(site: SiteOf, visit: VisitOf, incident_id: str, body: AskedSplit) -> Response:
    """Make an incident of some findings of this one."""
    made = site.service.split_incident(incident_id, body.findings, known_caller(visit))
    return json_response(incident_json(made), 201)
