"""The live stream: bounded for the slow, gone with the closed, from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

from stormpetrel.app.live import LiveHub
from stormpetrel.model.view import LiveMessage


def message(number: int) -> LiveMessage:
    return LiveMessage("finding", str(number), "text")


async def opened(hub: LiveHub) -> tuple[AsyncGenerator[LiveMessage, None], asyncio.Task[LiveMessage]]:
    """A subscriber that waits for its first message."""
    stream = cast("AsyncGenerator[LiveMessage, None]", hub.subscribe())
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    return stream, first


async def next_keys(stream: AsyncIterator[LiveMessage], count: int) -> list[str]:
    return [(await asyncio.wait_for(anext(stream), 10)).key for _ in range(count)]


def test_a_slow_page_loses_the_oldest_and_sees_the_newest() -> None:
    async def run() -> list[str]:
        hub = LiveHub()
        stream, first = await opened(hub)
        hub.publish(message(-1))
        assert (await first).key == "-1"
        for n in range(200):
            hub.publish(message(n))
        await asyncio.sleep(0.01)
        keys = await next_keys(stream, 64)
        await stream.aclose()
        return keys

    assert asyncio.run(run()) == [str(n) for n in range(136, 200)]


def test_a_closed_page_is_forgotten() -> None:
    async def run() -> None:
        hub = LiveHub()
        stream, first = await opened(hub)
        hub.publish(message(0))
        await first
        assert len(hub) == 1
        await stream.aclose()
        assert len(hub) == 0
        hub.publish(message(1))

    asyncio.run(run())


def test_every_page_hears_every_thread_in_the_order_of_each() -> None:
    async def run() -> list[list[str]]:
        hub = LiveHub()
        pages = [await opened(hub) for _ in range(2)]

        def publish(start: int) -> None:
            for n in range(10):
                hub.publish(message(start + n))

        threads = [threading.Thread(target=publish, args=(100 * n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        heard = [[(await first).key, *await next_keys(stream, 29)] for stream, first in pages]
        for stream, _ in pages:
            await stream.aclose()
        return heard

    for keys in asyncio.run(run()):
        numbers = [int(key) for key in keys]
        assert sorted(numbers) == [100 * n + i for n in range(3) for i in range(10)]
        for n in range(3):
            own = [number for number in numbers if number // 100 == n]
            assert own == sorted(own)


def test_a_loop_that_ended_without_goodbye_disturbs_nobody() -> None:
    hub = LiveHub()
    loop = asyncio.new_event_loop()
    stream, first = loop.run_until_complete(opened(hub))
    hub.publish(message(0))
    loop.run_until_complete(first)
    loop.close()
    hub.publish(message(1))
    assert len(hub) == 1
    assert stream is not None


def test_a_page_hears_that_time_passes_also_between_messages() -> None:
    async def run() -> list[str]:
        hub = LiveHub(tick_seconds=0.05)
        stream, first = await opened(hub)
        topics = [(await asyncio.wait_for(first, 30)).topic]
        hub.publish(message(1))
        topics += [(await asyncio.wait_for(anext(stream), 30)).topic for _ in range(3)]
        await stream.aclose()
        return topics

    topics = asyncio.run(run())
    assert topics[0] == "tick"
    assert sorted(topics[1:]) == ["finding", "tick", "tick"]
