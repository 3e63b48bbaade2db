"""Who may ask for what: one table, and the gate that every route of the page and the API goes through.

A route without a line in `ACCESS` is refused, and the application does not start with one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from enum import StrEnum
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.web.errors import ForbiddenError, SignInNeededError
from stormpetrel.web.guard import host_name
from stormpetrel.web.site import Site, Visit, site_of

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_SECRET = 512
_PROXY_HEADERS = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
)  # fmt: skip


class Access(StrEnum):
    """What a route asks of its caller."""

    PUBLIC = "public"  # anybody
    LOCAL = "local"  # loopback callers if the settings allow, else as READ
    READ = "read"  # a signed-in person, or a token with scope read
    CALENDAR = "calendar"  # a token with scope calendar
    HEARTBEAT = "heartbeat"  # a token with scope ingest or calendar
    VIEWER = "viewer"  # a signed-in person
    RESPONDER = "responder"
    RESPOND = "respond"  # a token with scope respond: never a cookie, so there is no form to forge
    ADMIN = "admin"


ACCESS: dict[tuple[str, str], Access] = {
    ("GET", "/"): Access.VIEWER,
    ("GET", "/incidents"): Access.VIEWER,
    ("GET", "/incidents/{incident_id}"): Access.VIEWER,
    ("POST", "/incidents/{incident_id}/state"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/page"): Access.RESPONDER,
    ("GET", "/pages"): Access.VIEWER,
    ("GET", "/explore"): Access.VIEWER,
    ("GET", "/logs"): Access.VIEWER,
    ("GET", "/patterns"): Access.VIEWER,
    ("GET", "/patterns/{pattern_id}"): Access.VIEWER,
    ("POST", "/patterns/{pattern_id}/watch"): Access.RESPONDER,
    ("GET", "/compare"): Access.VIEWER,
    ("GET", "/quality"): Access.VIEWER,
    ("GET", "/sources"): Access.VIEWER,
    ("GET", "/sources/{name:path}"): Access.VIEWER,
    ("GET", "/quarantine"): Access.VIEWER,
    ("POST", "/quarantine/release"): Access.RESPONDER,
    ("POST", "/quarantine/drop"): Access.RESPONDER,
    ("GET", "/changes"): Access.VIEWER,
    ("GET", "/calendar"): Access.VIEWER,
    ("POST", "/calendar/windows"): Access.RESPONDER,
    ("POST", "/calendar/end"): Access.RESPONDER,
    ("POST", "/calendar/decide"): Access.RESPONDER,
    ("GET", "/tail"): Access.VIEWER,
    ("GET", "/tail/stream"): Access.VIEWER,
    ("GET", "/about"): Access.VIEWER,
    ("GET", "/live"): Access.VIEWER,
    ("GET", "/settings/tokens"): Access.ADMIN,
    ("POST", "/settings/tokens"): Access.ADMIN,
    ("POST", "/settings/tokens/{token_id}/revoke"): Access.ADMIN,
    ("GET", "/sign-in"): Access.PUBLIC,
    ("POST", "/sign-in"): Access.PUBLIC,
    ("POST", "/sign-out"): Access.VIEWER,
    ("GET", "/set-up"): Access.PUBLIC,
    ("POST", "/set-up"): Access.PUBLIC,
    ("GET", "/healthz"): Access.PUBLIC,
    ("GET", "/readyz"): Access.PUBLIC,
    ("GET", "/metrics"): Access.LOCAL,
    ("GET", "/api/v1/now"): Access.READ,
    ("GET", "/api/v1/incidents"): Access.READ,
    ("GET", "/api/v1/incidents/{incident_id}"): Access.READ,
    ("GET", "/api/v1/incidents/{incident_id}/findings/{finding_id}/points"): Access.READ,
    ("GET", "/api/v1/pages"): Access.READ,
    ("GET", "/api/v1/slos"): Access.READ,
    ("GET", "/api/v1/findings"): Access.READ,
    ("GET", "/api/v1/series"): Access.READ,
    ("GET", "/api/v1/series/{series}"): Access.READ,
    ("GET", "/api/v1/series/{series}/points"): Access.READ,
    ("GET", "/api/v1/logs"): Access.READ,
    ("GET", "/api/v1/logs/counts"): Access.READ,
    ("GET", "/api/v1/patterns"): Access.READ,
    ("GET", "/api/v1/patterns/compare"): Access.READ,
    ("GET", "/api/v1/patterns/{pattern_id}"): Access.READ,
    ("GET", "/api/v1/quality"): Access.READ,
    ("GET", "/api/v1/about"): Access.READ,
    ("GET", "/api/v1/sources"): Access.READ,
    ("GET", "/api/v1/sources/{name:path}"): Access.READ,
    ("GET", "/api/v1/quarantine"): Access.READ,
    ("GET", "/api/v1/alerts"): Access.READ,
    ("GET", "/api/v1/changes"): Access.READ,
    ("GET", "/api/v1/flows"): Access.READ,
    ("GET", "/api/v1/calendar"): Access.READ,
    ("POST", "/api/v1/calendar/entries"): Access.CALENDAR,
    ("PUT", "/api/v1/calendar/entries/{entry_id}"): Access.CALENDAR,
    ("DELETE", "/api/v1/calendar/entries/{entry_id}"): Access.CALENDAR,
    ("POST", "/api/v1/calendar/proposals/{proposal_id}"): Access.CALENDAR,
    ("POST", "/api/v1/jobs/{name}/{signal}"): Access.HEARTBEAT,
    ("GET", "/incidents/{incident_id}/findings/{finding_id}/why"): Access.VIEWER,
    ("POST", "/incidents/{incident_id}/findings/{finding_id}/feedback"): Access.RESPONDER,
    ("GET", "/explain"): Access.VIEWER,
    ("GET", "/feedback"): Access.VIEWER,
    ("POST", "/feedback/{feedback_id}/undo"): Access.RESPONDER,
    ("GET", "/backtest"): Access.VIEWER,
    ("POST", "/backtest"): Access.RESPONDER,
    ("GET", "/backtest/{backtest_id}"): Access.VIEWER,
    ("POST", "/backtest/{backtest_id}/cancel"): Access.RESPONDER,
    ("GET", "/api/v1/incidents/{incident_id}/findings/{finding_id}/explanation"): Access.READ,
    ("POST", "/api/v1/incidents/{incident_id}/findings/{finding_id}/feedback"): Access.RESPOND,
    ("GET", "/api/v1/series/{series}/explanation"): Access.READ,
    ("GET", "/api/v1/feedback"): Access.READ,
    ("POST", "/api/v1/feedback/{feedback_id}/undo"): Access.RESPOND,
    ("GET", "/api/v1/backtests"): Access.READ,
    ("POST", "/api/v1/backtests"): Access.RESPOND,
    ("GET", "/api/v1/backtests/{backtest_id}"): Access.READ,
    ("POST", "/api/v1/backtests/{backtest_id}/cancel"): Access.RESPOND,
    ("GET", "/{path:path}"): Access.READ,  # everything else: nothing is there
}

_BY_TOKEN = {
    Access.CALENDAR: frozenset({Scope.CALENDAR}),
    Access.HEARTBEAT: frozenset({Scope.INGEST, Scope.CALENDAR}),
    Access.RESPOND: frozenset({Scope.RESPOND}),
}
_ROLE = {Access.VIEWER: Role.VIEWER, Access.RESPONDER: Role.RESPONDER, Access.ADMIN: Role.ADMIN}


def guarded_router() -> APIRouter:
    """A router whose routes all pass the gate."""
    return APIRouter(dependencies=[Depends(gate)])


def undecided(routes: Iterable[BaseRoute]) -> list[str]:
    """Routes that `ACCESS` says nothing of."""
    return [
        f"{method} {route.path}"
        for route in routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
        if (method, route.path) not in ACCESS
    ]


async def gate(request: Request) -> None:
    """Find out who is asking, refuse who may not, and leave the visit on the request.

    Raises:
        SignInNeededError: nobody is signed in and no valid token was given.
        ForbiddenError: known, but not theirs to do; or a form that did not come from our own page.
    """
    site = site_of(request)
    route = request.scope.get("route")
    path = route.path if isinstance(route, APIRoute) else request.url.path
    access = ACCESS.get((request.method, path))
    visit = await _visit(site, request)
    request.state.visit = visit
    if access is None:
        raise ForbiddenError(f"nobody may ask for {request.method} {path}")
    _admit(access, visit, _local(site, request))
    if request.method not in _SAFE and access not in _BY_TOKEN:
        await _check_form(site, request, visit)


def secret_of(authorization: str) -> str:
    """The secret of a Bearer header; empty when it is another scheme."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip()[:_MAX_SECRET] if scheme.lower() == "bearer" else ""


