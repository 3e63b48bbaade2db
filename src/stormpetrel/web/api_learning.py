"""The JSON API of explanations, feedback and backtests. What acts takes a token of scope respond."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from stormpetrel.model.feedback import Opinion
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.api import finding_of
from stormpetrel.web.columns import json_response
from stormpetrel.web.site import SiteOf, VisitOf
from stormpetrel.web.windows import moment, span

router = guarded_router()


class GivenFeedback(BaseModel):
    """The body of an opinion."""

    model_config = ConfigDict(extra="forbid")

    opinion: Opinion
    note: str = Field("", max_length=2000)


class AskedBacktest(BaseModel):
    """The body of a backtest: times as in addresses, settings by their name in the configuration."""

    model_config = ConfigDict(extra="forbid")

    start: str = Field(alias="from", max_length=40)
    to: str = Field("now", max_length=40)
    settings: dict[str, float] = Field(default_factory=dict, max_length=20)


@router.get("/api/v1/incidents/{incident_id}/findings/{finding_id}/explanation")
def finding_explanation(site: SiteOf, incident_id: str, finding_id: str) -> Response:
    """Why a finding was told: numbers, the same time on earlier days, what would end it, the model's age."""
    finding = finding_of(site.service.incident(incident_id), finding_id)
    return json_response(site.service.explain_finding(finding))


@router.get("/api/v1/series/{series}/explanation")
def point_explanation(
    site: SiteOf, series: int, at: Annotated[str, Query(max_length=40)] = "now"
) -> Response:
    """Why the sample of a series at (or just before) a moment is strange, or is not."""
    return json_response(site.service.explain_point(series, moment(at, site.service.now_unix_nano())))


@router.post("/api/v1/incidents/{incident_id}/findings/{finding_id}/feedback")
def give_feedback(
    site: SiteOf, visit: VisitOf, incident_id: str, finding_id: str, body: GivenFeedback
) -> Response:
    """Say what a finding was worth: useful, not_useful or expected."""
    caller = known_caller(visit)
    given = site.service.give_feedback(incident_id, finding_id, body.opinion, caller, body.note)
    return json_response(given, 201)


@router.get("/api/v1/feedback")
def feedback(site: SiteOf) -> Response:
    """What is adjusted now, and what was said."""
    return json_response(site.service.feedback())


@router.post("/api/v1/feedback/{feedback_id}/undo")
def undo_feedback(site: SiteOf, visit: VisitOf, feedback_id: str) -> Response:
    """Take an opinion back."""
    caller = known_caller(visit)
    return json_response(site.service.undo_feedback(feedback_id, caller))


@router.get("/api/v1/backtests")
def backtests(site: SiteOf) -> Response:
    """Backtests, newest first, and what one may change."""
    return json_response({"backtests": site.service.backtests(), "tunables": site.service.tunables()})


@router.post("/api/v1/backtests")
def start_backtest(site: SiteOf, visit: VisitOf, body: AskedBacktest) -> Response:
    """Queue a backtest."""
    caller = known_caller(visit)
    window = span(body.start, body.to, site.service.now_unix_nano()).window
    return json_response(site.service.start_backtest(window, body.settings, caller), 202)


@router.get("/api/v1/backtests/{backtest_id}")
def backtest(site: SiteOf, backtest_id: str) -> Response:
    """One backtest, with its result when it is done."""
    return json_response(site.service.backtest(backtest_id))


@router.post("/api/v1/backtests/{backtest_id}/cancel")
def cancel_backtest(site: SiteOf, visit: VisitOf, backtest_id: str) -> Response:
    """Stop a backtest."""
    caller = known_caller(visit)
    return json_response(site.service.cancel_backtest(backtest_id, caller))
