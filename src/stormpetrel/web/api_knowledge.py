"""The JSON API of verdicts on causes, what helped, similar incidents and the scoreboard. What acts takes a
token of scope respond."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import (
    MAX_HELPED_TEXT,
    MAX_VERDICT_ENTITY,
    MAX_VERDICT_TEXT,
    CauseSaying,
    CauseStatement,
)
from stormpetrel.model.scoreboard import Measure, ScoreFilter, Share
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


class GivenVerdict(BaseModel):
    """The body of a verdict: what is said, of which entity, in which words, and of which version."""

    model_config = ConfigDict(extra="forbid")

    said: CauseSaying
    entity: str = Field("", max_length=MAX_VERDICT_ENTITY)
    text: str = Field("", max_length=MAX_VERDICT_TEXT)
    seen: str = Field("", max_length=64)


class GivenNote(BaseModel):
    """The body of a note of what helped."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=MAX_HELPED_TEXT)


class AskedScore(BaseModel):
    """Which number of the scoreboard the incidents are wanted for."""

    model_config = ConfigDict(extra="forbid")

    measure: Measure
    right: bool | None = None
    cause_class: CauseClass | None = None
    month: str | None = Field(None, pattern=r"^\d{4}-\d{2}$")
    certainty: float | None = Field(None, ge=0.0, le=1.0)
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=1_000_000)


@router.get("/api/v1/incidents/{incident_id}/verdict")
def verdict(site: SiteOf, incident_id: str) -> Response:
    """What was told of a cause, what counts of what people said, everything they said, and what helped."""
    known = site.service.knowledge(incident_id)
    version = known.told.version if known.told is not None else ""
    return json_response({**fields_of(known), "version": version})


@router.put("/api/v1/incidents/{incident_id}/verdict")
def say(site: SiteOf, visit: VisitOf, incident_id: str, body: GivenVerdict) -> Response:
    """Say of a hypothesis that it was `it` or `not_it`, or that it was `something_else`, or `no_cause`."""
    statement = CauseStatement(body.said, body.entity, body.text, body.seen)
    return json_response(site.service.say_cause(incident_id, statement, known_caller(visit)))


@router.delete("/api/v1/incidents/{incident_id}/verdict")
def take_back(site: SiteOf, visit: VisitOf, incident_id: str) -> Response:
    """Take back all that was said of a cause."""
    return json_response(site.service.take_back_cause(incident_id, known_caller(visit)))


@router.put("/api/v1/incidents/{incident_id}/helped")
def write_helped(site: SiteOf, visit: VisitOf, incident_id: str, body: GivenNote) -> Response:
    """Write what helped, in the place of what was written before."""
    return json_response(site.service.write_helped(incident_id, body.text, known_caller(visit)))


@router.delete("/api/v1/incidents/{incident_id}/helped")
def delete_helped(site: SiteOf, visit: VisitOf, incident_id: str) -> Response:
    """Take away what was written of what helped."""
    site.service.write_helped(incident_id, "", known_caller(visit))
    return json_response({"deleted": incident_id})


@router.get("/api/v1/incidents/{incident_id}/similar")
def similar(site: SiteOf, incident_id: str) -> Response:
    """At most five earlier incidents that are like one; a score is the sum of what is shared."""
    return json_response(fields_of(site.service.similar_incidents(incident_id)))


@router.get("/api/v1/scoreboard")
def scoreboard(site: SiteOf) -> Response:
    """How often causes were right: over all, by class, month and certainty; 95 % intervals of Wilson."""
    board = site.service.scoreboard()
    rows = {
        name: [
            {"group": row.group, "shares": _shares(row.shares)}
            for row in (board.by_class if name == "by_class" else board.by_month)
        ]
        for name in ("by_class", "by_month")
    }
    return json_response({**fields_of(board), **rows, "overall": _shares(board.overall)})


@router.get("/api/v1/scoreboard/incidents")
def scored(site: SiteOf, query: Annotated[AskedScore, Query()]) -> Response:
    """The incidents behind one number of the scoreboard; `next_offset` is null on the last page."""
    chosen = ScoreFilter(query.measure, query.right, query.cause_class, query.month, query.certainty)
    found = site.service.scored_incidents(chosen)
    end = query.offset + query.limit
    more = end if len(found) > end else None
    return json_response({"incidents": found[query.offset : end], "total": len(found), "next_offset": more})


def _shares(shares: dict[Measure, Share]) -> dict[str, Share]:
    return {measure.value: share for measure, share in shares.items()}
