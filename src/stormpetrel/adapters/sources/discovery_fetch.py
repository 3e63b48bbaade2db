"""Fetching many pages at a time in one thread, with bounds on time and on bytes held together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

import httpx

from stormpetrel.adapters.sources.scrape_target import ScrapeError
from stormpetrel.errors import TooLargeError

# What all answers that are just coming in may hold together.
MAX_HELD_BYTES = 256 << 20


class Answer(NamedTuple):
    """A good answer."""

    body: bytes
    content_type: str
    seconds: float


class Fetcher:
    """An HTTP client for one event loop.

    Args:
        connections: how many may be open at once.
    """

    def __init__(self, connections: int) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        # Each request has a deadline of its own, as a whole.
        self._client = httpx.AsyncClient(limits=limits, timeout=3600, follow_redirects=False, trust_env=False)
        self._held = 0

    async def get(self, url: str, headers: Mapping[str, str], seconds: float, limit: int) -> Answer:
        """One page.

        Args:
            seconds: how long it may take as a whole.
            limit: largest body in bytes.

        Raises:
            ScrapeError: no answer in time, none at all, or one that is not 200.
            TooLargeError: a larger body, or too much at once from all.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                async with self._client.stream("GET", url, headers=dict(headers)) as answer:
                    if answer.status_code != 200:
                        raise ScrapeError(f"{url} answered {answer.status_code}; expected 200")
                    body = await self._body(answer, url, limit)
                    content_type = answer.headers.get("content-type", "")
            return Answer(body, content_type, time.monotonic() - began)
        except TimeoutError:
            raise ScrapeError(f"{url} did not answer within {seconds:g} s; see timeout_seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError) as error:
            raise ScrapeError(f"{url}: {type(error).__name__}: {error}") from None

    async def _body(self, answer: httpx.Response, url: str, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async for part in answer.aiter_bytes(1 << 16):
                size += len(part)
                self._held += len(part)
                if size > limit:
                    raise TooLargeError(f"{url} answers more than {limit} bytes")
                if self._held > MAX_HELD_BYTES:
                    raise TooLargeError(
                        f"{url}: all targets together answer more than {MAX_HELD_BYTES} bytes"
                    )
                parts.append(part)
            return b"".join(parts)
        finally:
            self._held -= size

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
