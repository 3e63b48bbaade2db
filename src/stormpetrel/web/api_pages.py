"""The JSON API's part on pages: the alarm budget and objectives."""

from __future__ import annotations

from starlette.responses import Response

from stormpetrel.model.page_view import PageRecord
from stormpetrel.web.access import guarded_router
from stormpetrel.web.columns import fields_of, json_response, page_json
from stormpetrel.web.show import severity_word
from stormpetrel.web.site import SiteOf

router = guarded_router()


@router.get("/api/v1/pages")
def pages(site: SiteOf) -> Response:
    """The alarm budget: promised and realised, room by severity, and decisions with rank and reason."""
    view = site.service.alarm_budget()
    tiers = [{**fields_of(one), "tier": severity_word(one.tier)} for one in view.tiers]
    weeks = [fields_of(one) for one in view.weeks]
    records = [_record(one) for one in view.records]
    return json_response({**fields_of(view), "tiers": tiers, "weeks": weeks, "records": records})


@router.get("/api/v1/slos")
def slos(site: SiteOf) -> Response:
    """Objectives with what is left of their error budgets, hour by hour."""
    return json_response({"slos": [fields_of(one) for one in site.service.slos()]})


def _record(one: PageRecord) -> dict[str, object]:
    return {**fields_of(one), "severity": severity_word(one.severity), "page": page_json(one.page)}