async def _visit(site: Site, request: Request) -> Visit:
    authorization = request.headers.get("authorization", "")
    if authorization:
        secret = secret_of(authorization)
        caller = await run_in_threadpool(site.service.caller_of_token, secret) if secret else None
        return Visit(caller, None)
    cookie = request.cookies.get(site.sessions.cookie_name)
    session = site.sessions.read(cookie, site.service.now_unix_nano())
    if session is None or not session.name:
        return Visit(None, session)
    caller = await run_in_threadpool(site.service.caller_of_user, session.name)
    return Visit(caller, session)


def _admit(access: Access, visit: Visit, local: bool) -> None:
    caller = visit.caller
    if access is Access.PUBLIC or (access is Access.LOCAL and local):
        return
    if caller is None:
        raise SignInNeededError("sign in, or send `Authorization: Bearer` with an API token")
    if access in (Access.READ, Access.LOCAL):
        _admit_reader(caller)
    elif access in _BY_TOKEN:
        _admit_token(caller, _BY_TOKEN[access])
    elif not visit.may(_ROLE[access]):
        held = caller.role or "a token"
        raise ForbiddenError(f"{caller.name} is {held}; this needs the role {_ROLE[access]}")


def _admit_token(caller: Caller, scopes: frozenset[Scope]) -> None:
    """Programs change things by tokens alone: a browser's session has pages, whose forms prove themselves."""
    if not caller.scopes & scopes:
        named = " or ".join(sorted(scopes))
        raise ForbiddenError(f"{caller.name} may not do this: send a token with scope {named}")


