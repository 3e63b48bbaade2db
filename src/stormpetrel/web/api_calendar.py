"""The JSON API's part on the calendar: reading it, changing it, and heartbeats of jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from stormpetrel.model.calendar import (
    OPEN_END,
    CalendarEntry,
    CalendarView,
    Cron,
    Decision,
    EntryDraft,
    EntryKind,
    JobSignal,
    Listed,
    Occurrence,
    Once,
    Proposal,
    Watch,
)
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.calendar_shape import moment_of
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.errors import BadRequestError
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()

JobName = Annotated[str, Path(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
EntryId = Annotated[str, Path(min_length=1, max_length=300)]
_MOST_DATES = 100


class EntryBody(BaseModel):
    """An entry to make: either `start` (and `end`), or `cron` with `duration_seconds`."""

    model_config = ConfigDict(extra="forbid")

    kind: EntryKind = EntryKind.MAINTENANCE
    title: str = Field(max_length=200)
    scopes: list[str] = Field(default=["*"], min_length=1, max_length=50)
    start: str = Field("", max_length=40)
    end: str = Field("", max_length=40)
    cron: str = Field("", max_length=200)
    duration_seconds: float = Field(3600.0, gt=0, le=31 * 86_400)
    time_zone: str = Field("UTC", max_length=60)
    train: bool = False
    heartbeat: str = Field("", pattern=r"^([a-zA-Z0-9_.-]{1,64})?$")
    series: list[str] = Field(default_factory=list, max_length=50)
    late_seconds: float = Field(300.0, gt=0)
    overlong_seconds: float = Field(600.0, gt=0)

    def draft(self, now_unix_nano: int) -> EntryDraft:
        """What it asks for; BadRequestError when it contradicts itself."""
        if self.cron and (self.start or self.end):
            raise BadRequestError("give either cron, or start and end")
        recurrence: Once | Cron
        if self.cron:
            recurrence = Cron(self.cron, self.time_zone, self.duration_seconds)
        else:
            start = moment_of(self.start, "start") if self.start else now_unix_nano
            recurrence = Once(start, moment_of(self.end, "end") if self.end else OPEN_END)
        watch = None
        if self.heartbeat or self.series:
            if self.kind is not EntryKind.EXPECTED_JOB:
                raise BadRequestError("heartbeat and series are of expected jobs")
            watch = Watch(self.heartbeat, tuple(self.series), self.late_seconds, self.overlong_seconds)
        return EntryDraft(self.kind, self.title, tuple(self.scopes), recurrence, self.train, watch)


class DecisionBody(BaseModel):
    """A word on a learned slot."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision


@router.get("/api/v1/calendar")
def calendar(site: SiteOf) -> Response:
    """What is going on, what comes, entries, sources, jobs, and learned slots."""
    return json_response(_view(site.service.calendar()))


@router.post("/api/v1/calendar/entries")
def add_entry(site: SiteOf, visit: VisitOf, body: EntryBody) -> Response:
    """Make an entry; the answer holds its id."""
    draft = body.draft(site.service.now_unix_nano())
    return json_response(_entry(site.service.add_entry(draft, "api", known_caller(visit))), 201)


@router.put("/api/v1/calendar/entries/{entry_id}")
def change_entry(site: SiteOf, visit: VisitOf, entry_id: EntryId, body: EntryBody) -> Response:
    """Change an entry that was made here."""
    draft = body.draft(site.service.now_unix_nano())
    return json_response(_entry(site.service.change_entry(entry_id, draft, known_caller(visit))))


@router.delete("/api/v1/calendar/entries/{entry_id}")
def end_entry(site: SiteOf, visit: VisitOf, entry_id: EntryId) -> Response:
    """End a window that is under way, or take an entry out."""
    site.service.end_entry(entry_id, known_caller(visit))
    return json_response({"ended": entry_id})


@router.post("/api/v1/calendar/proposals/{proposal_id}")
def decide(site: SiteOf, visit: VisitOf, proposal_id: EntryId, body: DecisionBody) -> Response:
    """Accept or reject a learned slot."""
    site.service.decide_proposal(proposal_id, body.decision, known_caller(visit))
    return json_response({"decided": proposal_id, "decision": body.decision})


@router.post("/api/v1/jobs/{name}/{signal}")
def tell_job(
    site: SiteOf, visit: VisitOf, name: JobName, signal: Literal["start", "finish", "fail"]
) -> Response:
    """A heartbeat: a job starts, finishes, or fails; stored when it is answered."""
    site.service.tell_job(name, JobSignal(signal), known_caller(visit))
    return json_response({"job": name, "signal": signal}, 202)


def _view(view: CalendarView) -> dict[str, Any]:
    return {
        **fields_of(view),
        "current": [_occurrence(one) for one in view.current],
        "coming": [_occurrence(one) for one in view.coming],
        "entries": [_entry(one) for one in view.entries],
        "proposals": [_proposal(one) for one in view.proposals],
    }


def _occurrence(one: Occurrence) -> dict[str, Any]:
    entry = one.entry
    return {
        "entry_id": entry.entry_id,
        "kind": entry.kind.value,
        "title": entry.title,
        "scopes": list(entry.scopes),
        "start_unix_nano": one.start_unix_nano,
        "end_unix_nano": one.end_unix_nano if one.end_unix_nano < OPEN_END else None,
    }


def _entry(entry: CalendarEntry) -> dict[str, Any]:
    rule = entry.recurrence
    if isinstance(rule, Listed):
        shown: dict[str, Any] = {"spans": rule.spans[:_MOST_DATES], "spans_total": len(rule.spans)}
    else:
        shown = fields_of(rule)
    return {**fields_of(entry), "recurrence": {"rule": type(rule).__name__.lower(), **shown}}


def _proposal(one: Proposal) -> dict[str, Any]:
    return {**fields_of(one), "rule": fields_of(one.rule), "runs": [fields_of(run) for run in one.runs]}
