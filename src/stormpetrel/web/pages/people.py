"""*People*, *Account*, and the page of an invitation: who may sign in, and with which password."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.access import Role
from stormpetrel.model.people import Invitation
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.errors import status_of
from stormpetrel.web.pages.account import Name, Password, signed_in, with_session
from stormpetrel.web.pages.report import base_of
from stormpetrel.web.site import Site, SiteOf, Visit, VisitOf

router = guarded_router()

Secret = Annotated[str, Form(max_length=200)]
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/settings/people")
def people_page(request: Request, site: SiteOf, visit: VisitOf) -> Response:
    """Everybody, what is open, and what was done."""
    return _people(request, site, visit)


@router.post("/settings/people")
def invite(
    request: Request, site: SiteOf, visit: VisitOf, name: Name, role: Annotated[Role, Form()]
) -> Response:
    """Invite a person; the link is on this answer and never again."""
    try:
        made = site.service.invite(name, role, known_caller(visit))
    except StormPetrelError as error:
        return _people(request, site, visit, problem=error)
    return _people(request, site, visit, made=made)


@router.post("/settings/people/link")
def new_link(request: Request, site: SiteOf, visit: VisitOf, name: Name) -> Response:
    """A link for a new password of another."""
    try:
        made = site.service.new_password_link(name, known_caller(visit))
    except StormPetrelError as error:
        return _people(request, site, visit, problem=error)
    return _people(request, site, visit, made=made)


@router.post("/settings/people/role")
def change_role(
    request: Request, site: SiteOf, visit: VisitOf, name: Name, role: Annotated[Role, Form()]
) -> Response:
    """Another's role."""
    try:
        site.service.change_role(name, role, known_caller(visit))
    except StormPetrelError as error:
        return _people(request, site, visit, problem=error)
    return RedirectResponse("/settings/people", 303, _NO_STORE)


@router.post("/settings/people/remove")
def remove(
    request: Request, site: SiteOf, visit: VisitOf, name: Name, sure: Annotated[bool, Form()]
) -> Response:
    """Remove another, or withdraw an invitation; `sure` is a box that has to be ticked."""
    try:
        if sure:
            site.service.remove_person(name, known_caller(visit))
    except StormPetrelError as error:
        return _people(request, site, visit, problem=error)
    return RedirectResponse("/settings/people", 303, _NO_STORE)


@router.get("/settings/account")
def account_page(request: Request, site: SiteOf, done: Annotated[bool, Query()] = False) -> Response:
    """Who one is, and the form for another password."""
    return site.page(request, "account.html", {"problem": "", "done": done})


@router.post("/settings/account")
def change_password(
    request: Request, site: SiteOf, visit: VisitOf, old: Password, password: Password
) -> Response:
    """Another password; every other session of this person ends."""
    try:
        caller = site.service.change_password(old, password, known_caller(visit), _address(request))
    except StormPetrelError as error:
        context = {"problem": str(error), "done": False}
        return site.page(request, "account.html", context, status=status_of(error))
    return signed_in(site, caller, "/settings/account?done=true")


@router.get("/invited")
def invited_page(
    request: Request, site: SiteOf, visit: VisitOf, secret: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """What the link is for, and the form that uses it; opening it changes nothing."""
    link = site.service.invitation(secret, _address(request))
    return _invited(request, site, visit, link, secret)


@router.post("/invited")
def join(request: Request, site: SiteOf, visit: VisitOf, password: Password, secret: Secret = "") -> Response:
    """Use the link up, and sign in."""
    link = site.service.invitation(secret, _address(request))
    try:
        caller = site.service.join(secret, password, _address(request))
    except StormPetrelError as error:
        return _invited(request, site, visit, link, secret, error)
    return signed_in(site, caller, "/")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _invited(
    request: Request,
    site: Site,
    visit: Visit,
    link: Invitation,
    secret: str,
    problem: StormPetrelError | None = None,
) -> Response:
    context = {"link": link, "secret": secret, "problem": str(problem or "")}
    status = status_of(problem) if problem else 200
    return with_session(request, site, visit, "invited.html", context, status)


def _people(
    request: Request,
    site: Site,
    visit: Visit,
    *,
    made: tuple[Invitation, str] | None = None,
    problem: StormPetrelError | None = None,
) -> Response:
    base = base_of(request, site).rstrip("/")
    context = {
        "view": site.service.list_people(known_caller(visit)),
        "made": made[0] if made else None,
        "link": f"{base}/invited?{urlencode({'secret': made[1]})}" if made else "",
        "problem": str(problem or ""),
        "roles": list(Role),
    }
    return site.page(request, "people.html", context, status=status_of(problem) if problem else 200)
