"""Incidents: the list, one incident with its evidence, and moving it through its states."""

from __future__ import annotations

from collections import Counter
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.cause_verdict import MAX_HELPED_TEXT
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import TRANSITIONS, IncidentState
from stormpetrel.model.time import NANOS_PER_MILLISECOND, NANOS_PER_SECOND, to_iso
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.automation_words import STATES
from stormpetrel.web.knowledge_words import verdict_sentence
from stormpetrel.web.opinions import OPINIONS
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()

_PAGE = 50
_MARGIN_SECONDS = 1800
# So many findings are drawn at once; the others are drawn when they are opened.
CHARTS_AT_ONCE = 4

_VERBS: dict[IncidentState, tuple[str, str]] = {
    IncidentState.ACKNOWLEDGED: ("Acknowledge", "I am looking at it"),
    IncidentState.MITIGATED: ("Mitigate", "the harm is stopped, the cause may remain"),
    IncidentState.RESOLVED: ("Resolve", "it is over; it will not reopen"),
}


@router.get("/incidents")
def incident_list(
    request: Request,
    site: SiteOf,
    state: Annotated[str, Query(max_length=20)] = "",
    text: Annotated[str, Query(max_length=200)] = "",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """Incidents, newest first; `state` is one state, or empty for all."""
    states = (IncidentState(state),) if state in list(IncidentState) else ()
    found = site.service.list_incident_lines(states, text, _PAGE + 1, offset)
    context = {
        "incidents": found[:_PAGE],
        "state": state if states else "",
        "text": text,
        "states": list(IncidentState),
        "offset": offset,
        "newer": max(offset - _PAGE, 0) if offset else None,
        "older": offset + _PAGE if len(found) > _PAGE else None,
    }
    return site.page(request, "incidents.html", context)


@router.get("/incidents/{incident_id}")
def incident_page(request: Request, site: SiteOf, incident_id: str) -> Response:
    """One sentence, what can be done, what happened, and the evidence of every finding."""
    incident = site.service.incident(incident_id)
    moves = [(to, *_VERBS[to]) for to in IncidentState if to in TRANSITIONS[incident.state]]
    titles = Counter((finding.title, finding.entity) for finding in incident.findings)
    context = {
        "incident": incident,
        "moves": moves,
        "timeline": list(reversed(incident.timeline)),
        "findings": [(finding, rows_of(finding), seen_of(finding)) for finding in incident.findings],
        "alike": {key for key, count in titles.items() if count > 1},
        "at_once": CHARTS_AT_ONCE,
        "opinions": OPINIONS,
        "knowledge": site.service.knowledge(incident_id),
        "verdict_sentence": verdict_sentence,
        "plans": site.service.runs_of(incident_id),
        "runbooks": site.service.runbook_titles(),
        "states": STATES,
    }
    return site.page(request, "incident.html", context)


@router.post("/incidents/{incident_id}/state")
def incident_move(
    site: SiteOf,
    visit: VisitOf,
    incident_id: str,
    to: Annotated[IncidentState, Form()],
    note: Annotated[str, Form(max_length=2000)] = "",
    helped: Annotated[str, Form(max_length=MAX_HELPED_TEXT)] = "",
) -> Response:
    """Acknowledge, mitigate or resolve, with what helped if that is said; back to the incident afterwards."""
    caller = known_caller(visit)
    site.service.move_incident(incident_id, to, caller, note.strip())
    if helped.strip():
        site.service.write_helped(incident_id, helped, caller)
    return RedirectResponse(f"/incidents/{quote(incident_id, safe='')}", 303)


def rows_of(finding: Finding) -> str:
    """Address of the rows that a finding's numbers come from, with a margin around its window."""
    return _address(finding, _MARGIN_SECONDS * NANOS_PER_SECOND)


def seen_of(finding: Finding) -> str:
    """Address of exactly what was observed: the records that were counted, and no others."""
    return _address(finding, 0) if finding.evidence.signal == "log" else rows_of(finding)


def _address(finding: Finding, margin: int) -> str:
    evidence = finding.evidence
    start = quote(to_iso(max(evidence.start_unix_nano - margin, 0)))
    last = max(evidence.end_unix_nano, finding.end_unix_nano) if margin else evidence.end_unix_nano
    end = quote(to_iso(last + margin))
    if evidence.signal == "metric" and evidence.series >= 0:
        return f"/explore?series={evidence.series}&from={start}&to={end}"
    if evidence.signal == "metric":  # of an entity as a whole
        return f"/explore?text={quote(finding.entity.partition(':')[2], safe='')}&from={start}&to={end}"
    elsewhere = {"alert": f"/changes?from={start}&to={end}", "job": "/calendar", "backup": "/backups"}.get(
        evidence.signal
    )
    if elsewhere is not None:
        return elsewhere
    if finding.detector in ("new_pattern", "rare_value"):
        named = evidence.query.partition('"')[2].partition('"')[0]
        # The last record is meant too, and often it is the only one.
        end = quote(to_iso(last + margin + NANOS_PER_MILLISECOND))
        return f"/logs?pattern={quote(named, safe='')}&from={start}&to={end}"
    if finding.detector == "strange_sessions":
        trace = (finding.attributes or {}).get("trace_ids", "").partition(" ")[0]
        return f"/logs?trace={quote(trace, safe='')}&from={start}&to={end}"
    least = 13 if "warn" in evidence.query else 17
    return f"/logs?entity={quote(finding.entity, safe='')}&severity={least}&from={start}&to={end}"
