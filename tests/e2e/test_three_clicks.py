"""From *Now* to the raw line that proves the cause in three clicks: a demonstration of a bad deploy."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browser import signed_in
from tests.e2e.conftest import http_get, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

SHOTS = Path(os.environ.get("STORMPETREL_SHOTS", ""))
PROOF = "TypeError in apply_discount"


@dataclass
class Demo:
    """One `petrel demo`, which tells its story over the real protocols."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return (self.directory / "output.log").read_text(errors="replace")

    @property
    def setup_url(self) -> str:
        return self._told(r"(http://\S+/set-up\?secret=\S+)")

    @property
    def url(self) -> str:
        return self._told(r"running at (http://\S+)")

    @property
    def incident(self) -> str:
        return self._told(r"/incidents/(\S+)")

    def _told(self, words: str) -> str:
        found = re.findall(words, self.output)
        assert found, self.output[-3000:]
        return str(found[-1])

    def start(self) -> None:
        with (self.directory / "output.log").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stormpetrel.cli.main", "demo", "--port", "0", "--calm-seconds", "20",
                 "--fault", "deploy-bug", "--keep", str(self.directory / "kept")],
                stdout=output, stderr=output,
            )  # fmt: skip

    def says(self, words: str) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output[-3000:]
        return words in self.output

    def causes(self) -> list[dict[str, Any]]:
        """What is said of the incident."""
        token = (self.directory / "kept" / "data" / "read.token").read_text().strip()
        answer = http_get(
            f"{self.url}/api/v1/incidents/{self.incident}/causes",
            headers={"Authorization": f"Bearer {token}"}, timeout=30,
        )  # fmt: skip
        found: list[dict[str, Any]] = answer.json()["causes"]
        return found

    def proven(self) -> bool:
        """Whether a log record already speaks for the first hypothesis."""
        causes = self.causes()
        return bool(causes) and any(PROOF in one["name"] for one in causes[0]["evidence"])


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    one = Demo(tmp_path)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.send_signal(signal.SIGTERM)
        one.process.wait(60)


@dataclass
class Clicks:
    """Counts what a person does."""

    page: Page
    shown: list[str] = field(default_factory=list)

    def on(self, what: Locator) -> None:
        what.click()
        self.shown.append(self.page.url)

    def shot(self, name: str) -> None:
        if SHOTS.name:
            self.page.screenshot(path=str(SHOTS / f"{name}.png"))


def test_from_now_to_the_line_that_proves_the_cause_in_three_clicks(demo: Demo) -> None:
    wait_until(lambda: demo.says("running at") and "set-up" in demo.output, 120, lambda: demo.output)
    wait_until(lambda: demo.says("/incidents/"), 300, lambda: demo.output)
    wait_until(demo.proven, 60, lambda: str(demo.causes()[:1]))
    with signed_in(demo, color_scheme="light") as page:
        clicks = Clicks(page)
        incident = page.locator("#open-incidents a").first
        expect(incident).to_be_visible()
        clicks.shot("three-clicks-now")
        clicks.on(incident)
        proof = page.locator(".causes .cause").first.locator("a", has_text=PROOF)
        expect(proof).to_be_in_viewport()
        expect(page.locator(".causes .verdict")).to_contain_text("service:checkout")
        clicks.shot("three-clicks-cause")
        clicks.on(proof)
        line = page.locator(".record .line", has_text=PROOF).first
        expect(line).to_be_in_viewport()
        clicks.shot("three-clicks-proof")
        clicks.on(line)
        expect(page.locator(".record .whole pre", has_text=PROOF).first).to_be_in_viewport()
        clicks.shot("three-clicks-record")
        assert len(clicks.shown) <= 3
