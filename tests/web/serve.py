"""Tools of the web tests: a client without a network, and a real server on a free loopback port."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from tests.web.estate import PASSWORD, Estate

from stormpetrel.web import WebSettings, create_app

BASE = "http://localhost"


def client_of(
    estate: Estate, settings: WebSettings | None = None, peer: str = "127.0.0.1"
) -> httpx.AsyncClient:
    """An HTTP client that calls the application directly; follows no redirects."""
    app = create_app(estate, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 40_000))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


def run(test: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]], estate: Estate | None = None,
        settings: WebSettings | None = None) -> None:  # fmt: skip
    """Run one asynchronous test with a client of its own."""

    async def body() -> None:
        async with client_of(estate or Estate(), settings) as client:
            await test(client)

    asyncio.run(body())


async def csrf_of(client: httpx.AsyncClient, path: str) -> str:
    """The form token on a page."""
    page = await client.get(path)
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found, f"no form token on {path}: {page.status_code}"
    return found[1]


async def sign_in(client: httpx.AsyncClient, name: str) -> None:
    """Sign in as a person of the estate."""
    token = await csrf_of(client, "/sign-in")
    answer = await client.post("/sign-in", data={"csrf": token, "name": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text


@contextmanager
def server(estate: Estate, settings: WebSettings | None = None) -> Iterator[str]:
    """A real server in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(estate, settings), log_level="warning", timeout_graceful_shutdown=1)
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        estate.linger = False
        served.should_exit = True
        thread.join(10)
        listener.close()
