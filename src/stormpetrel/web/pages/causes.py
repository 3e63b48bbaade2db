"""What caused an incident: hypotheses with their evidence, as a page, a section of the incident's
page, and JSON."""

from __future__ import annotations

import re
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from stormpetrel.model.cause import Diagnosis, EvidenceItem
from stormpetrel.model.time import NANOS_PER_SECOND, to_iso
from stormpetrel.web.access import guarded_router
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.knowledge_words import key_of, verdict_sentence
from stormpetrel.web.site import SiteOf

router = guarded_router()

MOST = 5  # hypotheses and changes shown
_MARGIN_SECONDS, _AFTER_SECONDS, _CHANGES_SECONDS = 1800, 900, 7200
_VARIABLE = re.compile(r"<\*>|\s{2,}")


@router.get("/incidents/{incident_id}/causes")
def causes_page(request: Request, site: SiteOf, incident_id: str) -> Response:
    """Hypotheses, the likeliest first, and the section that the incident's page fetches from it."""
    incident = site.service.incident(incident_id)
    told = site.service.diagnose(incident)
    shown = [
        (cause, [(item, address_of(item, told)) for item in cause.evidence]) for cause in told.causes[:MOST]
    ]
    context = {
        "incident": incident,
        "told": told,
        "causes": shown,
        "changes": told.changes[:MOST],
        "changes_href": _changes_around(told),
        "knowledge": site.service.knowledge(incident_id),
        "verdict_sentence": verdict_sentence,
        "key_of": key_of,
    }
    return site.page(request, "causes.html", context)


@router.get("/api/v1/incidents/{incident_id}/causes")
def causes(site: SiteOf, incident_id: str) -> Response:
    """Every hypothesis with its evidence; scores are the sums of the weights of their evidence."""
    told = site.service.diagnose(site.service.incident(incident_id))
    return json_response(fields_of(told))


def address_of(item: EvidenceItem, told: Diagnosis) -> str:
    """Where a piece of evidence can be seen; "" for what follows from other pieces.

    Of a call that is what its entity logged at that time: spans are not shown by themselves.
    """
    start = _minute(told.since_unix_nano - _MARGIN_SECONDS * NANOS_PER_SECOND)
    end = _end(told)
    if item.signal == "metric":
        return f"/explore?text={quote(item.name, safe='')}&from={start}&to={end}"
    if item.signal == "log":
        return f"/logs?text={quote(literal_of(item.name), safe='')}&from={start}&to={end}"
    if item.signal == "trace":
        return f"/logs?entity={quote(item.entity, safe='')}&from={start}&to={end}"
    return _changes_around(told) if item.signal == "change" else ""


def _changes_around(told: Diagnosis) -> str:
    """The page of changes, from as long before the onset as they are looked at."""
    start = told.since_unix_nano - _CHANGES_SECONDS * NANOS_PER_SECOND
    return f"/changes?from={_minute(start)}&to={_end(told)}"


def _end(told: Diagnosis) -> str:
    return _minute(told.since_unix_nano + (_AFTER_SECONDS + 60) * NANOS_PER_SECOND)


def _minute(time_unix_nano: int) -> str:
    """The minute that a moment is in, short enough to be read in a field of a form."""
    return quote(to_iso(max(time_unix_nano, 0))[:16] + "Z")


def literal_of(pattern: str) -> str:
    """The longest stretch of a pattern that its records hold as it stands.

    >>> literal_of("connect to <*> failed: no route to host <*>")
    'failed: no route to host'
    """
    return max((piece.strip() for piece in _VARIABLE.split(pattern)), key=len)[:200]
