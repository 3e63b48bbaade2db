"""Debian's Chromium, signed in at a Storm Petrel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from playwright.sync_api import Page, sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAME, PASSWORD = "ann", "correct horse battery"


class Running(Protocol):
    """A Storm Petrel that nobody has an account at."""

    @property
    def url(self) -> str: ...
    @property
    def setup_url(self) -> str: ...


@contextmanager
def signed_in(
    petrel: Running,
    width: int = 1280,
    height: int = 900,
    color_scheme: Literal["dark", "light"] = "dark",
) -> Iterator[Page]:
    """A page signed in as the admin made through the one-time set-up link; console errors fail the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=color_scheme)
        complaints: list[str] = []
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(petrel.setup_url)
        page.fill("input[name=name]", NAME)
        for field in page.locator("input[type=password]").all():
            field.fill(PASSWORD)
        page.click("text=Create and sign in")
        page.wait_for_url(petrel.url + "/")
        yield page
        browser.close()
    assert complaints == []
