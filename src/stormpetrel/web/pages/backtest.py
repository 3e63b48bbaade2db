"""*Backtest*: what other settings would have told about the past, side by side with today's."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from stormpetrel.model.backtest import Backtest, Tunable
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.errors import BadRequestError
from stormpetrel.web.site import SiteOf, VisitOf
from stormpetrel.web.windows import span

router = guarded_router()

RANGES: tuple[tuple[str, str], ...] = (
    ("-1d", "the last day"),
    ("-3d", "the last 3 days"),
    ("-7d", "the last 7 days"),
    ("-14d", "the last 14 days"),
    ("-30d", "the last 30 days"),
)


@router.get("/backtest")
def backtest_list(request: Request, site: SiteOf) -> Response:
    """The form, and the backtests that are kept."""
    jobs = site.service.backtests()
    context = {
        "tunables": site.service.tunables(),
        "jobs": jobs,
        "ranges": RANGES,
        "live": any(job.open for job in jobs),
    }
    return site.page(request, "backtests.html", context)


@router.post("/backtest")
async def start(request: Request, site: SiteOf, visit: VisitOf) -> Response:
    """Queue a backtest; fields named as settings that differ from the present value are the changes."""
    caller = known_caller(visit)
    form = await request.form(max_files=0, max_fields=50)
    given = {name: str(value).strip() for name, value in form.items()}
    window = span(given.get("from", "-7d"), given.get("to", "now"), site.service.now_unix_nano()).window
    settings = changed(site.service.tunables(), given)
    job = await run_in_threadpool(site.service.start_backtest, window, settings, caller)
    return RedirectResponse(f"/backtest/{quote(job.backtest_id, safe='')}", 303)


@router.get("/backtest/{backtest_id}")
def backtest_page(request: Request, site: SiteOf, backtest_id: str) -> Response:
    """Progress, then the result."""
    job = site.service.backtest(backtest_id)
    return site.page(request, "backtest.html", {"job": job, "differences": differences(job)})


@router.post("/backtest/{backtest_id}/cancel")
def cancel(site: SiteOf, visit: VisitOf, backtest_id: str) -> Response:
    """Stop a backtest."""
    caller = known_caller(visit)
    site.service.cancel_backtest(backtest_id, caller)
    return RedirectResponse(f"/backtest/{quote(backtest_id, safe='')}", 303)


def changed(tunables: list[Tunable], given: dict[str, str]) -> dict[str, float]:
    """The settings that were given another value than they have now.

    Raises:
        BadRequestError: a value that is no number; names the field.
    """
    found = {}
    for one in tunables:
        text = given.get(one.name, "")
        if not text:
            continue
        try:
            value = float(text)
        except ValueError:
            raise BadRequestError(f"{one.name}: {text[:40]!r} is no number") from None
        if value != one.value:
            found[one.name] = value
    return found


def differences(job: Backtest) -> dict[str, list[object]]:
    """Incidents of one side only, and of both."""
    return {
        "gone": [one for one in job.today if not one.other],
        "new": [one for one in job.changed if not one.other],
        "both": [one for one in job.today if one.other],
    }
