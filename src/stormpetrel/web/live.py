"""The live stream: server-sent events that tell pages when to look again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import orjson
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from stormpetrel.errors import OverloadedError
from stormpetrel.model.view import LiveMessage
from stormpetrel.web.access import guarded_router
from stormpetrel.web.show import visible
from stormpetrel.web.site import Site, SiteOf

router = guarded_router()

_HEARTBEAT_SECONDS = 15
_SEND_SECONDS = 10.0


@router.get("/live")
async def live(site: SiteOf) -> Response:
    """Messages as they come, a comment every 15 seconds, and an end after `live_seconds`.

    Raises:
        OverloadedError: as many streams are open as there may be.
    """
    if site.live_open >= site.settings.max_live_clients:
        raise OverloadedError("as many live streams are open as there may be; pages refresh by themselves")
    return EventSourceResponse(
        _messages(site),
        ping=_HEARTBEAT_SECONDS,
        send_timeout=_SEND_SECONDS,
        headers={"Cache-Control": "no-store"},
    )


async def _messages(site: Site) -> AsyncIterator[dict[str, str | int]]:
    # Counted here and not in the route: a stream that never starts must not take a place for ever.
    site.live_open += 1
    stream = site.service.live()
    try:
        yield {"event": "hello", "data": "{}", "retry": 3000}
        async with asyncio.timeout(site.settings.live_seconds):
            async for message in stream:
                yield _event(message)
    except TimeoutError:
        return
    finally:
        site.live_open -= 1
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


def _event(message: LiveMessage) -> dict[str, str | int]:
    body = {"topic": message.topic, "key": message.key, "text": visible(message.text)}
    return {"event": "petrel", "data": orjson.dumps(body).decode()}
