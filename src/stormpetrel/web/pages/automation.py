"""*Automation*: the kill switch, what waits for people, runs, runbooks and what they may touch."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.action import Autonomy
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.automation_words import LEVELS, STATES, entry_text, meaning_of
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()

Reason = Annotated[str, Form(max_length=500)]
Name = Annotated[str, Form(max_length=300)]


@router.get("/automation")
def automation_page(
    request: Request, site: SiteOf, second: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """All of it at a glance; `second`: a release was asked for, and takes another person."""
    view = site.service.automation()
    context = {"view": view, "states": STATES, "levels": LEVELS, "second": bool(second)}
    return site.page(request, "automation.html", context)


@router.get("/automation/runs/{run_id}")
def run_page(request: Request, site: SiteOf, run_id: str) -> Response:
    """One plan: what it would do, what every guardrail says, who agreed, and what happened."""
    view = site.service.automation_run(run_id)
    told = [(entry, entry_text(entry)) for entry in view.entries]
    return site.page(
        request,
        "run.html",
        {"view": view, "states": STATES, "told": told, "meaning_of": meaning_of},
    )


@router.get("/automation/runbooks/{name}")
def runbook_page(request: Request, site: SiteOf, name: str) -> Response:
    """One runbook: its record, its versions, and what changed."""
    return site.page(request, "runbook.html", {"view": site.service.runbook(name), "levels": LEVELS})


@router.get("/automation/ledger")
def ledger_page(request: Request, site: SiteOf, after: Annotated[int, Query(ge=0)] = 0) -> Response:
    """The ledger, in order."""
    entries = site.service.ledger(after, "", 200)
    told = [(entry, entry_text(entry)) for entry in entries]
    return site.page(request, "ledger.html", {"told": told, "after": after})


@router.post("/automation/runs/{run_id}/answer")
def run_answer(
    site: SiteOf,
    visit: VisitOf,
    run_id: str,
    plan_hash: Annotated[str, Form(max_length=64)],
    agreed: Annotated[bool, Form()],
    reason: Reason = "",
) -> Response:
    """Agree to exactly the plan that was shown, or not."""
    site.service.answer_plan(run_id, plan_hash, agreed, known_caller(visit), "page", reason)
    return _to_run(run_id)


@router.post("/automation/runs/{run_id}/decide")
def run_decide(
    site: SiteOf,
    visit: VisitOf,
    run_id: str,
    decision: Annotated[str, Form(max_length=40)],
    reason: Reason = "",
) -> Response:
    """End the doubt of a held run."""
    site.service.decide_held(run_id, decision, known_caller(visit), reason)
    return _to_run(run_id)


@router.post("/automation/runs/{run_id}/opinion")
def run_opinion(
    site: SiteOf, visit: VisitOf, run_id: str, opinion: Annotated[str, Form(max_length=40)]
) -> Response:
    """Say whether it was useful."""
    site.service.judge_run(run_id, opinion, known_caller(visit))
    return _to_run(run_id)


@router.post("/incidents/{incident_id}/propose")
def incident_propose(site: SiteOf, visit: VisitOf, incident_id: str, runbook: Name) -> Response:
    """Ask for a plan of a runbook for this incident."""
    return _to_run(site.service.propose(runbook, incident_id, known_caller(visit)).run.run_id)


@router.post("/automation/switch/engage")
def switch_engage(site: SiteOf, visit: VisitOf, scope: Name = "global", reason: Reason = "") -> Response:
    """Stop automation, or a part of it."""
    site.service.engage_switch(scope, reason, known_caller(visit))
    return RedirectResponse("/automation", 303)


@router.post("/automation/switch/release")
def switch_release(site: SiteOf, visit: VisitOf, scope: Name, reason: Reason = "") -> Response:
    """Let it go on."""
    released = site.service.release_switch(scope, reason, known_caller(visit))
    return RedirectResponse("/automation" if released else "/automation?second=wanted", 303)


@router.post("/automation/breaker/close")
def breaker_close(site: SiteOf, visit: VisitOf, reason: Reason = "") -> Response:
    """Let automatic runs go on."""
    site.service.close_breaker(reason, known_caller(visit))
    return RedirectResponse("/automation", 303)


@router.post("/automation/runbooks/{name}/sign")
def runbook_sign(
    site: SiteOf, visit: VisitOf, name: str, version: Annotated[str, Form(max_length=64)]
) -> Response:
    """Sign exactly the version that was shown."""
    site.service.sign_runbook(name, version, known_caller(visit))
    return _to_runbook(name)


@router.post("/automation/runbooks/{name}/autonomy")
def runbook_autonomy(
    site: SiteOf, visit: VisitOf, name: str, level: Annotated[Autonomy, Form()], reason: Reason = ""
) -> Response:
    """Set the level."""
    site.service.set_autonomy(name, level, reason, known_caller(visit))
    return _to_runbook(name)


def _to_run(run_id: str) -> Response:
    return RedirectResponse(f"/automation/runs/{quote(run_id, safe='')}", 303)


def _to_runbook(name: str) -> Response:
    return RedirectResponse(f"/automation/runbooks/{quote(name, safe='')}", 303)
