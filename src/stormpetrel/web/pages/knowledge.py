"""What people say of an incident's cause and what helped, and earlier incidents that are like it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.cause_verdict import (
    MAX_HELPED_TEXT,
    MAX_VERDICT_ENTITY,
    MAX_VERDICT_TEXT,
    CauseSaying,
    CauseStatement,
)
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.knowledge_words import key_of, verdict_sentence
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


class Saying(BaseModel):
    """The form of a verdict; `entity` stands for a hypothesis by its key, `seen` for the ranking it is of."""

    said: CauseSaying
    entity: str = Field("", max_length=MAX_VERDICT_ENTITY)
    text: str = Field("", max_length=2 * MAX_VERDICT_TEXT)
    seen: str = Field("", max_length=64)


@router.post("/incidents/{incident_id}/verdict")
def say(
    site: SiteOf,
    visit: VisitOf,
    incident_id: str,
    form: Annotated[Saying, Form()],
) -> Response:
    """Say that a hypothesis was it or was not, that it was something else, or that there was none to find."""
    caller, entity = known_caller(visit), form.entity
    if form.said in (CauseSaying.IT, CauseSaying.NOT_IT):
        told = site.service.knowledge(incident_id).seen(form.seen)
        hypotheses = told.causes if told is not None else ()
        entity = next((one.entity for one in hypotheses if key_of(one.entity) == entity), entity)
    site.service.say_cause(incident_id, CauseStatement(form.said, entity, form.text, form.seen), caller)
    return _back(incident_id, "look-back")


@router.post("/incidents/{incident_id}/verdict/take-back")
def take_back(site: SiteOf, visit: VisitOf, incident_id: str) -> Response:
    """Take back all that was said of the cause."""
    caller = known_caller(visit)
    site.service.take_back_cause(incident_id, caller)
    return _back(incident_id, "look-back")


@router.post("/incidents/{incident_id}/helped")
def helped(
    site: SiteOf,
    visit: VisitOf,
    incident_id: str,
    # Browsers send each end of line as two characters and count it as one.
    text: Annotated[str, Form(max_length=2 * MAX_HELPED_TEXT)] = "",
) -> Response:
    """Write what helped; nothing written takes it away."""
    caller = known_caller(visit)
    site.service.write_helped(incident_id, text.replace("\r\n", "\n"), caller)
    return _back(incident_id, "look-back")


@router.get("/incidents/{incident_id}/similar")
def similar_page(request: Request, site: SiteOf, incident_id: str) -> Response:
    """Earlier incidents that are like one, and the section that the incident's page fetches from it."""
    incident = site.service.incident(incident_id)
    context = {
        "incident": incident,
        "alike": site.service.similar_incidents(incident_id),
        "verdict_sentence": verdict_sentence,
    }
    return site.page(request, "similar.html", context)


def _back(incident_id: str, part: str) -> Response:
    return RedirectResponse(f"/incidents/{quote(incident_id, safe='')}#{part}", 303)
