from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable

import httpx
import pytest

from stormpetrel.errors import AuthError, DecodeError, OverloadedError
from stormpetrel.model.time import from_iso, from_seconds
from stormpetrel.simulate.drive import Drive, Progress
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.push import (
    CHANGES_PATH,
    LOGS_PATH,
    MAX_WAIT_SECONDS,
    REMOTE_WRITE_PATH,
    TRACES_PATH,
    Pusher,
)
from stormpetrel.simulate.signals import Signals

START = from_iso("2026-03-02T12:00:00Z")
Answer = Callable[[int, httpx.Request], httpx.Response]


class Waits(threading.Event):
    """Remembers how long it was waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []
        self.passes: Ticking | None = None

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        if self.passes is not None:
            self.passes.now += from_seconds(timeout or 0.0)
        return self.is_set()


class Receiver:
    """Answers what it is told to, and keeps what came."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(len(self.requests), request)


def pusher(answer: Answer) -> tuple[Pusher, Receiver, Waits]:
    receiver, waits = Receiver(answer), Waits()
    client = httpx.Client(transport=httpx.MockTransport(receiver))
    return Pusher("http://x/", "secret", attempts=4, stop=waits, client=client), receiver, waits


def minute() -> Signals:
    return Estate(7, START).step(START + from_seconds(60))


def ok(_number: int, _request: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


def test_metadata_then_metrics_then_logs_then_traces_with_the_token() -> None:
    push, receiver, _ = pusher(ok)
    signals = minute()
    push.push(signals)
    push.push(signals)
    paths = [request.url.path for request in receiver.requests]
    once = [REMOTE_WRITE_PATH, LOGS_PATH, TRACES_PATH]
    assert paths == [REMOTE_WRITE_PATH, *once, *once]
    assert {request.headers["Authorization"] for request in receiver.requests} == {"Bearer secret"}
    assert receiver.requests[1].headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert receiver.requests[1].headers["Content-Encoding"] == "snappy"
    assert push.sent.samples == 2 * signals.metrics.value.size
    assert push.sent.log_records == 2 * len(signals.logs)
    assert push.sent.spans == 2 * len(signals.spans)


def test_nothing_new_sends_nothing() -> None:
    push, receiver, _ = pusher(ok)
    estate = Estate(7, START)
    push.push(estate.step(START + from_seconds(60)))
    sent = len(receiver.requests)
    push.push(estate.step(START))
    assert len(receiver.requests) == sent


def test_it_waits_as_long_as_the_receiver_asks_and_repeats_unchanged() -> None:
    def busy(number: int, _request: httpx.Request) -> httpx.Response:
        return [httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(503), httpx.Response(200)][
            min(number, 3) - 1
        ]

    push, receiver, waits = pusher(busy)
    push.push(minute())
    assert waits.waited[0] == 3.0
    assert 0 < waits.waited[1] <= MAX_WAIT_SECONDS
    assert receiver.requests[0].content == receiver.requests[1].content == receiver.requests[2].content
    assert push.sent.retries == 2


def test_it_gives_up_after_its_attempts_and_counts_nothing_as_sent() -> None:
    push, receiver, waits = pusher(lambda _n, _r: httpx.Response(503, headers={"Retry-After": "99999"}))
    with pytest.raises(OverloadedError, match="status 503"):
        push.push(minute())
    assert len(receiver.requests) == 4
    assert max(waits.waited) <= MAX_WAIT_SECONDS
    assert push.sent.samples == 0


def test_a_broken_connection_is_tried_again() -> None:
    def broken(number: int, _request: httpx.Request) -> httpx.Response:
        if number == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(200)

    push, receiver, _ = pusher(broken)
    push.push(minute())
    assert push.sent.retries == 1
    assert len(receiver.requests) == 5


def test_stopping_ends_the_waiting() -> None:
    push, receiver, waits = pusher(lambda _n, _r: httpx.Response(503))
    waits.set()
    with pytest.raises(OverloadedError):
        push.push(minute())
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(("status", "error"), [(401, AuthError), (403, AuthError), (400, DecodeError)])
def test_refusals_are_raised_at_once(status: int, error: type[Exception]) -> None:
    push, receiver, _ = pusher(lambda _n, _r: httpx.Response(status, text="no"))
    with pytest.raises(error, match="http://x/api/v1/write"):
        push.push(minute())
    assert len(receiver.requests) == 1


class Ticking:
    """A clock that moves on by itself at each look."""

    def __init__(self, now: int, step_seconds: float) -> None:
        self.now, self.step = now, from_seconds(step_seconds)

    def now_unix_nano(self) -> int:
        self.now += self.step
        return self.now


def test_history_is_told_up_to_now_in_chunks_and_live_goes_on_without_a_gap() -> None:
    push, receiver, waits = pusher(ok)
    estate = Estate(7, START)
    clock = Ticking(START + from_seconds(3600), 0.5)
    told: list[Progress] = []
    stop = waits
    waits.passes = clock

    def report(made: Progress) -> None:
        told.append(made)
        if made.phase == "live" and made.now_unix_nano > START + from_seconds(3700):
            stop.set()

    drive = Drive(estate, push, clock, stop, report)
    drive.history()
    assert told[-1].phase == "history"
    assert told[-1].whole_seconds - told[-1].done_seconds < 5
    assert len([r for r in receiver.requests if r.url.path == LOGS_PATH]) in (6, 7)
    drive.live()
    assert told[-1].phase == "live"
    lived = [made.now_unix_nano for made in told if made.phase == "live"]
    assert {later - sooner for sooner, later in itertools.pairwise(lived)} == {from_seconds(5)}
    ticks = (estate.now_unix_nano - START) // from_seconds(5)
    series = len(Estate(7, START).step(START).metrics.specs)
    assert push.sent.samples == ticks * series


def test_a_deploy_is_told_as_a_change_too() -> None:
    push, receiver, _ = pusher(ok)
    at = from_iso("2026-03-02T10:30:00Z")
    push.push(Estate(7, at - from_seconds(60)).step(at + from_seconds(60)))
    (change,) = [one for one in receiver.requests if one.url.path == CHANGES_PATH]
    (told,) = json.loads(change.content)
    assert told["service"] == "checkout"
    assert (told["kind"], told["state"]) == ("deploy", "succeeded")
    assert told["time"] == "2026-03-02T10:30:00.000Z"
    assert told["version"] in told["title"]
