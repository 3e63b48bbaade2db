"""Ten thousand alerts in a minute through a real Alertmanager, and how fast the list of incidents answers.

    python -m benchmarks.speed.alert_storm [--seconds 60]

400 entities, 25 names, three things that really failed; a topology file says who needs whom. Alertmanager
gets the alerts over a minute and tells a `petrel up` of them by its webhook. Meanwhile, twice a second, the
pages *Now* and *Incidents* and the list of the API are asked for. Prints how many incidents there are,
what they hold, and how long the answers took. Needs Debian's prometheus-alertmanager.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
from tests.e2e.alertmanagers import PROGRAM, alertmanager
from tests.e2e.conftest import Petrel
from tests.e2e.sent import person
from tests.e2e.storm import ALERTS, CONFIG, ENTITIES, SECONDS, blow, told, topology

ASKED = ("/", "/incidents", "/api/v1/incidents?brief=true", "/api/v1/incidents")
EVERY_SECONDS, SETTLED_SECONDS = 0.5, 120.0
MOST_INCIDENTS, MOST_SECONDS = 20, 0.2


class Asking(threading.Thread):
    """Asks for the lists again and again, and keeps how long each took."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(daemon=True)
        self._client, self._over = client, threading.Event()
        self.took: dict[str, list[float]] = {path: [] for path in ASKED}

    def run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            for path in ASKED:
                begin = time.perf_counter()
                self._client.get(path).raise_for_status()
                self.took[path].append(time.perf_counter() - begin)

    def stop(self) -> None:
        self._over.set()
        self.join()


def storm(petrel: Petrel, directory: Path, seconds: float) -> dict[str, list[float]]:
    """Blow, wait until everything is told, and report; how long each answer took."""
    with person(petrel) as client, alertmanager(petrel, directory, "2s", "5s") as sender:
        asking = Asking(client)
        asking.start()
        begin = time.monotonic()
        for _ in blow(sender.post, seconds):
            pass
        posted = time.monotonic() - begin
        while (held := told(client.get("/api/v1/incidents?limit=1000").json()["incidents"])) < ALERTS:
            if time.monotonic() - begin > seconds + SETTLED_SECONDS:
                break
            time.sleep(1.0)
        whole = time.monotonic() - begin
        asking.stop()
        found = client.get("/api/v1/incidents?limit=1000").json()["incidents"]
        sizes = sorted((told([one]) for one in found if one["state"] != "resolved"), reverse=True)
        print(f"{ALERTS} alerts of {ENTITIES} entities posted in {posted:.0f} s, told after {whole:.0f} s")
        merged = len(found) - len(sizes)
        print(f"{len(sizes)} incidents hold {held} alerts: {sizes}; {merged} were merged into them")
        return asking.took


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if PROGRAM is None:
        print("prometheus-alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)")
        return 0
    with tempfile.TemporaryDirectory(prefix="petrel-storm-") as name:
        directory = Path(name)
        (directory / "topology.yaml").write_text(topology(), encoding="utf-8")
        petrel = Petrel(directory, CONFIG)
        try:
            petrel.start()
            assert petrel.process is not None
            took = storm(petrel, directory, given.seconds)
            used = psutil.Process(petrel.process.pid)
            print(f"{sum(used.cpu_times()[:2]):.1f} s CPU, {used.memory_info().rss >> 20} MiB")
        finally:
            petrel.stop()
    for path, seconds in took.items():
        middle, high, most = np.percentile(seconds, [50, 99, 100]) * 1000
        print(
            f"{path:<32} {len(seconds)} times: median {middle:.0f} ms, p99 {high:.0f} ms, most {most:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
