"""«Why is this (not) strange?» of findings and of any sample, and what people said of findings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.explanation import Explanation, PastSlot
from stormpetrel.model.feedback import Opinion
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.api import finding_of
from stormpetrel.web.opinions import OPINIONS
from stormpetrel.web.site import SiteOf, VisitOf
from stormpetrel.web.windows import around, moment

router = guarded_router()

_WIDTH = 100.0


@router.get("/incidents/{incident_id}/findings/{finding_id}/why")
def finding_why(request: Request, site: SiteOf, incident_id: str, finding_id: str) -> Response:
    """The explanation of a finding: a page, and the section that the incident's page fetches from it."""
    incident = site.service.incident(incident_id)
    finding = finding_of(incident, finding_id)
    said = site.service.explain_finding(finding)
    context = {"said": said, "bars": bars(said), "incident": incident, "finding": finding, "at": ""}
    return site.page(request, "explain.html", context)


@router.get("/explain")
def point_page(
    request: Request,
    site: SiteOf,
    series: Annotated[int, Query(ge=0, lt=1 << 32)],
    at: Annotated[str, Query(max_length=40)] = "now",
) -> Response:
    """Any series at any moment: its stored past is judged again with the same bank."""
    time = moment(at, site.service.now_unix_nano())
    said = site.service.explain_point(series, time)
    start, end = around(said.judged.time_unix_nano, 3 * 3600.0)
    context = {"said": said, "bars": bars(said), "incident": None, "finding": None, "at": at}
    return site.page(request, "explain.html", {**context, "chart_from": start, "chart_to": end})


@router.post("/incidents/{incident_id}/findings/{finding_id}/feedback")
def give(
    site: SiteOf,
    visit: VisitOf,
    incident_id: str,
    finding_id: str,
    opinion: Annotated[Opinion, Form()],
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """A person says what a finding was worth."""
    caller = known_caller(visit)
    given = site.service.give_feedback(incident_id, finding_id, opinion, caller, note.strip())
    return RedirectResponse(f"/feedback?done={quote(given.feedback_id, safe='')}", 303)


@router.get("/feedback")
def feedback_page(
    request: Request, site: SiteOf, done: Annotated[str, Query(max_length=60)] = ""
) -> Response:
    """What is adjusted now and by whom, and everything that was said."""
    view = site.service.feedback()
    context = {"view": view, "words": {opinion: word for opinion, word, _ in OPINIONS}, "done": done}
    return site.page(request, "feedback.html", context)


@router.post("/feedback/{feedback_id}/undo")
def undo(site: SiteOf, visit: VisitOf, feedback_id: str) -> Response:
    """A person takes an opinion back."""
    caller = known_caller(visit)
    site.service.undo_feedback(feedback_id, caller)
    return RedirectResponse("/feedback", 303)


def bars(said: Explanation) -> dict[str, object] | None:
    """The band and the past slots on one scale of 0 to 100, for a row of small drawings; None without any."""
    known = [slot for slot in said.past if slot.samples]
    judged = said.judged
    numbers = [judged.observed, judged.low, judged.high]
    numbers += [edge for slot in known for edge in (slot.least, slot.greatest)]
    finite = [one for one in numbers if abs(one) < float("inf")]
    if not known or not finite:
        return None
    low, high = min(finite), max(finite)
    size = high - low or 1.0

    def place(value: float) -> float:
        if math.isnan(value):
            return -1.0
        return round((min(max(value, low), high) - low) / size * _WIDTH, 2)

    return {
        "band": (place(judged.low), place(judged.high)),
        "observed": place(judged.observed),
        "slots": {slot.label: _bar(slot, place) for slot in known},
    }


def _bar(slot: PastSlot, place: Callable[[float], float]) -> tuple[float, float, float]:
    return place(slot.least), place(slot.greatest), place(slot.mean)
