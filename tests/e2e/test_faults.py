"""Real faults on this host: each becomes one incident that a person sees on the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.browser import signed_in
from tests.e2e.conftest import Petrel, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(400)]

# Everything as shipped, but read ten times as often, so that warming up takes a minute, not ten. What is
# promised per day is promised for a tenth of a day: the same number of readings.
CONFIG = """
data_dir = "{data}"
[server]
port = {port}
[sources.host]
interval_seconds = 0.5
top_processes = 0
[sources.logs]
journald = false
files = []
[sources]
own_metrics = false
[incidents]
window_seconds = 30.0
resolve_seconds = 15.0
[detect]
false_per_day = 30.0
close_seconds = 10.0
refractory_seconds = 60.0
"""
SHOTS = Path(os.environ.get("STORMPETREL_SHOTS", ""))


@contextmanager
def busy_processors() -> Iterator[None]:
    """Twice as many busy processes as there are processors."""
    program = "while True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@contextmanager
def small_filesystem() -> Iterator[Path]:
    """A temporary file system of 64 MiB, at a path short enough for a picture."""
    path = Path(tempfile.mkdtemp(prefix="disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()


def incidents(petrel: Petrel) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = petrel.get("/api/v1/incidents", limit=100).json()["incidents"]
    return found


def about_load(incident: dict[str, Any]) -> bool:
    """Whether one of its findings is about processors, load or pressure."""
    words = ("cpu", "load", "pressure")
    return any(word in found["evidence"]["query"] for found in incident["findings"] for word in words)


def shot(page: Any, name: str) -> None:
    if SHOTS.name:
        page.screenshot(path=str(SHOTS / f"{name}.png"))


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a file system needs root"
)
def test_a_busy_processor_and_a_full_disk_are_one_incident_each(petrel: Petrel) -> None:
    petrel.config = CONFIG
    with small_filesystem() as small:
        petrel.start()
        # Some use of the file system, so that it is a series with a past.
        (small / "seed").write_bytes(b"x" * (2 << 20))

        def warm() -> bool:
            now = petrel.get("/api/v1/now").json()
            return bool(now["series_total"] > 50 and now["series_warming_up"] < now["series_total"] // 4)

        with signed_in(petrel) as page:
            # The browser runs on this host too: what it takes belongs to what is usual.
            time.sleep(80)
            wait_until(warm, 60, lambda: petrel.get("/api/v1/now").text)
            assert incidents(petrel) == [], "nothing happened yet"
            page.goto(petrel.url + "/")
            page.wait_for_selector("text=All quiet")
            shot(page, "now-quiet")
            with busy_processors():
                wait_until(
                    lambda: any(map(about_load, incidents(petrel))), 90, lambda: str(incidents(petrel))
                )
                (cpu,) = incidents(petrel)
                page.goto(petrel.url + "/")
                page.wait_for_selector(f"a[href*='{cpu['incident_id']}']")
                shot(page, "now")
                page.click(f"a[href*='{cpu['incident_id']}']")
                page.wait_for_selector("canvas")
                time.sleep(5)
                shot(page, "incident-cpu")
            wait_until(
                lambda: incidents(petrel)[0]["state"] == "resolved", 120, lambda: str(incidents(petrel)[0])
            )
            (small / "filling").write_bytes(b"x" * (57 << 20))
            wait_until(lambda: len(incidents(petrel)) == 2, 60, lambda: str(incidents(petrel)))
            time.sleep(10)
            disk = incidents(petrel)[0]
            assert len(incidents(petrel)) == 2, [i["sentence"] for i in incidents(petrel)]
            assert f"filesystem:{small}" in disk["sentence"]
            page.goto(f"{petrel.url}/incidents/{disk['incident_id']}")
            page.wait_for_selector("canvas")
            time.sleep(2)
            shot(page, "incident-disk")
