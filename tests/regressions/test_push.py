"""One sender cannot take the memory or the event loop of all."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from tests.web.estate import Estate

from stormpetrel.model.access import Caller, Scope
from stormpetrel.web.push import PushGate
from stormpetrel.web.settings import WebSettings

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/v1/logs",
    "headers": [(b"authorization", b"Bearer ingest-token"), (b"content-type", b"application/json")],
}


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("not a receiving path")


class Sender:
    """One request, whose body comes when it is told to."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status = 0

    async def receive(self) -> dict[str, Any]:
        return await self.parts.get()

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)

    def give(self, size: int, more: bool = True) -> None:
        self.parts.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": more})


async def _settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0.005)


def test_bodies_still_coming_in_count_as_bytes_in_flight() -> None:
    async def run() -> None:
        gate = PushGate(nothing, Estate(), WebSettings(max_bytes_in_flight=1000, body_seconds=20))
        senders = [Sender() for _ in range(4)]
        calls = [asyncio.ensure_future(gate(SCOPE, s.receive, s.send)) for s in senders]
        for sender in senders:
            sender.give(400)
        await _settled()
        assert [s.status for s in senders] == [0, 0, 429, 429]
        for sender in senders[:2]:
            sender.give(0, more=False)
        await asyncio.gather(*calls)
        late = Sender()
        late.give(900, more=False)
        await gate(SCOPE, late.receive, late.send)
        assert late.status == 204, "what was answered is no longer in flight"

    asyncio.run(run())


def test_a_token_is_looked_up_outside_the_event_loop() -> None:
    threads: list[int] = []

    class Noted(Estate):
        def caller_of_token(self, secret: str) -> Caller | None:
            threads.append(threading.get_ident())
            return Caller("agent", None, frozenset({Scope.INGEST}))

    async def run() -> None:
        gate = PushGate(nothing, Noted(), WebSettings())
        sender = Sender()
        sender.give(2, more=False)
        await gate(SCOPE, sender.receive, sender.send)
        assert threads
        assert threading.get_ident() not in threads

    asyncio.run(run())
