"""The receiving paths: who may send, what is refused, and when a sender is told that it is stored."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from types import MappingProxyType

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.estate import Estate
from tests.web.serve import client_of, run

from stormpetrel.errors import (
    DecodeError,
    OverloadedError,
    StoreError,
    StoreFullError,
    StormPetrelError,
    TooLargeError,
)
from stormpetrel.model.push import Decoded, PushRequest, Receipt
from stormpetrel.web import WebSettings
from stormpetrel.web.push import push_secret

PATH = "/api/v1/write"
TOKEN = {"Authorization": "Bearer ingest-token"}


def sent(
    estate: Estate,
    body: bytes = b"x",
    settings: WebSettings | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> httpx.Response:
    async def post() -> httpx.Response:
        async with client_of(estate, settings) as client:
            return await client.post(PATH, content=body, headers={**TOKEN, **headers})

    return asyncio.run(post())


def failing(error: BaseException) -> Callable[[PushRequest], Receipt]:
    def receive(request: PushRequest) -> Receipt:
        raise error

    return receive


def test_what_was_sent_reaches_the_service_unchanged() -> None:
    estate = Estate()
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
    answer = sent(estate, b"\x00\xff" * 70_000, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    ((protocol, request),) = estate.received
    assert protocol == "remote_write"
    assert request.body == b"\x00\xff" * 70_000
    assert (request.content_type, request.content_encoding) == ("application/x-protobuf", "snappy")
    assert (request.path, request.source) == (PATH, "agent-ingest")
    assert request.received_unix_nano == estate.now_unix_nano()


def test_the_answer_is_the_decoders() -> None:
    estate = Estate()
    estate.receiver = lambda request: Receipt(Decoded(answer=b"{}", answer_type="application/json"))
    answer = sent(estate)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer ", 401),
        ("Bearer forged", 401),
        ("Digest ingest-token", 401),
        ("Basic !!!", 401),
        ("Bearer read-token", 403),
        ("bearer ingest-token", 204),
        ("Basic " + base64.b64encode(b"anybody:ingest-token").decode(), 204),
        ("Basic " + base64.b64encode(b"ingest-token:").decode(), 401),
        ("Bearer " + "x" * 5000, 401),
    ],
)
def test_tokens(authorization: str, status: int) -> None:
    estate = Estate()
    answer = sent(estate, headers={"Authorization": authorization})
    assert answer.status_code == status
    assert len(estate.received) == (status == 204)
    if status == 401:
        assert "Bearer" in answer.headers["www-authenticate"]
        assert answer.json()["error"]["retryable"] is False


@given(st.binary(max_size=200))
def test_any_authorization_gives_text(header: bytes) -> None:
    assert isinstance(push_secret(header), str)
    assert isinstance(push_secret(b"Basic " + header), str)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("eu-1.a_b", 204),
        ("a" * 64, 204),
        ("a" * 65, 400),
        ("a b", 400),
        ("a/b", 400),
        ("..", 400),
        (".", 400),
        ("..a", 204),
    ],
)
def test_a_source_may_name_itself(name: str, status: int) -> None:
    estate = Estate()
    assert sent(estate, headers={"X-Storm-Petrel-Source": name}).status_code == status
    assert [request.source for _, request in estate.received] == ([name] if status == 204 else [])


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (DecodeError("not snappy"), 400, False),
        (TooLargeError("unpacks to more than 1 MiB"), 413, False),
        (OverloadedError("the queue is full"), 429, True),
        (StoreFullError("no room in /var/lib/petrel"), 503, True),
        (StoreError("the store failed"), 503, True),
    ],
)
def test_refusals(error: StormPetrelError, status: int, retry: bool) -> None:
    estate = Estate()
    estate.receiver = failing(error)
    answer = sent(estate)
    assert answer.status_code == status
    shape = {"reason": error.reason, "message": str(error), "retryable": retry}
    assert answer.json() == {"error": shape}
    assert ("retry-after" in answer.headers) is retry


def test_a_content_type_that_is_not_the_protocols() -> None:
    class UnsupportedError(DecodeError):
        reason = "unsupported"

    estate = Estate()
    estate.receiver = failing(UnsupportedError("this path takes application/x-protobuf"))
    assert sent(estate).status_code == 415


def test_a_failed_insert_is_not_acknowledged() -> None:
    failed: Future[None] = Future()
    failed.set_exception(StoreFullError("no room"))
    estate = Estate()
    estate.receiver = lambda request: Receipt(Decoded(), [failed])
    answer = sent(estate)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "store_full")


def test_the_answer_waits_for_the_insert() -> None:
    pending: Future[None] = Future()
    estate = Estate()
    estate.receiver = lambda request: Receipt(Decoded(), [pending])

    async def test(client: httpx.AsyncClient) -> None:
        asked = asyncio.create_task(client.post(PATH, content=b"x", headers=TOKEN))
        while not estate.received:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert not asked.done()
        pending.set_result(None)
        assert (await asked).status_code == 200

    run(test, estate)


def test_an_insert_that_takes_too_long_is_to_be_sent_again() -> None:
    estate = Estate()
    estate.receiver = lambda request: Receipt(Decoded(), [Future()])
    answer = sent(estate, settings=WebSettings(stored_seconds=0.05))
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "timeout")
    assert answer.headers["retry-after"]


def test_large_bodies_are_refused_whether_declared_or_not() -> None:
    settings = WebSettings(max_body_bytes=1000)

    async def chunks(total: int) -> AsyncIterator[bytes]:
        for _ in range(total // 100):
            yield b"y" * 100

    async def test(client: httpx.AsyncClient) -> None:
        assert (await client.post(PATH, content=b"y" * 1000, headers=TOKEN)).status_code == 204
        assert (await client.post(PATH, content=b"y" * 1001, headers=TOKEN)).status_code == 413
        assert (await client.post(PATH, content=chunks(1000), headers=TOKEN)).status_code == 204
        assert (await client.post(PATH, content=chunks(1100), headers=TOKEN)).status_code == 413

    run(test, settings=settings)


def test_no_more_requests_and_bytes_at_once_than_there_may_be() -> None:
    pending: Future[None] = Future()
    estate = Estate()
    estate.receiver = lambda request: Receipt(Decoded(), [pending])

    async def test(client: httpx.AsyncClient) -> None:
        first = asyncio.create_task(client.post(PATH, content=b"x", headers=TOKEN))
        while not estate.received:
            await asyncio.sleep(0.005)
        answer = await client.post(PATH, content=b"x", headers=TOKEN)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        pending.set_result(None)
        assert (await first).status_code == 200
        assert (await client.post(PATH, content=b"x", headers=TOKEN)).status_code == 200

    run(test, estate, WebSettings(max_requests_in_flight=1))
    assert sent(Estate(), b"x" * 2000, WebSettings(max_bytes_in_flight=1000)).status_code == 429


def test_one_source_leaves_room_for_the_requests_of_others() -> None:
    pending: Future[None] = Future()
    estate = Estate()
    estate.receiver = lambda request: Receipt(Decoded(), [pending])

    async def test(client: httpx.AsyncClient) -> None:
        def post(source: str) -> asyncio.Task[httpx.Response]:
            headers = {**TOKEN, "X-Storm-Petrel-Source": source}
            return asyncio.create_task(client.post(PATH, content=b"x", headers=headers))

        flood = [post("flood") for _ in range(8)]
        while not any(one.done() for one in flood) or len(estate.received) + sum(
            one.done() for one in flood
        ) < len(flood):
            await asyncio.sleep(0.005)
        refused = [one.result() for one in flood if one.done()]
        assert 4 <= len(refused) < 8
        assert {(one.status_code, one.headers["retry-after"]) for one in refused} == {(429, "5")}
        taken = [one for one in flood if not one.done()]
        modest = post("modest")
        await asyncio.sleep(0.05)
        assert not modest.done(), "it was taken, and waits for the store"
        pending.set_result(None)
        assert (await modest).status_code == 200
        assert {(await one).status_code for one in taken} == {200}
        assert (await post("flood")).status_code == 200

    run(test, estate, WebSettings(max_requests_in_flight=8))


def test_only_post() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.get(PATH, headers=TOKEN)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    run(test)
