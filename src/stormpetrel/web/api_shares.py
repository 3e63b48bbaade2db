"""The API of reports, and of links to them, which takes scope respond."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from stormpetrel.model.share import Lifetime, ShareLink
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.pages.report import Format, base_of, file_of
from stormpetrel.web.pages.shared import shared_address
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


class AskedShare(BaseModel):
    """The body of a new link: how long it is good for."""

    model_config = ConfigDict(extra="forbid")

    lifetime: Lifetime = Lifetime.DAY


@router.get("/api/v1/incidents/{incident_id}/report")
def report(
    request: Request,
    site: SiteOf,
    incident_id: str,
    written: Annotated[Format, Query(alias="format")] = Format.MARKDOWN,
) -> Response:
    """The report as a file; `format` is `md` (the default), `html` or `pdf`, and all three say the same."""
    return file_of(request, site, incident_id, written)


@router.get("/api/v1/incidents/{incident_id}/shares")
def shares(site: SiteOf, visit: VisitOf, incident_id: str) -> Response:
    """The links to an incident's report that have not ended, newest first; never their secrets."""
    found = site.service.shares(incident_id, known_caller(visit))
    return json_response({"shares": [share_json(link) for link in found]})


@router.post("/api/v1/incidents/{incident_id}/shares")
def make_share(
    request: Request, site: SiteOf, visit: VisitOf, incident_id: str, body: AskedShare
) -> Response:
    """Make a link that is good for `1h`, `1d` (the default), `7d` or `30d`; its `url` is told once."""
    link, secret = site.service.share_incident(incident_id, body.lifetime, known_caller(visit))
    return json_response({**share_json(link), "url": shared_address(base_of(request, site), secret)}, 201)


@router.delete("/api/v1/incidents/{incident_id}/shares/{share_id}")
def revoke_share(site: SiteOf, visit: VisitOf, incident_id: str, share_id: str) -> Response:
    """A link opens nothing from now on."""
    site.service.revoke_share(incident_id, share_id, known_caller(visit))
    return json_response({"revoked": share_id})


def share_json(link: ShareLink) -> dict[str, Any]:
    """A link without what is kept of its secret."""
    return {name: value for name, value in fields_of(link).items() if name != "token_hash"}
