"""Requests a second through the receiving path, against a plain FastAPI route with the same work.

Both are called as ASGI applications, without a network: what is measured is what lies between uvicorn
and the decoder. Run: `python -m benchmarks.speed.push`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope
from tests.web.estate import Estate

from stormpetrel.model.push import PushRequest
from stormpetrel.web import create_app

REQUESTS = 2000
ROUNDS = 5
BODY = b"x" * 40_000  # about 2,000 samples, compressed


def plain(estate: Estate) -> FastAPI:
    """The same duty as an ordinary route."""
    app = FastAPI()

    @app.post("/api/v1/write")
    async def write(request: Request) -> Response:
        secret = request.headers["authorization"].removeprefix("Bearer ")
        assert estate.caller_of_token(secret)
        pushed = PushRequest(await request.body(), "", "", "/api/v1/write", "a", estate.now_unix_nano())
        receipt = await run_in_threadpool(estate.receive, "remote_write", pushed)
        for future in receipt.stored:
            await asyncio.wrap_future(future)
        return Response(receipt.decoded.answer, receipt.decoded.status)

    return app


async def drive(app: ASGIApp, estate: Estate) -> float:
    """Seconds for `REQUESTS` requests, eight at a time."""
    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": "/api/v1/write", "raw_path": b"/api/v1/write",
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "headers": [(b"host", b"localhost"), (b"authorization", b"Bearer ingest-token"),
                    (b"content-length", str(len(BODY)).encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 204) == 204

    async def sender(count: int) -> None:
        for _ in range(count):
            fresh: Scope = dict(scope)
            await app(fresh, receive, send)

    started = time.perf_counter()
    await asyncio.gather(*(sender(REQUESTS // 8) for _ in range(8)))
    estate.received.clear()
    return time.perf_counter() - started


def main() -> None:
    """Print the better of each, and the median of the paired ratios."""
    estate = Estate()
    ours, theirs = create_app(estate), plain(estate)
    pairs = [(asyncio.run(drive(ours, estate)), asyncio.run(drive(theirs, estate))) for _ in range(ROUNDS)]
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    print(f"receiving path: {REQUESTS / min(a for a, _ in pairs):,.0f} requests/s")
    print(f"plain route:    {REQUESTS / min(b for _, b in pairs):,.0f} requests/s")
    print(f"paired ratio:   {ratios[len(ratios) // 2]:.2f} (median of {ROUNDS})")


if __name__ == "__main__":
    main()
