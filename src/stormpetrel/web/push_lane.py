"""The way of pushed requests out of the event loop and back: few threads, and few wake-ups of the loop.

A request costs the loop one hand-over and, at the end, a place in a list: a group commit that stores a
hundred requests wakes the loop once, not a hundred times.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future

from stormpetrel.errors import StoreError
from stormpetrel.model.push import Receipt


class _Outbox:
    """Finished work on its way to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._lock = threading.Lock()
        self._finished: deque[_Work] = deque()
        self._awake = False

    def put(self, work: _Work) -> None:
        """From any thread; wakes the loop unless that is under way."""
        self._finished.append(work)
        with self._lock:
            if self._awake:
                return
            self._awake = True
        try:
            self.loop.call_soon_threadsafe(self._empty)
        except RuntimeError:
            self._finished.clear()  # the loop is closed: nobody waits any more

    def _empty(self) -> None:
        # First the flag: what is put from here on wakes again, and so is never left lying.
        with self._lock:
            self._awake = False
        while self._finished:
            self._finished.popleft().settle()


class _Work:
    """One call, and what came of it."""

    __slots__ = ("_call", "_error", "_left", "_lock", "_on_called", "_outbox", "_receipt", "answered")

    def __init__(self, call: Callable[[], Receipt], on_called: Callable[[], None], outbox: _Outbox) -> None:
        self._call: Callable[[], Receipt] | None = call
        self._on_called = on_called
        self._outbox = outbox
        self._lock = threading.Lock()
        self._left = 0
        self._error: BaseException | None = None
        self._receipt: Receipt | None = None
        self.answered: asyncio.Future[Receipt] = outbox.loop.create_future()

    def run(self) -> None:
        """In a thread of the lane: call, then wait, without a thread, for what the call began."""
        stored: list[Future[None]] = []
        try:
            # A sender that was told to come back, for want of time, will: it must not be stored twice.
            if self._call is not None and not self.answered.done():
                self._receipt = self._call()
                stored = self._receipt.stored
        except BaseException as error:  # noqa: BLE001 - whatever it is, the waiting request raises it
            self._error = error
        self._call = None  # the body goes as soon as it is decoded
        self._on_called()
        self._left = len(stored)
        if not stored:
            self._outbox.put(self)
        for future in stored:
            future.add_done_callback(self._one_stored)

    def _one_stored(self, future: Future[None]) -> None:
        error = StoreError("the insert was given up") if future.cancelled() else future.exception()
        with self._lock:
            self._error = self._error or error
            self._left -= 1
            last = self._left == 0
        if last:
            self._outbox.put(self)

    def settle(self) -> None:
        """In the event loop: tell whoever waits."""
        if self.answered.done():
            return
        if self._error is not None:
            self.answered.set_exception(self._error)
        elif self._receipt is not None:
            self.answered.set_result(self._receipt)


class _Turns:
    """Work that waits, taken from the sources in turn: what is much or takes long waits by itself."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[_Work]] = OrderedDict()
        self._ended = False

    def put(self, source: str, work: _Work) -> None:
        """From any thread."""
        with self._changed:
            self._waiting.setdefault(source, deque()).append(work)
            self._changed.notify()

    def take(self) -> _Work | None:
        """The next in turn, which is waited for; None when there is no more and there will be none."""
        with self._changed:
            while not self._waiting:
                if self._ended:
                    return None
                self._changed.wait()
            source, own = self._waiting.popitem(last=False)
            work = own.popleft()
            if own:
                self._waiting[source] = own  # behind all others
            return work

    def end(self) -> None:
        """Nothing comes any more; what waits is taken yet."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Lane:
    """Runs calls in threads of its own and tells the event loop when what they began is stored.

    Calls of one source run in order, sources in turn.

    Args:
        threads: how many; they start with the first call and end with the lane.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._turns = _Turns()
        self._outbox: _Outbox | None = None
        self._started = False

    def submit(
        self, call: Callable[[], Receipt], on_called: Callable[[], None], source: str = ""
    ) -> asyncio.Future[Receipt]:
        """The call's receipt once all its futures are done; or what the call, or the first of them, raised.

        To be called in an event loop, whose future it returns.

        Args:
            call: runs in a thread.
            on_called: called in that thread when `call` is through, well or badly.
            source: whose turn it takes.
        """
        loop = asyncio.get_running_loop()
        if self._outbox is None or self._outbox.loop is not loop:
            self._outbox = _Outbox(loop)
        work = _Work(call, on_called, self._outbox)
        if not self._started:
            self._start()
        self._turns.put(source, work)
        return work.answered

    def _start(self) -> None:
        self._started = True
        for number in range(self._threads):
            name = f"receive-{number}"
            threading.Thread(target=_work_off, args=(self._turns,), name=name, daemon=True).start()
        weakref.finalize(self, self._turns.end)


def _work_off(turns: _Turns) -> None:
    while (work := turns.take()) is not None:
        work.run()
        del work  # nothing of it is held while the thread waits
