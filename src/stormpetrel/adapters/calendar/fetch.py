"""Bounded reading of a file or an address, once."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import httpx

from stormpetrel.adapters.calendar.ical import CalendarSourceError


def read_file(path: str, limit: int) -> bytes:
    """A file of at most `limit` bytes.

    Raises:
        CalendarSourceError: it is not there, not readable, or larger.
    """
    try:
        with Path(path).open("rb") as file:
            body = file.read(limit + 1)
    except OSError as error:
        raise CalendarSourceError(f"{path}: {error.strerror}; name a file that this user may read") from None
    if len(body) > limit:
        raise CalendarSourceError(f"{path}: more than {limit} bytes")
    return body


def fetch(url: str, seconds: float, limit: int, token_file: str = "", ca_file: str = "") -> bytes:
    """An address' answer of at most `limit` bytes within `seconds` as a whole; redirects are not followed.

    Raises:
        CalendarSourceError: no good answer in time, or a larger one.
    """
    deadline = time.monotonic() + seconds
    headers = {}
    if token_file:
        headers["Authorization"] = (
            f"Bearer {read_file(token_file, 64 << 10).decode('ascii', 'replace').strip()}"
        )
    try:
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca_file) if ca_file else True
        with (
            httpx.Client(timeout=seconds, trust_env=False, verify=verify) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise CalendarSourceError(f"{url} answered {answer.status_code}; expected 200")
            body = b""
            for part in answer.iter_bytes(1 << 16):
                body += part
                if len(body) > limit:
                    raise CalendarSourceError(f"{url}: answers more than {limit} bytes")
                if time.monotonic() > deadline:
                    raise CalendarSourceError(f"{url}: no whole answer within {seconds:g} s")
            return body
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise CalendarSourceError(f"{url}: {type(error).__name__}: {error}") from None
