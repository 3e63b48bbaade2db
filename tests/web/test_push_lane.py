"""The lane between event loop and decoders: every answer arrives, in few wake-ups, whatever happens."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

import httpx
import pytest
from tests.web.estate import Estate
from tests.web.serve import run as serve

from stormpetrel.errors import StoreError
from stormpetrel.model.push import Decoded, Receipt
from stormpetrel.web.push_lane import Lane


def receipt(*stored: Future[None]) -> Receipt:
    return Receipt(Decoded(status=204), list(stored))


def nothing() -> None:
    return None


def done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def test_calls_run_in_other_threads_and_their_receipts_come_back() -> None:
    threads: set[int] = set()
    called: list[int] = []

    def call(number: int) -> Receipt:
        threads.add(threading.get_ident())
        return receipt(*[done()] * (number % 3))

    async def run() -> None:
        lane = Lane(3)
        answered = [lane.submit(partial(call, n), partial(called.append, n)) for n in range(300)]
        assert len(await asyncio.gather(*answered)) == 300

    asyncio.run(run())
    assert sorted(called) == list(range(300))
    assert threading.get_ident() not in threads
    assert 1 <= len(threads) <= 3


def test_an_answer_waits_for_all_that_was_begun_and_tells_the_first_failure() -> None:
    async def run() -> None:
        lane = Lane(1)
        first: Future[None] = Future()
        second: Future[None] = Future()
        answered = lane.submit(lambda: receipt(first, second), nothing)
        second.set_exception(StoreError("no room"))
        await asyncio.sleep(0.05)
        assert not answered.done()
        first.set_result(None)
        with pytest.raises(StoreError, match="no room"):
            await answered

    asyncio.run(run())


def test_what_a_call_raises_is_raised_to_whoever_waits() -> None:
    called: list[bool] = []

    def call() -> Receipt:
        raise KeyError("broken")

    async def run() -> None:
        lane = Lane(1)
        with pytest.raises(KeyError):
            await lane.submit(call, partial(called.append, True))
        assert (await lane.submit(receipt, nothing)).decoded.status == 204

    asyncio.run(run())
    assert called == [True]


def test_an_insert_that_was_given_up_is_no_success() -> None:
    async def run() -> None:
        given_up: Future[None] = Future()
        given_up.cancel()
        with pytest.raises(StoreError):
            await Lane(1).submit(lambda: receipt(given_up), nothing)

    asyncio.run(run())


def test_a_request_that_was_answered_before_its_turn_is_not_decoded() -> None:
    began, go = threading.Event(), threading.Event()
    calls: list[str] = []
    freed: list[str] = []

    def slow() -> Receipt:
        began.set()
        go.wait(10)
        return receipt()

    def late() -> Receipt:
        calls.append("late")
        return receipt()

    async def run() -> None:
        lane = Lane(1)
        first = lane.submit(slow, nothing)
        second = lane.submit(late, partial(freed.append, "late"))
        await asyncio.to_thread(began.wait, 10)
        second.cancel()
        go.set()
        await first
        assert (await lane.submit(receipt, nothing)).decoded.status == 204

    asyncio.run(run())
    assert (calls, freed) == ([], ["late"]), "its bytes are given back all the same"


def test_who_sends_a_lot_does_not_hold_up_the_others() -> None:
    """Requests that take seconds to decode, a hundred of them, are no reason for others to be told 503."""
    began, go = threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> Receipt:
        began.set()
        go.wait(30)
        return receipt()

    def noted(name: str) -> Receipt:
        order.append(name)
        return receipt()

    async def run() -> None:
        lane = Lane(1)
        answered = [lane.submit(first, nothing, "flood")]
        await asyncio.to_thread(began.wait, 30)
        answered += [lane.submit(partial(noted, f"flood {n}"), nothing, "flood") for n in range(50)]
        answered += [lane.submit(partial(noted, f"modest {n}"), nothing, "modest") for n in range(2)]
        go.set()
        await asyncio.gather(*answered)

    asyncio.run(run())
    assert order[:4] == ["flood 0", "modest 0", "flood 1", "modest 1"]
    assert order[4:] == [f"flood {n}" for n in range(2, 50)]


def test_a_group_commit_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wakes: list[object] = []
    wake = asyncio.BaseEventLoop.call_soon_threadsafe

    def counted(loop: asyncio.BaseEventLoop, *told: Any, **rest: Any) -> asyncio.Handle:
        wakes.append(told)
        return wake(loop, *told, **rest)

    async def run() -> None:
        lane = Lane(1)
        futures: list[Future[None]] = [Future() for _ in range(200)]
        answered = [lane.submit(partial(receipt, future), nothing) for future in futures]
        last = lane.submit(receipt, nothing)  # one thread: when this is through, all before are
        await last
        monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon_threadsafe", counted)
        for future in futures:  # in the loop's own thread: it cannot run in between
            future.set_result(None)
        await asyncio.gather(*answered)
        monkeypatch.undo()

    asyncio.run(run())
    assert len(wakes) == 1


def test_one_lane_serves_several_loops_and_a_closed_loop_is_no_harm() -> None:
    lane = Lane(1)
    late: Future[None] = Future()

    async def run(stored: Future[None]) -> None:
        await asyncio.wait_for(lane.submit(lambda: receipt(stored), nothing), 0.2)

    asyncio.run(run(done()))
    with pytest.raises(TimeoutError):
        asyncio.run(run(late))
    late.set_result(None)
    asyncio.run(run(done()))


def test_the_threads_end_with_the_lane() -> None:
    async def run() -> None:
        lane = Lane(2)
        await lane.submit(receipt, nothing)

    before = {thread.ident for thread in threading.enumerate()}
    asyncio.run(run())
    gc.collect()
    deadline = time.monotonic() + 10
    while {thread.ident for thread in threading.enumerate()} - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not {thread.name for thread in threading.enumerate() if thread.ident not in before}


@pytest.mark.parametrize("status", [204, 400])
def test_a_decoder_may_answer_with_headers_of_its_own(status: int) -> None:
    estate = Estate()
    decoded = Decoded(
        status=status, answer=b"partly", answer_type="text/plain", answer_headers=(("X-Written", "7"),)
    )
    estate.receiver = lambda request: Receipt(decoded)

    async def test(client: httpx.AsyncClient) -> None:
        headers = {"Authorization": "Bearer ingest-token"}
        answer = await client.post("/api/v1/write", content=b"x", headers=headers)
        assert (answer.status_code, answer.headers["x-written"]) == (status, "7")
        assert answer.content == (b"" if status == 204 else b"partly")

    serve(test, estate)
