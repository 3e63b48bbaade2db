"""*Flight report*: what a runbook would have done in the stored past, every number with its plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.flight import Flight, FlownOutcome, FlownPlan
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.automation_words import LEVELS, OUTCOMES
from stormpetrel.web.site import SiteOf, VisitOf
from stormpetrel.web.windows import span

router = guarded_router()

RANGES: tuple[tuple[str, str], ...] = (
    ("-1d", "the last day"),
    ("-8d", "the last 8 days"),
    ("-15d", "the last 15 days"),
    ("-31d", "the last 31 days"),
)
USUAL = "-8d"
MOST_SHOWN = 60  # plans at once, each with its twenty verdicts
Name = Annotated[str, Form(max_length=100)]


def _acted(one: FlownPlan, _rest: str) -> bool:
    return one.outcome is FlownOutcome.ACTED


def _stopped(outcome: FlownOutcome) -> Callable[[FlownPlan, str], bool]:
    """Plans of an outcome; of one guardrail, where its number is given."""
    return lambda one, number: (
        one.outcome is outcome and (not number or any(str(by) == number for by, _ in one.by))
    )


_CHOSEN: dict[str, Callable[[FlownPlan, str], bool]] = {
    "acted": _acted,
    "asked": _stopped(FlownOutcome.ASKED),
    "refused": _stopped(FlownOutcome.REFUSED),
    "on": lambda one, entity: _acted(one, "") and entity in one.targets,
    "during": lambda one, kind: kind in one.during,
    "after": lambda one, word: _acted(one, "") and one.afterwards == word,
    "said": lambda one, word: one.outcome is not FlownOutcome.REFUSED and one.opinion == word,
}


@router.get("/automation/runbooks/{name}/flight")
def flight_page(
    request: Request,
    site: SiteOf,
    name: str,
    flight: Annotated[str, Query(max_length=60)] = "",
    only: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """The report of one runbook, of the flight that is asked for or the newest; and the form for another.

    Args:
        flight: by its id.
        only: which plans are listed, such as `acted`, `refused:15` or `on:service:shop`.
    """
    flights = site.service.flights()
    shown = site.service.flight(flight) if flight else _newest(flights)
    report = shown.report if shown is not None else None
    mine = report.runbook(name) if report is not None else None
    context = {
        "view": site.service.runbook(name),
        "flights": flights,
        "shown": shown,
        "mine": mine,
        "plans": chosen(mine.plans, only) if mine is not None else [],
        "only": only,
        "most": MOST_SHOWN,
        "ranges": RANGES,
        "usual": USUAL,
        "levels": LEVELS,
        "outcomes": OUTCOMES,
    }
    return site.page(request, "flight.html", context)


@router.post("/automation/flights")
def flight_start(
    site: SiteOf,
    visit: VisitOf,
    runbook: Name,
    start: Annotated[str, Form(alias="from", max_length=40)] = USUAL,
    to: Annotated[str, Form(max_length=40)] = "now",
) -> Response:
    """Queue a flight over all runbooks, and show it on the page of one."""
    window = span(start, to, site.service.now_unix_nano()).window
    flight = site.service.start_flight(window, known_caller(visit))
    return _to_report(runbook, flight.flight_id)


@router.post("/automation/flights/{flight_id}/cancel")
def flight_cancel(site: SiteOf, visit: VisitOf, flight_id: str, runbook: Name) -> Response:
    """Stop a flight."""
    site.service.cancel_flight(flight_id, known_caller(visit))
    return _to_report(runbook, flight_id)


def chosen(plans: Sequence[FlownPlan], only: str) -> list[FlownPlan]:
    """The plans behind one number of the report; all of them where none is named."""
    word, _, rest = only.partition(":")
    fits = _CHOSEN.get(word)
    return [one for one in plans if fits is None or fits(one, rest)]


def _newest(flights: Sequence[Flight]) -> Flight | None:
    """What is under way, else the newest with a report, else the newest."""
    under_way = next((one for one in flights if one.open), None)
    done = next((one for one in flights if one.report is not None), None)
    return under_way or done or next(iter(flights), None)


def _to_report(runbook: str, flight_id: str) -> Response:
    place = f"/automation/runbooks/{quote(runbook, safe='')}/flight"
    return RedirectResponse(f"{place}?flight={quote(flight_id, safe='')}", 303)
