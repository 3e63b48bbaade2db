"""*Scoreboard*: how often causes were right, and the incidents behind each number."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.scoreboard import Measure, ScoreFilter
from stormpetrel.web.access import guarded_router
from stormpetrel.web.knowledge_words import MEASURES, agreement
from stormpetrel.web.site import SiteOf

router = guarded_router()

_SHOWN = 100
Month = Annotated[str, Query(pattern=r"^(\d{4}-\d{2})?$")]


@router.get("/scoreboard")
def scoreboard_page(
    request: Request,
    site: SiteOf,
    of: Annotated[Measure | None, Query()] = None,
    kind: Annotated[CauseClass | None, Query()] = None,
    month: Month = "",
    certainty: Annotated[float | None, Query(ge=0.0, le=1.0)] = None,
) -> Response:
    """All shares; with `of`, the incidents that are counted in one of them as well."""
    chosen = None if of is None else ScoreFilter(of, None, kind, month or None, certainty)
    found = site.service.scored_incidents(chosen) if chosen is not None else []
    shown = found[:_SHOWN]
    context = {
        "board": site.service.scoreboard(),
        "measures": MEASURES,
        "agreement": agreement,
        "chosen": chosen,
        "total": len(found),
        "scored": [(one, one.right[chosen.measure]) for one in shown] if chosen is not None else [],
        "briefs": site.service.incident_briefs([one.incident_id for one in shown]),
    }
    return site.page(request, "scoreboard.html", context)
