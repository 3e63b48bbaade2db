"""What the tests in a browser share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.e2e.browser import ARGUMENTS
from tests.web.estate import Estate
from tests.web.serve import server
from tests.web.visitor import CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def estate() -> Estate:
    made = Estate()
    made.linger = True
    return made


@pytest.fixture
def address(estate: Estate) -> Iterator[str]:
    with server(estate) as base:
        yield base
