"""The application: pages, API and receiving paths over one `Service`."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from stormpetrel.app.service import Service
from stormpetrel.web import (
    api,
    api_automation,
    api_backups,
    api_bonds,
    api_calendar,
    api_knowledge,
    api_learning,
    api_pages,
    api_patterns,
    api_shares,
    api_sources,
    api_topology,
    errors,
    live,
    ops,
)
from stormpetrel.web.access import undecided
from stormpetrel.web.guard import Guard
from stormpetrel.web.pages import (
    account,
    automation,
    backtest,
    backups,
    budget,
    calendar,
    causes,
    consent,
    explain,
    explore,
    flights,
    incidents,
    knowledge,
    logs,
    lost,
    notifications,
    now,
    patterns,
    people,
    quarantine,
    report,
    rules,
    scoreboard,
    service_map,
    shared,
    sources,
    system,
    tail,
    told,
)
from stormpetrel.web.push import PushGate
from stormpetrel.web.settings import WebSettings
from stormpetrel.web.site import STATIC, Site

_ROUTERS = (
    now, incidents, causes, knowledge, scoreboard, report, shared, service_map, explore, explain, backtest,
    logs, patterns, tail, calendar, sources, quarantine, told, budget, rules, automation, flights, consent,
    backups, notifications, system, account, people, api, api_sources, api_calendar, api_learning, api_pages,
    api_patterns, api_topology, api_bonds, api_knowledge, api_shares, api_automation, api_backups,
    live, ops,
)  # fmt: skip


def create_app(service: Service, settings: WebSettings | None = None) -> FastAPI:
    """The ASGI application.

    From the outside in: receiving paths (`PushGate`), host names, headers and small bodies (`Guard`),
    then routes, each of which passes `access.gate`. Serve it with one uvicorn worker: it holds the
    live streams and the sessions that were signed out.

    Args:
        service: the use-cases; its `session_key` and `push_paths` are asked once, here.
        settings: bounds and addresses; None means the defaults, for loopback use.

    Raises:
        ValueError: a route that `access.ACCESS` says nothing of, or a session key that is too short.
    """
    settings = settings or WebSettings()
    app = FastAPI(title="Storm Petrel", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = Site(service, settings)
    for module in _ROUTERS:
        app.router.routes.extend(module.router.routes)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.router.routes.extend(lost.router.routes)
    missing = undecided(app.routes)
    if missing:
        raise ValueError(f"routes without a line in web.access.ACCESS: {', '.join(missing)}")
    errors.install(app)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(PushGate, service=service, settings=settings)
    return app
