"""Signing in and out, the one-time set-up, and API tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.errors import AuthError, StormPetrelError
from stormpetrel.model.access import Caller, Scope
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.errors import status_of
from stormpetrel.web.site import Site, SiteOf, Visit, VisitOf

router = guarded_router()

Name = Annotated[str, Form(min_length=1, max_length=100)]
Password = Annotated[str, Form(min_length=1, max_length=1000)]
_NO_STORE = {"Cache-Control": "no-store"}


def local_path(text: str) -> str:
    """A path on this very site to go to after signing in; anything else becomes the first page.

    >>> local_path("/logs?text=a"), local_path("//evil.example"), local_path("https://evil.example")
    ('/logs?text=a', '/', '/')
    """
    safe = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if safe else "/"


@router.get("/sign-in")
def sign_in_page(
    request: Request,
    site: SiteOf,
    visit: VisitOf,
    goto: Annotated[str, Query(alias="next", max_length=2000)] = "/",
) -> Response:
    """The form; or, before the set-up, how to find the one-time link."""
    if visit.caller is not None:
        return RedirectResponse(local_path(goto), 303, _NO_STORE)
    return with_session(request, site, visit, "sign_in.html", {"goto": local_path(goto), "problem": ""})


@router.post("/sign-in")
def sign_in(
    request: Request,
    site: SiteOf,
    visit: VisitOf,
    name: Name,
    password: Password,
    goto: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Start a session; the failure says no more than the service does."""
    address = request.client.host if request.client else ""
    try:
        caller = site.service.sign_in(name, password, address)
    except AuthError as error:
        context = {"goto": local_path(goto), "problem": str(error)}
        return with_session(request, site, visit, "sign_in.html", context, 403)
    return signed_in(site, caller, local_path(goto))


@router.post("/sign-out")
def sign_out(site: SiteOf, visit: VisitOf) -> Response:
    """End the session, here and for every copy of its cookie."""
    response = RedirectResponse("/sign-in", 303, _NO_STORE)
    if visit.session is not None:
        site.sessions.end(response, visit.session)
    return response


@router.get("/set-up")
def set_up_page(
    request: Request, site: SiteOf, visit: VisitOf, secret: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Create the first person, once, with the secret that was printed at the first start."""
    if not site.service.setup_needed():
        return RedirectResponse("/sign-in", 303, _NO_STORE)
    return with_session(request, site, visit, "set_up.html", {"secret": secret, "problem": "", "name": ""})


@router.post("/set-up")
def set_up(
    request: Request,
    site: SiteOf,
    visit: VisitOf,
    name: Name,
    password: Password,
    secret: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Create the administrator and sign them in."""
    try:
        caller = site.service.create_admin(secret, name, password)
    except StormPetrelError as error:
        context = {"secret": secret, "problem": str(error), "name": name}
        return with_session(request, site, visit, "set_up.html", context, status_of(error))
    return signed_in(site, caller, "/")


@router.get("/settings/tokens")
def tokens_page(request: Request, site: SiteOf, visit: VisitOf) -> Response:
    """API tokens of this installation, newest first."""
    return _tokens(request, site, visit)


@router.post("/settings/tokens")
def add_token(
    request: Request,
    site: SiteOf,
    visit: VisitOf,
    name: Annotated[str, Form(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")],
    scope: Annotated[list[Scope] | None, Form()] = None,
) -> Response:
    """Create a token; its secret is on this answer and never again."""
    if not scope:
        return _tokens(request, site, visit, problem="choose at least one thing that the token may do")
    token, secret = site.service.add_token(name, frozenset(scope), _person(visit))
    return _tokens(request, site, visit, created=token.name, secret=secret)


@router.post("/settings/tokens/{token_id}/revoke")
def revoke_token(site: SiteOf, visit: VisitOf, token_id: str) -> Response:
    """Refuse a token from now on."""
    site.service.revoke_token(token_id, _person(visit))
    return RedirectResponse("/settings/tokens", 303, _NO_STORE)


def _tokens(
    request: Request, site: Site, visit: Visit, *, created: str = "", secret: str = "", problem: str = ""
) -> Response:
    context = {
        "tokens": site.service.list_tokens(_person(visit)),
        "created": created,
        "secret": secret,
        "problem": problem,
        "scopes": list(Scope),
        "address": site.settings.public_url or str(request.base_url).rstrip("/"),
        "push_paths": sorted(site.service.push_paths().items()),
    }
    return site.page(request, "tokens.html", context, status=400 if problem else 200)


def _person(visit: Visit) -> Caller:
    return known_caller(visit)


def signed_in(site: Site, caller: Caller, goto: str) -> Response:
    """A new session, never the anonymous one: an id that somebody planted is worth nothing."""
    response = RedirectResponse(goto, 303, _NO_STORE)
    site.sessions.write(response, site.sessions.start(caller.name, site.service.now_unix_nano(), caller.mark))
    return response


def with_session(
    request: Request, site: Site, visit: Visit, template: str, context: Mapping[str, Any], status: int = 200
) -> Response:
    """A page with a form for people who are not signed in: it needs a session for its form token."""
    session = visit.session or site.sessions.start("", site.service.now_unix_nano())
    request.state.visit = Visit(None, session)
    page = site.page(request, template, {**context, "unset": site.service.setup_needed()}, status=status)
    if visit.session is None:
        site.sessions.write(page, session)
    return page
