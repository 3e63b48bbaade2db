"""Refusals in the shape of each protocol, and what senders ask before they send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from google.rpc.status_pb2 import Status
from tests.web.estate import Estate
from tests.web.serve import run

from stormpetrel.errors import DecodeError, OverloadedError, StormPetrelError
from stormpetrel.model.push import PushRequest, Receipt
from stormpetrel.web import WebSettings

TOKEN = {"Authorization": "Bearer ingest-token"}


class Refusing(Estate):
    """Refuses whatever it receives."""

    def __init__(self, error: StormPetrelError) -> None:
        super().__init__()
        self.error = error

    def receive(self, protocol: str, request: PushRequest) -> Receipt:
        raise self.error


class Shipped(Estate):
    """Speaks with Elasticsearch's shippers and InfluxDB's clients."""

    def push_paths(self) -> dict[str, str]:
        return {"/elastic/*": "elastic", "/api/v2/write": "influx", "/write": "influx"}


@pytest.mark.parametrize("error", [DecodeError("no: \N{SNOWMAN}" + "x" * 300), OverloadedError("full")])
def test_otlp_is_refused_with_a_status_in_the_encoding_of_the_request(error: StormPetrelError) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        headers = {**TOKEN, "Content-Type": "application/x-protobuf"}
        answer = await client.post("/v1/logs", content=b"x", headers=headers)
        assert answer.headers["content-type"] == "application/x-protobuf"
        assert Status.FromString(answer.content) == Status(message=str(error))
        assert ("retry-after" in answer.headers) == error.retryable
        headers["Content-Type"] = "application/json; charset=utf-8"
        answer = await client.post("/v1/metrics", content=b"{}", headers=headers)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["message"] == answer.json()["error"]["message"] == str(error)

    run(test, Refusing(error))


def test_strangers_who_speak_otlp_are_told_so_in_its_shape() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/x-protobuf"}
        answer = await client.post("/v1/logs", content=b"x", headers=headers)
        assert answer.status_code == 401
        assert "token" in Status.FromString(answer.content).message

    run(test)


def test_a_body_that_comes_too_slowly_is_to_be_sent_again() -> None:
    """Remote write, Loki's agents and OTLP's exporters drop for good what is answered 408."""

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/write", content=slow(), headers=TOKEN)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "slow_body")
        assert answer.headers["retry-after"]

    run(test, settings=WebSettings(body_seconds=0.05))


@pytest.mark.parametrize("path", ["/elastic", "/elastic/", "/elastic/_license"])
def test_shippers_ask_with_and_without_the_last_slash(path: str) -> None:
    estate = Shipped()

    async def test(client: httpx.AsyncClient) -> None:
        assert (await client.get(path, headers=TOKEN)).status_code == 204
        assert (await client.get("/elastical", headers=TOKEN)).status_code != 204

    run(test, estate)
    assert [(protocol, request.path) for protocol, request in estate.received] == [("elastic", path)]


def test_clients_of_influxdb_are_greeted_without_a_token() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        for method in ("GET", "HEAD"):
            ping = await client.request(method, "/ping")
            assert (ping.status_code, ping.content) == (204, b"")
            assert ping.headers["x-influxdb-version"] == "1.8.10"
        health = await client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "pass")
        assert (await client.post("/ping")).status_code != 204

    run(test, Shipped())


def test_nobody_is_greeted_whose_protocol_is_not_spoken() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        assert (await client.get("/ping")).status_code not in (200, 204)

    run(test)
