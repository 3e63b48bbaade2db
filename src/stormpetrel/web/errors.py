"""The one error shape: `{"error": {"reason", "message", "retryable"}}`, or a page that says the same."""

from __future__ import annotations

import re
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from stormpetrel.errors import StormPetrelError
from stormpetrel.web.private import private_headers
from stormpetrel.web.show import visible
from stormpetrel.web.site import Site, site_of
from stormpetrel.web.written import came_from, written_before

RETRY_SECONDS = 5
_PLAN = re.compile(r" ?\((/automation/runs/[0-9A-Za-z_-]{1,80})\)")


class BadRequestError(StormPetrelError):
    """A request of the page or the API that cannot be understood; the message names the field."""

    reason = "bad_request"


class ForbiddenError(StormPetrelError):
    """Known caller, but this is not theirs to do; or a form that did not come from our own page."""

    reason = "forbidden"


class SignInNeededError(StormPetrelError):
    """Nobody is signed in and no token was given."""

    reason = "sign_in_needed"


# Reasons of the error tree and the status that HTTP has for them; whatever is not here is our fault: 500.
STATUS: dict[str, int] = {
    "auth": 403,
    "bad_request": 400,
    "busy": 503,
    "config": 400,
    "forbidden": 403,
    "malformed": 400,
    "not_found": 404,
    "overloaded": 429,
    "sign_in_needed": 401,
    "state": 409,
    "store": 503,
    "store_full": 503,
    "timeout": 503,
    "too_large": 413,
    "unstorable": 422,
    "unsupported": 415,
}


def status_of(error: StormPetrelError) -> int:
    """The HTTP status of an error."""
    return STATUS.get(error.reason, 503 if error.retryable else 500)


def error_body(reason: str, message: str, retryable: bool) -> bytes:
    """The JSON body of every error of the API and the receiving paths."""
    shape = {"error": {"reason": reason, "message": message, "retryable": retryable}}
    return orjson.dumps(shape, default=str)


def wants_json(request: Request) -> bool:
    """Is the caller a program? The API always, elsewhere whoever asks for JSON and not for HTML."""
    accept = request.headers.get("accept", "")
    path = request.url.path
    return path.startswith(("/api/", "/metrics")) or ("json" in accept and "html" not in accept)


def error_response(request: Request, status: int, reason: str, message: str, retryable: bool) -> Response:
    """An error as JSON or as a page, whichever the caller reads."""
    # A fault is answered outside of the guard, which adds these to everything else.
    headers = {"Cache-Control": "no-store", **private_headers(request.url.path)}
    if retryable:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="stormpetrel"'
    if wants_json(request):
        body = error_body(reason, str(visible(message)), retryable)
        return Response(body, status, headers, media_type="application/json")
    site: Site = site_of(request)
    context = {"status": status, "phrase": HTTPStatus(status).phrase, "message": message, "reason": reason}
    context |= {"retryable": retryable, "written": written_before(request)}
    plan = _PLAN.search(message)
    if plan:  # where messages lead elsewhere they name a path; on a page that is a link
        context["message"] = message[: plan.start()] + message[plan.end() :]
    context["plan"] = plan[1] if plan else ""
    context["back"] = "" if request.method in ("GET", "HEAD") else came_from(request)
    return site.page(request, "error.html", context, status=status, headers=headers)


def _to_sign_in(request: Request) -> Response:
    """Send a person to the sign-in page and back afterwards; htmx needs to be told to leave the page."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = request.url_for("sign_in_page").include_query_params(next=here)
    where = target.path + "?" + target.query
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": where, "Cache-Control": "no-store"})
    return RedirectResponse(where, 303, {"Cache-Control": "no-store"})


def install(app: FastAPI) -> None:
    """Answer every error of the pages and the API in the one shape."""

    async def ours(request: Request, error: Exception) -> Response:
        if not isinstance(error, StormPetrelError):
            raise error
        page = request.method in ("GET", "HEAD") and not wants_json(request)
        if isinstance(error, SignInNeededError) and page and request.url.path != "/live":
            return _to_sign_in(request)
        return error_response(request, status_of(error), error.reason, str(error), error.retryable)

    async def http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        phrase = HTTPStatus(status).phrase
        message = "there is nothing at this address" if status == 404 else phrase.lower()
        return error_response(request, status, phrase.lower().replace(" ", "_"), message, False)

    async def invalid(request: Request, error: Exception) -> Response:
        problems = error.errors() if isinstance(error, RequestValidationError) else []
        parts = [f"{'.'.join(str(p) for p in one['loc'][1:])}: {one['msg']}" for one in problems[:5]]
        return error_response(request, 400, "bad_request", "; ".join(parts) or "invalid request", False)

    async def broken(request: Request, error: Exception) -> Response:
        message = f"a fault of ours ({type(error).__name__}); the log of this process has the trace"
        return error_response(request, 500, "internal", message, False)

    app.add_exception_handler(StormPetrelError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)
