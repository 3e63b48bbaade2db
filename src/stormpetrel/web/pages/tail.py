"""*Live tail*: log records as they are stored, through a filter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

import anyio
import orjson
from fastapi import Query, Request
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from stormpetrel.errors import OverloadedError
from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import LogRecord
from stormpetrel.model.time import to_iso
from stormpetrel.web.access import guarded_router
from stormpetrel.web.filters import LogFilter
from stormpetrel.web.live import GOODBYE_SECONDS, HEARTBEAT_SECONDS, SEND_SECONDS, until
from stormpetrel.web.show import log_severity_word, visible
from stormpetrel.web.site import Site, SiteOf

router = guarded_router()

_MOST_CHARACTERS = 2000

Event = dict[str, str | int]


@router.get("/tail")
def tail_page(request: Request, site: SiteOf, query: Annotated[LogFilter, Query()]) -> Response:
    """The empty page; its script asks for the stream with the same filter."""
    return site.page(request, "tail.html", {"filter": query, "parameters": query.parameters()})


@router.get("/tail/stream")
async def stream(site: SiteOf, query: Annotated[LogFilter, Query()]) -> Response:
    """Records as server-sent events, from now on.

    Raises:
        OverloadedError: as many streams are open as there may be.
    """
    if site.live_open >= site.settings.max_live_clients:
        raise OverloadedError("as many live streams are open as there may be; close another page")
    stopping = anyio.Event()
    return EventSourceResponse(
        _events(site, query.log_query(site.service.now_unix_nano()), stopping),
        ping=HEARTBEAT_SECONDS,
        send_timeout=SEND_SECONDS,
        headers={"Cache-Control": "no-store"},
        shutdown_event=stopping,
        shutdown_grace_period=GOODBYE_SECONDS,
    )


async def _events(site: Site, query: LogQuery, stopping: anyio.Event) -> AsyncIterator[Event]:
    site.live_open += 1
    found = site.service.tail(query)
    try:
        yield {"event": "hello", "data": "{}", "retry": 3000}
        async for message in until(found, stopping, site.settings.live_seconds):
            body = {"records": [_record(record) for record in message.records], "skipped": message.skipped}
            yield {"event": "records", "data": orjson.dumps(body).decode()}
            await asyncio.sleep(0.2)  # a person reads; a flood comes in few large messages
    finally:
        site.live_open -= 1
        if isinstance(found, AsyncGenerator):
            await found.aclose()


def _record(record: LogRecord) -> dict[str, object]:
    return {
        "time": to_iso(record.time_unix_nano),
        "severity": log_severity_word(record.severity_number),
        "entity": visible(record.entity),
        "source": visible(record.source),
        "body": visible(record.body[:_MOST_CHARACTERS]),
        "cut": len(record.body) > _MOST_CHARACTERS,
    }
