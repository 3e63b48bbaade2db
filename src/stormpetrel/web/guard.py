"""What surrounds every page: the name we were called by, security headers, small bodies only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stormpetrel.web.errors import error_body
from stormpetrel.web.private import private_headers
from stormpetrel.web.settings import WebSettings

MAX_FORM_BYTES = 64 << 10

# Nothing inline, nothing foreign: even text that slipped through the templates could not run.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: browsers then send `Origin: null` with forms, and the gate could not tell ours.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_KEEP_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")


class BodyTooLargeError(Exception):
    """Raised inside the application while it reads a form; answered 413 here."""


class Guard:
    """ASGI middleware round the pages and the API (the receiving paths do not pass here).

    Args:
        app: what is guarded.
        settings: the names we go by.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._hosts = {host.lower() for host in settings.allowed_hosts} | {settings.public_host, "localhost"}
        self._hosts.discard("")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 for a foreign name, 413 for a large body, and add the headers to everything else."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if not self.known(host.decode("latin-1")):
            message = (
                "this server does not go by that name; use its address, or set server.public_url "
                "to the address people use"
            )
            await _refuse(send, 421, "foreign_host", message, scope["path"])
            return
        for_ever = scope["path"].startswith("/static/") and scope["query_string"].startswith(b"v=")
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                extra = (_KEEP_FOR_EVER,) if for_ever and message["status"] == 200 else ()
                message["headers"] = _dressed(message.get("headers", ()), scope["path"], extra)
            await send(message)

        try:
            await self._app(scope, _limited(receive), dressed)
        except BodyTooLargeError:
            if started:
                raise
            message = f"a form may have at most {MAX_FORM_BYTES} bytes"
            await _refuse(send, 413, "too_large", message, scope["path"])

    def known(self, host: str) -> bool:
        """Is this Host header ours? IP literals always are: DNS rebinding needs a *name*."""
        name = host_name(host)
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.endswith(".localhost")
        return True


def host_name(host: str) -> str:
    """The name or address in a Host header, without port and brackets, lower case.

    >>> host_name("Petrel.example:80"), host_name("[::1]:7780")
    ('petrel.example', '::1')
    """
    name = host.strip().lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]


def _limited(receive: Receive) -> Receive:
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_FORM_BYTES:
            raise BodyTooLargeError
        return message

    return counted


def _dressed(
    headers: Iterable[tuple[bytes, bytes]], path: str, extra: tuple[tuple[bytes, bytes], ...] = ()
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with ours. What an answer says of itself stands, but for what is private."""
    private = [(name.lower().encode(), value.encode()) for name, value in private_headers(path).items()]
    forced = {name for name, _ in private}
    own = [(name, value) for name, value in headers if name.lower() not in forced]
    said = forced | {name.lower() for name, _ in own}
    return [*own, *private, *(one for one in (*_HEADERS, *extra) if one[0] not in said)]


async def _refuse(send: Send, status: int, reason: str, message: str, path: str) -> None:
    body = error_body(reason, message, False)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": _dressed(headers, path)})
    await send({"type": "http.response.body", "body": body})
