"""The live stream: server-sent events that tell pages when to look again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

import anyio
import orjson
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from stormpetrel.errors import OverloadedError
from stormpetrel.model.view import LiveMessage
from stormpetrel.web.access import guarded_router
from stormpetrel.web.show import visible
from stormpetrel.web.site import Site, SiteOf

router = guarded_router()

HEARTBEAT_SECONDS = 15
SEND_SECONDS = 10.0
# How long a stream may take to say goodbye when the server stops.
GOODBYE_SECONDS = 1.0

Event = dict[str, str | int]
T = TypeVar("T")


@router.get("/live")
async def live(site: SiteOf) -> Response:
    """Messages as they come, a comment every 15 seconds, and an end after `live_seconds`.

    Raises:
        OverloadedError: as many streams are open as there may be.
    """
    if site.live_open >= site.settings.max_live_clients:
        raise OverloadedError("as many live streams are open as there may be; pages refresh by themselves")
    stopping = anyio.Event()
    return EventSourceResponse(
        _events(site, stopping),
        ping=HEARTBEAT_SECONDS,
        send_timeout=SEND_SECONDS,
        headers={"Cache-Control": "no-store"},
        shutdown_event=stopping,
        shutdown_grace_period=GOODBYE_SECONDS,
    )


async def _events(site: Site, stopping: anyio.Event) -> AsyncIterator[Event]:
    # Counted here and not in the route: a stream that never starts must not take a place for ever.
    site.live_open += 1
    stream = site.service.live()
    try:
        yield {"event": "hello", "data": "{}", "retry": 3000}
        async for message in until(stream, stopping, site.settings.live_seconds):
            yield _event(message)
    finally:
        site.live_open -= 1
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


async def until(stream: AsyncIterator[T], stopping: anyio.Event, seconds: float) -> AsyncIterator[T]:
    """What the stream gives until it ends, the time is over, or the server stops."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    stop = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(stream))
            left = max(end - clock(), 0.0)
            await asyncio.wait({coming, stop}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            try:
                message = coming.result()
            except StopAsyncIteration:
                return
            yield message
    finally:
        waiting = [one for one in (coming, stop) if one is not None]
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _event(message: LiveMessage) -> Event:
    body = {"topic": message.topic, "key": message.key, "text": visible(message.text)}
    return {"event": "petrel", "data": orjson.dumps(body).decode()}
