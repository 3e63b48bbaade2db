"""The live stream: fans messages out to the pages that are open, each with a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

from stormpetrel.model.view import LiveMessage

# Messages a slow page may be behind; beyond that it loses the oldest and still sees the newest state.
_BACKLOG = 64
# What has no message of its own (sources, counts, rates) is looked at anew this often; and a page that hears
# nothing for three of them knows that it is stale.
TICK_SECONDS = 15.0
_TICK = LiveMessage("tick", "", "")


class LiveHub:
    """Publishes from any thread, delivers in each subscriber's event loop.

    Args:
        tick_seconds: after so long a subscriber is told that time has passed.
    """

    def __init__(self, tick_seconds: float = TICK_SECONDS) -> None:
        self._tick_seconds = tick_seconds
        self._lock = threading.Lock()
        self._subscribers: dict[asyncio.Queue[LiveMessage], asyncio.AbstractEventLoop] = {}

    def publish(self, message: LiveMessage) -> None:
        """Hand a message to every subscriber; never blocks, never raises for a page that went away."""
        with self._lock:
            subscribers = list(self._subscribers.items())
        for queue, loop in subscribers:
            # A loop that closed, perhaps just now: nobody is there to hear it.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_offer, queue, message)

    async def subscribe(self) -> AsyncIterator[LiveMessage]:
        """Messages from now on, ticks among them, until the consumer closes the iterator."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[LiveMessage] = asyncio.Queue(_BACKLOG)
        with self._lock:
            self._subscribers[queue] = loop
        due = loop.time() + self._tick_seconds
        try:
            while True:
                message = _TICK
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        message = await queue.get()
                if message is _TICK:
                    due = loop.time() + self._tick_seconds
                yield message
        finally:
            with self._lock:
                del self._subscribers[queue]

    def __len__(self) -> int:
        return len(self._subscribers)


def _offer(queue: asyncio.Queue[LiveMessage], message: LiveMessage) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(message)
