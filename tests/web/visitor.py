"""A person with Debian's Chromium, at a page of the small estate."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize
from tests.web.estate import PASSWORD

CHROMIUM = Path("/usr/bin/chromium")
INCIDENT = "20260314-0251-checkout"


class Visitor:
    """A person with a browser window; complaints of the browser are kept."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, scheme: str = "dark") -> None:
        size: ViewportSize = {"width": width, "height": 860}
        context = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light")
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.address = address
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: object) -> None:
        text = str(getattr(message, "text", message))
        if getattr(message, "type", "") in ("error", "warning") and "404" not in text:
            self.complaints.append(text)

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, name: str) -> None:
        self.go("/sign-in")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(self.address + "/")
