"""*Calendar*: what is expected now and next, windows to make and end, jobs, and slots to accept or reject."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Form, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.access import Caller
from stormpetrel.model.calendar import (
    OPEN_END,
    CalendarEntry,
    CalendarView,
    Decision,
    EntryDraft,
    EntryKind,
    Once,
)
from stormpetrel.model.time import from_seconds
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.calendar_shape import (
    KIND_WORDS,
    field_time,
    lanes_of,
    moment_of,
    rule_words,
    scopes_of,
)
from stormpetrel.web.errors import status_of
from stormpetrel.web.site import SiteOf, Visit, VisitOf

router = guarded_router()

# Minutes to choose from; 0 lasts until somebody ends it.
LENGTHS = ((30, "30 minutes"), (60, "1 hour"), (120, "2 hours"), (240, "4 hours"), (480, "8 hours"),
           (1440, "1 day"), (0, "until ended"))  # fmt: skip
_SHOWN = 200
Id = Annotated[str, Form(min_length=1, max_length=300)]
DONE = {
    "made": "The window is in the calendar.",
    "changed": "The window was changed.",
    "ended": "It has ended, or is out of the calendar.",
    "accepted": "Accepted: it is an entry of the calendar now.",
    "rejected": "Rejected: it will not count as expected.",
    "open": "It is an open question again.",
}


class WindowForm(BaseModel):
    """The fields of a window; `start` empty: now, `minutes` 0: until somebody ends it."""

    title: str = Field("Maintenance", max_length=300)
    scopes: str = Field("*", max_length=10_000)
    kind: Literal["maintenance", "freeze"] = "maintenance"
    minutes: int = Field(60, ge=0, le=366 * 1440)
    start: str = Field("", max_length=40)
    train: bool = False
    entry_id: str = Field("", max_length=300)

    def draft(self, now_unix_nano: int) -> EntryDraft:
        """What it asks for; BadRequestError when the start is no time."""
        begins = moment_of(self.start, "start") if self.start else now_unix_nano
        ends = begins + from_seconds(60 * self.minutes) if self.minutes else OPEN_END
        return EntryDraft(
            EntryKind(self.kind), self.title, scopes_of(self.scopes), Once(begins, ends), self.train
        )


@router.get("/calendar")
def calendar_page(
    request: Request,
    site: SiteOf,
    edit: Annotated[str, Query(max_length=300)] = "",
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Everything at once; with `edit`, the form holds that window."""
    view = site.service.calendar()
    chosen = next((e for e in view.entries if e.entry_id == edit and e.source in ("page", "api")), None)
    form = form_of(chosen) if chosen else None
    return site.page(request, "calendar.html", _context(view, form, done=DONE.get(done, "")))


@router.post("/calendar/windows")
def save_window(
    request: Request, site: SiteOf, visit: VisitOf, form: Annotated[WindowForm, Form()]
) -> Response:
    """Make a window, or change one; what is wrong is said on the page, with the fields as they were."""
    try:
        draft = form.draft(site.service.now_unix_nano())
        if form.entry_id:
            site.service.change_entry(form.entry_id, draft, _person(visit))
        else:
            site.service.add_entry(draft, "page", _person(visit))
    except StormPetrelError as error:
        context = _context(site.service.calendar(), form, problem=str(error))
        return site.page(request, "calendar.html", context, status=status_of(error))
    return RedirectResponse(f"/calendar?done={'changed' if form.entry_id else 'made'}", 303)


@router.post("/calendar/end")
def end_entry(site: SiteOf, visit: VisitOf, entry_id: Id) -> Response:
    """End a window now, or take an entry out."""
    site.service.end_entry(entry_id, _person(visit))
    return RedirectResponse("/calendar?done=ended", 303)


@router.post("/calendar/decide")
def decide(site: SiteOf, visit: VisitOf, proposal_id: Id, decision: Annotated[Decision, Form()]) -> Response:
    """Accept or reject a learned slot."""
    site.service.decide_proposal(proposal_id, decision, _person(visit))
    return RedirectResponse(f"/calendar?done={decision}", 303)


def _context(
    view: CalendarView, form: WindowForm | None, done: str = "", problem: str = ""
) -> dict[str, object]:
    now = view.now_unix_nano
    return {
        "view": view,
        "form": form or WindowForm(),
        "form_open": form is not None,
        "problem": problem,
        "done": done,
        "kind_words": KIND_WORDS,
        "lengths": LENGTHS,
        "entries": [(entry, rule_words(entry, now)) for entry in view.entries[:_SHOWN]],
        "left_out": max(0, len(view.entries) - _SHOWN),
        "proposals": [(proposal, lanes_of(proposal)) for proposal in view.proposals[:_SHOWN]],
        "open_end": OPEN_END,
    }


def form_of(entry: CalendarEntry) -> WindowForm | None:
    """The form that holds a window as it is; None for what recurs, which the form cannot say."""
    rule = entry.recurrence
    if not isinstance(rule, Once) or entry.kind not in (EntryKind.MAINTENANCE, EntryKind.FREEZE):
        return None
    lasts = (rule.end_unix_nano - rule.start_unix_nano) // from_seconds(60)
    return WindowForm(
        title=entry.title,
        scopes="\n".join(entry.scopes),
        kind="freeze" if entry.kind is EntryKind.FREEZE else "maintenance",
        minutes=0 if rule.end_unix_nano >= OPEN_END else lasts,
        start=field_time(rule.start_unix_nano),
        train=entry.train,
        entry_id=entry.entry_id,
    )


def _person(visit: Visit) -> Caller:
    return known_caller(visit)
