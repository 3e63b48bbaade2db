"""The live stream: fans messages out to the pages that are open, each with a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

from stormpetrel.model.view import LiveMessage

# Messages a slow page may be behind; beyond that it loses the oldest and still sees the newest state.
_BACKLOG = 64


class LiveHub:
    """Publishes from any thread, delivers in each subscriber's event loop."""

    def __init__(self) -> None:
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
        """Messages from now on, until the consumer closes the iterator."""
        queue: asyncio.Queue[LiveMessage] = asyncio.Queue(_BACKLOG)
        with self._lock:
            self._subscribers[queue] = asyncio.get_running_loop()
        try:
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                del self._subscribers[queue]

    def __len__(self) -> int:
        return len(self._subscribers)


def _offer(queue: asyncio.Queue[LiveMessage], message: LiveMessage) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(message)