def _admit_reader(caller: Caller) -> None:
    if caller.role is None and Scope.READ not in caller.scopes:
        raise ForbiddenError(f"the token {caller.name} lacks the scope {Scope.READ}")


def _local(site: Site, request: Request) -> bool:
    """A caller on this machine, not brought by a proxy, where the settings let those read metrics.

    A proxy tells itself by its headers, or by the name it was called; one that tells nothing at all
    (nginx unless configured) cannot be told: then `server.metrics_open` should be off.
    """
    proxied = any(name in request.headers for name in _PROXY_HEADERS)
    name = host_name(request.headers.get("host", ""))
    return (
        site.settings.metrics_open
        and not proxied
        and (name == "localhost" or is_loopback(name))
        and is_loopback(request.client.host if request.client else "")
    )


def is_loopback(host: str) -> bool:
    """Is this the text of a loopback address?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _check_form(site: Site, request: Request, visit: Visit) -> None:
    """Unsafe requests come from our own pages: fetch metadata, origin, and the session's form token."""
    if visit.session is None:
        raise ForbiddenError("the form has no session; open the page again, with cookies allowed")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("the form was sent by another site")
    origin = request.headers.get("origin")
    if origin is not None:
        ours = {request.headers.get("host", "").lower(), urlsplit(site.settings.public_url).netloc.lower()}
        if urlsplit(origin).netloc.lower() not in ours - {""}:
            raise ForbiddenError("the form was sent by another site")
    form = await request.form(max_files=0, max_fields=50)
    token = form.get("csrf") or ""
    if not isinstance(token, str) or not site.sessions.csrf_valid(visit.session, token):
        raise ForbiddenError("the form is from another session; go back, load the page anew, try again")
