"""The JSON API of automation: looking takes scope read or approve, stopping respond, answering approve."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from stormpetrel.model import canonical
from stormpetrel.model.automation_view import RunView
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.site import SiteOf, VisitOf
from stormpetrel.web.windows import span

router = guarded_router()


class AskedAnswer(BaseModel):
    """An answer to a plan: `plan_hash` is of exactly the plan that was looked at."""

    model_config = ConfigDict(extra="forbid")

    plan_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    agreed: bool
    reason: str = Field("", max_length=500)
    channel: Literal["api", "cli"] = "api"


class AskedFlight(BaseModel):
    """The body of a flight: times as in addresses. Seven days with telemetry are what `auto` needs."""

    model_config = ConfigDict(extra="forbid")

    start: str = Field("-8d", alias="from", max_length=40)
    to: str = Field("now", max_length=40)


class AskedSwitch(BaseModel):
    """Why a kill switch is engaged."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)


@router.get("/api/v1/automation")
def automation(site: SiteOf) -> Response:
    """Switches, budget, runbooks with their records, actuators, and the newest runs."""
    return json_response(canonical.plain(site.service.automation()))


@router.get("/api/v1/automation/flights")
def flights(site: SiteOf) -> Response:
    """The flights that are kept, newest first, without their reports."""
    kept = [canonical.plain(replace(one, report=None)) for one in site.service.flights()]
    return json_response({"flights": kept})


@router.post("/api/v1/automation/flights")
def start_flight(site: SiteOf, visit: VisitOf, body: AskedFlight) -> Response:
    """Queue a flight over a stored past."""
    window = span(body.start, body.to, site.service.now_unix_nano()).window
    return json_response(canonical.plain(site.service.start_flight(window, known_caller(visit))), 202)


@router.get("/api/v1/automation/flights/{flight_id}")
def flight(site: SiteOf, flight_id: str) -> Response:
    """One flight, with its report when it is done."""
    return json_response(canonical.plain(site.service.flight(flight_id)))


@router.post("/api/v1/automation/flights/{flight_id}/cancel")
def cancel_flight(site: SiteOf, visit: VisitOf, flight_id: str) -> Response:
    """Stop a flight."""
    return json_response(canonical.plain(site.service.cancel_flight(flight_id, known_caller(visit))))


@router.get("/api/v1/automation/runs/{run_id}")
def automation_run(site: SiteOf, run_id: str) -> Response:
    """One run: its plan and hash, every guardrail's verdict, answers, acts, and its part of the ledger."""
    return json_response(_run_json(site.service.automation_run(run_id)))


@router.get("/api/v1/automation/ledger")
def automation_ledger(
    site: SiteOf,
    after: Annotated[int, Query(ge=0)] = 0,
    run: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    """Entries of the ledger after a number, in order, with their hashes."""
    return json_response({"entries": [fields_of(one) for one in site.service.ledger(after, run, limit)]})


@router.put("/api/v1/automation/runs/{run_id}/answer")
def answer(site: SiteOf, visit: VisitOf, run_id: str, body: AskedAnswer) -> Response:
    """Agree to exactly this plan, or not, in the name of the person who made the token."""
    view = site.service.answer_plan(
        run_id, body.plan_hash, body.agreed, known_caller(visit), body.channel, body.reason
    )
    return json_response(_run_json(view))


@router.put("/api/v1/automation/switches/{scope:path}")
def engage(site: SiteOf, visit: VisitOf, scope: str, body: AskedSwitch) -> Response:
    """Engage a kill switch: `global`, `service:ENTITY` or `runbook:NAME`. Releasing takes people."""
    site.service.engage_switch(scope, body.reason, known_caller(visit))
    return json_response({"switches": [fields_of(one) for one in site.service.switches()]})


def _run_json(view: RunView) -> Any:
    return canonical.plain(view)
