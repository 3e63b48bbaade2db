"""Our own metrics are for callers on this host, not for whoever a proxy on it brings."""

from __future__ import annotations

import asyncio

import pytest
from tests.web.estate import Estate
from tests.web.serve import client_of

from stormpetrel.web.settings import WebSettings


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:7780"}, 200),
        ({"Host": "[::1]:7780"}, 200),
        ({"Host": "[::1"}, 200),
        ({"Host": "petrel.example.org"}, 401),
        ({"Host": "10.0.0.5"}, 401),
        ({"X-Forwarded-Proto": "https"}, 401),
        ({"X-Forwarded-Host": "petrel.example.org"}, 401),
        ({"Via": "1.1 proxy"}, 401),
    ],
)
def test_a_proxy_on_this_host_is_no_caller_of_this_host(headers: dict[str, str], status: int) -> None:
    async def asked() -> int:
        settings = WebSettings(public_url="https://petrel.example.org")
        async with client_of(Estate(), settings, "127.0.0.1") as client:
            return (await client.get("/metrics", headers={"Host": "127.0.0.1", **headers})).status_code

    assert asyncio.run(asked()) == status
