"""The receiving paths: raw ASGI, because every agent of an estate calls here several times a second.

A sender is answered only when everything accepted is in the store. What it gets otherwise:
400/413/415 do not send this again, 401/403 token, 429/503 with Retry-After: send it again later.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from stormpetrel.app.service import Service
from stormpetrel.errors import StormPetrelError, TooLargeError
from stormpetrel.model.access import Caller, Scope
from stormpetrel.model.push import HEADER_PREFIXES, Decoded, PushRequest
from stormpetrel.web.push_greetings import GREETINGS
from stormpetrel.web.push_lane import Lane
from stormpetrel.web.push_refusal import PushRefusedError, answer_refusal, overloaded, refusal_of
from stormpetrel.web.settings import WebSettings

# Dots alone are no name: in an address they are steps, and the source's page could not be reached.
_SOURCE = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9_.-]{1,64}")
_MAX_AUTHORIZATION = 2048
_MAX_QUERY = 4096
_MAX_HEADERS = 32
_ASKED = tuple(prefix.encode("latin-1") for prefix in HEADER_PREFIXES)

# A known token is taken for good this long before it is asked for again: one that was revoked is refused
# within this time.
_KNOWN_SECONDS = 1.0
_MAX_KNOWN = 1000

Headers = dict[bytes, bytes]


class PushGate:
    """ASGI middleware that takes the receiving paths out of the application's way.

    Args:
        app: the pages and the API; everything that is no receiving path goes there.
        service: knows paths and tokens, takes the requests.
        settings: bounds.
    """

    def __init__(self, app: ASGIApp, service: Service, settings: WebSettings) -> None:
        self._app = app
        self._service = service
        self._settings = settings
        paths = service.push_paths()
        self._paths: Mapping[str, str] = {path: name for path, name in paths.items() if path[-2:] != "/*"}
        self._beneath = {path[:-1]: name for path, name in paths.items() if path[-2:] == "/*"}
        spoken = {name: GREETINGS.get(name, {}) for name in paths.values()}
        self._greetings = {path: said for asked in spoken.values() for path, said in asked.items()}
        self._lane = Lane(settings.receive_threads)
        # Who sends is asked apart: neither a slow control store nor strangers' tokens hold up the loop.
        self._askers = ThreadPoolExecutor(2, thread_name_prefix="token")
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._requests = 0
        self._of_source: Counter[str] = Counter()  # requests in flight
        self._bytes = 0
        self._decoded: deque[int] = deque()  # sizes of bodies that are no longer held; from any thread

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Receive, or pass on."""
        protocol = self._protocol(scope["path"]) if scope["type"] == "http" else None
        if protocol is None:
            await self._greet_or_pass(scope, receive, send)
            return
        content_type = dict(scope["headers"]).get(b"content-type", b"")
        if self._requests >= self._settings.max_requests_in_flight:
            await answer_refusal(send, overloaded("too many requests at once"), protocol, content_type)
            return
        self._requests += 1
        try:
            decoded = await self._stored(protocol, await self._accept(scope, receive))
        except StormPetrelError as error:
            await answer_refusal(send, refusal_of(error), protocol, content_type)
        else:
            await _answer(send, decoded)
        finally:
            self._requests -= 1
            self._leave(scope)

    async def _greet_or_pass(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        asks = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        greeting = self._greetings.get(scope["path"]) if asks else None
        if greeting is None:
            await self._app(scope, receive, send)
        else:
            await _answer(send, greeting)

    def _enter(self, scope: AsgiScope, source: str) -> None:
        """A source holds at most as many requests as are free, so that there is always room for another."""
        held = self._of_source[source]
        if held and held >= self._settings.max_requests_in_flight - self._requests:
            raise overloaded(f"too many requests of {source} at once")
        self._of_source[source] = held + 1
        scope["stormpetrel.source"] = source

    def _leave(self, scope: AsgiScope) -> None:
        source = scope.get("stormpetrel.source")
        if source is not None:
            self._of_source[source] -= 1
            if not self._of_source[source]:
                del self._of_source[source]

    def _protocol(self, path: str) -> str | None:
        exact = self._paths.get(path)
        if exact is not None:
            return exact
        # Without the slash at its end, as Filebeat asks for an address that was written so.
        for start, name in self._beneath.items():
            if path.startswith(start) or path == start[:-1]:
                return name
        return None

    async def _accept(self, scope: AsgiScope, receive: Receive) -> PushRequest:
        """The request, once it is known who sends it and all of it is here."""
        if scope["method"] != "POST" and scope["path"] in self._paths:
            raise PushRefusedError(405, "method_not_allowed", "this path receives signals: POST only")
        headers: Headers = dict(scope["headers"])
        caller = await self._caller(headers)
        source = _source_of(headers, caller)
        self._enter(scope, source)
        return PushRequest(
            body=await self._body(headers, receive),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            content_encoding=headers.get(b"content-encoding", b"").decode("latin-1"),
            path=scope["path"],
            source=source,
            received_unix_nano=self._service.now_unix_nano(),
            method=scope["method"],
            query=scope.get("query_string", b"").decode("latin-1")[:_MAX_QUERY],
            headers=_asked_headers(headers),
        )

    async def _caller(self, headers: Headers) -> Caller:
        """Whose token this is."""
        # GitLab's web hooks can name a secret only in a header of their own.
        secret = push_secret(headers.get(b"authorization", b"")) or headers.get(
            b"x-gitlab-token", b""
        ).decode("latin-1")
        caller = await self._caller_of(secret) if secret else None
        if caller is None:
            message = "send an API token with scope ingest: `Authorization: Bearer`, or Basic as password"
            raise PushRefusedError(401, "token", message)
        if Scope.INGEST not in caller.scopes:
            raise PushRefusedError(403, "scope", f"the token {caller.name} lacks the scope {Scope.INGEST}")
        return caller

    async def _caller_of(self, secret: str) -> Caller | None:
        """Who the token speaks for; asked again after `_KNOWN_SECONDS`. Unknown ones are always asked for."""
        loop = asyncio.get_running_loop()
        digest = hashlib.sha256(secret.encode(errors="replace")).digest()
        known = self._known.get(digest)
        if known is not None and loop.time() < known[1]:
            return known[0]
        asked = loop.time()
        caller = await loop.run_in_executor(self._askers, self._service.caller_of_token, secret)
        if caller is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[digest] = caller, asked + _KNOWN_SECONDS
        return caller

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body; its bytes count as in flight from their arrival on, until the caller says so."""
        declared = headers.get(b"content-length", b"0")
        size = int(declared) if declared.isdigit() else 0
        self._check_room(size, size)
        parts: list[bytes] = []
        total = 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise PushRefusedError(400, "incomplete", "the sender went away in mid-body")
                    part = message.get("body", b"")
                    self._check_room(total + len(part), len(part))
                    total += len(part)
                    self._bytes += len(part)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts) if len(parts) > 1 else part
        except TimeoutError:
            self._bytes -= total
            # Not 408: nearly all senders drop for good what is answered 4xx, and a slow network is no fault.
            message_ = f"the body did not arrive within {self._settings.body_seconds:g} s; send it again"
            raise PushRefusedError(503, "slow_body", message_) from None
        except BaseException:
            self._bytes -= total
            raise

    def _check_room(self, size: int, more: int) -> None:
        if size > self._settings.max_body_bytes:
            raise TooLargeError(
                f"the body exceeds {self._settings.max_body_bytes} bytes; send smaller batches, "
                "or raise server.max_body_bytes"
            )
        while self._decoded:
            self._bytes -= self._decoded.popleft()
        if self._bytes + more > self._settings.max_bytes_in_flight:
            raise overloaded("too many bytes in flight")

    async def _stored(self, protocol: str, request: PushRequest) -> Decoded:
        """Decode, and wait until everything accepted is in the store."""
        answered = self._lane.submit(
            partial(self._service.receive, protocol, request),
            partial(self._decoded.append, len(request.body)),
            request.source,
        )
        del request  # only the lane holds it now, and lets go of the body when it is decoded
        try:
            async with asyncio.timeout(self._settings.stored_seconds):
                receipt = await answered
        except TimeoutError:
            message = f"not stored within {self._settings.stored_seconds:g} s; send it again"
            raise PushRefusedError(503, "timeout", message) from None
        return receipt.decoded


def push_secret(authorization: bytes) -> str:
    """The token of a Bearer header, or the password of a Basic one; empty when there is none.

    Elasticsearch's shippers write ApiKey, in the form of Basic; those of InfluxDB write Token, as Bearer, or
    with a user's name and a colon before it, as InfluxDB 1.8 has it.

    >>> push_secret(b"Bearer abc"), push_secret(b"Basic bWU6YWJj"), push_secret(b"Digest x")
    ('abc', 'abc', '')
    >>> push_secret(b"ApiKey bWU6YWJj"), push_secret(b"Token abc"), push_secret(b"Token me:abc")
    ('abc', 'abc', 'abc')
    """
    if len(authorization) > _MAX_AUTHORIZATION:
        return ""
    scheme, _, rest = authorization.partition(b" ")
    text = rest.strip()
    if scheme.lower() in (b"basic", b"apikey"):
        try:
            text = base64.b64decode(text, validate=True).partition(b":")[2]
        except binascii.Error:
            return ""
    elif scheme.lower() == b"token":
        text = text.rpartition(b":")[2]
    elif scheme.lower() != b"bearer":
        return ""
    return text.decode("utf-8", "replace")


def _asked_headers(headers: Headers) -> dict[str, str]:
    """The headers that decoders may see: few, short, and never the authorization."""
    asked = [(name, value) for name, value in headers.items() if name.startswith(_ASKED)]
    return {name.decode("latin-1"): value.decode("latin-1")[:1024] for name, value in asked[:_MAX_HEADERS]}


def _source_of(headers: Headers, caller: Caller) -> str:
    named = headers.get(b"x-storm-petrel-source")
    if named is None:
        return caller.name
    source = named.decode("latin-1")
    if not _SOURCE.fullmatch(source):
        message = "X-Storm-Petrel-Source takes 1 to 64 letters, digits, dots, dashes and underscores"
        raise PushRefusedError(400, "source_name", message)
    return source


async def _answer(send: Send, decoded: Decoded) -> None:
    body = decoded.answer if decoded.status != 204 else b""
    headers = [(b"content-length", str(len(body)).encode())] if decoded.status != 204 else []
    if decoded.answer_type:
        headers.append((b"content-type", decoded.answer_type.encode("latin-1")))
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in decoded.answer_headers]
    await send({"type": "http.response.start", "status": decoded.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
