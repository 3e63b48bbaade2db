"""Where a signed link leads: the plan that it asks one person about, and the form that answers.

Opening it changes nothing, so a program that previews links does nothing. Only the form answers, of somebody
who is signed in as the person of the link.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.automation_words import STATES, meaning_of
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


@router.get("/consent/{text}")
def consent_page(request: Request, site: SiteOf, visit: VisitOf, text: str) -> Response:
    """The plan, whole, and the question."""
    view = site.service.open_consent(text, known_caller(visit))
    context = {"view": view, "text": text, "states": STATES, "meaning_of": meaning_of}
    return site.page(request, "consent.html", context)


@router.post("/consent/{text}")
def consent_answer(
    site: SiteOf,
    visit: VisitOf,
    text: str,
    agreed: Annotated[bool, Form()],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """The answer; the link is used up."""
    view = site.service.answer_consent(text, agreed, known_caller(visit), reason)
    return RedirectResponse(f"/automation/runs/{quote(view.run.run_id, safe='')}", 303)
