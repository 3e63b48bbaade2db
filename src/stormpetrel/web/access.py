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
from starlette.datastructures import FormData
from starlette.routing import BaseRoute

from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.web.errors import ForbiddenError, SignInNeededError
from stormpetrel.web.guard import host_name
from stormpetrel.web.site import Site, Visit, site_of
from stormpetrel.web.written import written_in

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
    BACKUP = "backup"  # a token with scope backup
    RESPOND = "respond"  # a token with scope respond: never a cookie, so there is no form to forge
    APPROVE = "approve"  # a token with scope approve: it speaks for the person who made it
    PLAN = "plan"  # as READ, or a token with scope approve: who answers has to see
    ADMIN = "admin"


ACCESS: dict[tuple[str, str], Access] = {
    ("GET", "/"): Access.VIEWER,
    ("GET", "/incidents"): Access.VIEWER,
    ("GET", "/incidents/{incident_id}"): Access.VIEWER,
    ("POST", "/incidents/{incident_id}/state"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/page"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/merge"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/split"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/verdict"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/verdict/take-back"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/helped"): Access.RESPONDER,
    ("GET", "/incidents/{incident_id}/similar"): Access.VIEWER,
    ("GET", "/scoreboard"): Access.VIEWER,
    ("GET", "/api/v1/incidents/{incident_id}/verdict"): Access.READ,
    ("PUT", "/api/v1/incidents/{incident_id}/verdict"): Access.RESPOND,
    ("DELETE", "/api/v1/incidents/{incident_id}/verdict"): Access.RESPOND,
    ("PUT", "/api/v1/incidents/{incident_id}/helped"): Access.RESPOND,
    ("DELETE", "/api/v1/incidents/{incident_id}/helped"): Access.RESPOND,
    ("GET", "/api/v1/incidents/{incident_id}/similar"): Access.READ,
    ("GET", "/api/v1/scoreboard"): Access.READ,
    ("GET", "/api/v1/scoreboard/incidents"): Access.READ,
    ("GET", "/automation"): Access.VIEWER,
    ("GET", "/automation/ledger"): Access.VIEWER,
    ("GET", "/automation/runs/{run_id}"): Access.VIEWER,
    ("GET", "/automation/runbooks/{name}"): Access.VIEWER,
    ("GET", "/automation/runbooks/{name}/flight"): Access.VIEWER,
    ("POST", "/automation/flights"): Access.RESPONDER,
    ("POST", "/automation/flights/{flight_id}/cancel"): Access.RESPONDER,
    ("POST", "/automation/runs/{run_id}/answer"): Access.RESPONDER,
    ("POST", "/automation/runs/{run_id}/decide"): Access.RESPONDER,
    ("POST", "/automation/runs/{run_id}/opinion"): Access.RESPONDER,
    ("POST", "/automation/switch/engage"): Access.RESPONDER,
    ("POST", "/automation/switch/release"): Access.RESPONDER,
    ("POST", "/automation/breaker/close"): Access.RESPONDER,
    ("POST", "/automation/runbooks/{name}/sign"): Access.ADMIN,
    ("POST", "/automation/runbooks/{name}/autonomy"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/propose"): Access.RESPONDER,
    ("GET", "/api/v1/automation"): Access.PLAN,
    ("GET", "/api/v1/automation/runs/{run_id}"): Access.PLAN,
    ("GET", "/api/v1/automation/ledger"): Access.READ,
    ("GET", "/api/v1/automation/flights"): Access.READ,
    ("POST", "/api/v1/automation/flights"): Access.RESPOND,
    ("GET", "/api/v1/automation/flights/{flight_id}"): Access.READ,
    ("POST", "/api/v1/automation/flights/{flight_id}/cancel"): Access.RESPOND,
    ("PUT", "/api/v1/automation/runs/{run_id}/answer"): Access.APPROVE,
    ("PUT", "/api/v1/automation/switches/{scope:path}"): Access.RESPOND,
    ("GET", "/consent/{text}"): Access.RESPONDER,  # signed in: the link alone lets nobody agree
    ("POST", "/consent/{text}"): Access.RESPONDER,
    ("GET", "/settings/notifications"): Access.VIEWER,
    ("POST", "/settings/notifications/{route}/test"): Access.ADMIN,
    ("GET", "/rules"): Access.VIEWER,
    ("POST", "/rules/{bond_id}/delete"): Access.RESPONDER,
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
    ("GET", "/settings/people"): Access.ADMIN,
    ("POST", "/settings/people"): Access.ADMIN,
    ("POST", "/settings/people/link"): Access.ADMIN,
    ("POST", "/settings/people/role"): Access.ADMIN,
    ("POST", "/settings/people/remove"): Access.ADMIN,
    ("GET", "/settings/account"): Access.VIEWER,
    ("POST", "/settings/account"): Access.VIEWER,
    ("GET", "/invited"): Access.PUBLIC,  # the secret is the key, to one account
    ("POST", "/invited"): Access.PUBLIC,
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
    ("GET", "/api/v1/topology"): Access.READ,
    ("GET", "/api/v1/rules"): Access.READ,
    ("DELETE", "/api/v1/rules/{bond_id}"): Access.RESPOND,
    ("POST", "/api/v1/incidents/{incident_id}/merge"): Access.RESPOND,
    ("POST", "/api/v1/incidents/{incident_id}/split"): Access.RESPOND,
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
    ("GET", "/map"): Access.VIEWER,
    ("GET", "/incidents/{incident_id}/causes"): Access.VIEWER,
    ("GET", "/incidents/{incident_id}/report.{written}"): Access.VIEWER,
    ("GET", "/api/v1/incidents/{incident_id}/report"): Access.READ,
    ("GET", "/shared/{secret:path}"): Access.PUBLIC,  # the secret is the key, to one report
    ("GET", "/incidents/{incident_id}/shares"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/shares"): Access.RESPONDER,
    ("POST", "/incidents/{incident_id}/shares/{share_id}/revoke"): Access.RESPONDER,
    ("GET", "/api/v1/incidents/{incident_id}/shares"): Access.RESPOND,
    ("POST", "/api/v1/incidents/{incident_id}/shares"): Access.RESPOND,
    ("DELETE", "/api/v1/incidents/{incident_id}/shares/{share_id}"): Access.RESPOND,
    ("GET", "/api/v1/incidents/{incident_id}/causes"): Access.READ,
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
    ("GET", "/backups"): Access.VIEWER,
    ("GET", "/api/v1/backups"): Access.READ,
    ("GET", "/api/v1/backups/reports"): Access.READ,
    ("POST", "/api/v1/snapshots"): Access.BACKUP,
    ("DELETE", "/api/v1/snapshots/{snapshot_id}"): Access.BACKUP,
    ("GET", "/{path:path}"): Access.READ,  # everything else: nothing is there
}

_BY_TOKEN = {
    Access.CALENDAR: frozenset({Scope.CALENDAR}),
    Access.HEARTBEAT: frozenset({Scope.INGEST, Scope.CALENDAR}),
    Access.RESPOND: frozenset({Scope.RESPOND}),
    Access.APPROVE: frozenset({Scope.APPROVE}),
    Access.BACKUP: frozenset({Scope.BACKUP}),
}
_ROLE = {Access.VIEWER: Role.VIEWER, Access.RESPONDER: Role.RESPONDER, Access.ADMIN: Role.ADMIN}


def guarded_router() -> APIRouter:
    """A router whose routes all pass the gate."""
    return APIRouter(dependencies=[Depends(gate)])


def known_caller(visit: Visit) -> Caller:
    """Who asks, where a route does something in their name; ForbiddenError when nobody is known."""
    if visit.caller is None:
        raise ForbiddenError("sign in, or send a token")
    return visit.caller


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
    form = None
    if request.method not in _SAFE and access not in _BY_TOKEN:
        form = await request.form(max_files=0, max_fields=50)
        # Whoever is refused now gets back what they wrote; not so what another site wrote for them.
        request.state.written = () if _foreign(site, request) else written_in(form)
    _admit(access, visit, _local(site, request))
    if form is not None:
        _check_form(site, request, visit, form)


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
    caller = await run_in_threadpool(site.service.caller_of_session, session.name, session.mark)
    return Visit(caller, session)


def _admit(access: Access, visit: Visit, local: bool) -> None:
    caller = visit.caller
    if access is Access.PUBLIC or (access is Access.LOCAL and local):
        return
    if caller is None:
        raise SignInNeededError("sign in, or send `Authorization: Bearer` with an API token")
    if access in (Access.READ, Access.LOCAL):
        _admit_reader(caller)
    elif access is Access.PLAN:
        if Scope.APPROVE not in caller.scopes:
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


def _check_form(site: Site, request: Request, visit: Visit, form: FormData) -> None:
    """Unsafe requests come from our own pages: fetch metadata, origin, and the session's form token."""
    if visit.session is None:
        raise ForbiddenError("the form has no session; open the page again, with cookies allowed")
    if _foreign(site, request):
        raise ForbiddenError("the form was sent by another site")
    token = form.get("csrf") or ""
    if not isinstance(token, str) or not site.sessions.csrf_valid(visit.session, token):
        raise ForbiddenError("the form is from another session; go back, load the page anew, try again")


def _foreign(site: Site, request: Request) -> bool:
    """Was a form sent by another site, as browsers tell?"""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", "").lower(), urlsplit(site.settings.public_url).netloc.lower()}
    return origin is not None and urlsplit(origin).netloc.lower() not in ours - {""}
