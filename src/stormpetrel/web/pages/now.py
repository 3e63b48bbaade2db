"""*Now*: what is wrong, and whether this system can see at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response

from stormpetrel.app.service_automation import AutomationService
from stormpetrel.app.service_knowledge import KnowledgeService
from stormpetrel.model.automation_view import RunLine
from stormpetrel.model.incident import IncidentLine
from stormpetrel.model.run import AWAITED
from stormpetrel.model.time import from_seconds
from stormpetrel.model.view import NowView
from stormpetrel.web.access import guarded_router
from stormpetrel.web.automation_words import STATES
from stormpetrel.web.site import SiteOf

router = guarded_router()

# Worst first: what needs a look stands on top of the list of sources.
_SOURCE_ORDER = {"failing": 0, "quiet": 1, "waiting": 2, "healthy": 3}
# After every priority there is: an incident of before priorities were kept.
_UNWEIGHED = 5
_CAUSES_SHOWN = 3  # on the page, of the worst incidents: each costs a read, and once a minute a diagnosis
_FRESH = from_seconds(60.0)


@router.get("/")
def now_page(request: Request, site: SiteOf) -> Response:
    """Open incidents, each with its cause and plan; plans that wait; sources; what is unknown."""
    view = site.service.now()
    context = now_context(view)
    context |= cause_context(site.service, context["incidents"], view.now_unix_nano)
    context |= plan_context(site.service)
    return site.page(request, "now.html", context)


def cause_context(
    service: KnowledgeService, incidents: Sequence[IncidentLine], now_unix_nano: int
) -> dict[str, Any]:
    """What was told of the causes of the worst incidents last, and of which of them that is new enough."""
    told = service.last_told([one.incident_id for one in incidents[:_CAUSES_SHOWN]])
    fresh = {key for key, one in told.items() if now_unix_nano - one.time_unix_nano < _FRESH}
    return {"told": told, "fresh": fresh, "most_causes": _CAUSES_SHOWN}


def plan_context(service: AutomationService) -> dict[str, Any]:
    """The plans that wait for a person, and of every incident the plan that says what to do about it: one
    that waits, or else the newest under way."""
    runs = service.plans_open()
    waiting = [one for one in runs if one.state in AWAITED]
    planned: dict[str, RunLine] = {}
    for one in (*waiting, *runs):
        planned.setdefault(one.incident_id, one)
    titles = dict(service.runbook_titles()) if planned else {}
    return {"waiting": waiting, "planned": planned, "plan_titles": titles, "run_states": STATES}


def now_context(view: NowView) -> dict[str, Any]:
    """What the template shows: incidents worst first, sources by trouble, and the unknowns in words."""
    incidents = sorted(view.open_incidents, key=_urgency)
    sources = sorted(view.sources, key=lambda s: (_SOURCE_ORDER.get(s.state, 0), s.name))
    judged = max(view.series_total - view.series_unknown - view.series_warming_up, 0)
    states = Counter(source.state for source in sources)
    # Calm over a small part is not calm: until half of what speaks is judged nothing is called quiet.
    learning = bool(states["healthy"]) and judged <= view.series_warming_up
    # Series that ended without a word stay silent for ever: only where nothing at all comes does that count.
    arriving = view.samples_per_second or view.log_records_per_second
    silent = bool(states["healthy"]) and not learning and not arriving and judged <= view.series_unknown
    return {
        "view": view,
        "incidents": incidents,
        "sources": sources,
        "states": states,
        "unknowns": unknowns(view, states),
        "judged": judged,
        "blind": learning or silent or not states["healthy"],
        "learning": learning,
        "silent": silent,
    }


def _urgency(incident: IncidentLine) -> tuple[int, bool, int, int]:
    """P1 first; within a priority what nobody has taken up yet, then the worst, then the newest."""
    level = incident.priority.level if incident.priority is not None else _UNWEIGHED
    return (level, incident.state != "open", -incident.severity, -incident.start_unix_nano)


def unknowns(view: NowView, states: Counter[str]) -> list[str]:
    """Sentences on what cannot be said: quiet is not the same as healthy."""
    said = []
    if view.series_unknown:
        said.append(
            f"{_count(view.series_unknown, 'series has', 'series have')} fallen silent: state unknown."
        )
    if view.series_warming_up:
        warming = _count(view.series_warming_up, "series is", "series are")
        said.append(f"{warming} warming up: not judged yet.")
    for state, text in (
        ("failing", "failing: nothing of it is judged."),
        ("quiet", "quiet for longer than usual: what it watches is unknown."),
        ("waiting", "waiting: it has never spoken."),
    ):
        if states[state]:
            said.append(f"{_count(states[state], 'source is', 'sources are')} {text}")
    if view.quarantined_last_hour:
        kept = _count(view.quarantined_last_hour, "sample was", "samples were")
        said.append(f"{kept} kept apart in the last hour: not judged.")
    return said


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
