"""Files are followed exactly once even while their places cannot be put down."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.sources.times import find_time

from stormpetrel.adapters.sources.files import FileSource, Pace
from stormpetrel.app.config_sources import LogSourceConfig
from stormpetrel.errors import StoreFullError
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake, MemoryPositions

QUICK = Pace(poll_seconds=0.01, rescan_seconds=0.02, linger_seconds=0.3)


class Full(MemoryPositions):
    """Of the first forty puts only every third goes through."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = 0

    def put(self, key: str, value: str) -> None:
        self.puts += 1
        if self.puts < 40 and self.puts % 3:
            raise StoreFullError("no space left")
        super().put(key, value)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_places_that_cannot_be_put_down_lose_and_double_nothing(tmp_path: Path) -> None:
    intake, stop = MemoryIntake(), threading.Event()
    config = LogSourceConfig(files=[str(tmp_path / "*.log")], from_start=True)
    source = FileSource(config, Full(), FakeClock(), "box", find_time, QUICK)
    for n in range(5):
        (tmp_path / f"{n}.log").write_text(f"first line of {n}\n")
    open_before = _open_files()
    failures = 0
    threading.Timer(3.0, stop.set).start()
    while not stop.is_set():
        try:
            source.run(intake, stop)
        except StoreFullError:
            failures += 1
            with (tmp_path / "0.log").open("a") as file:
                file.write(f"line after failure {failures}\n")
    bodies = intake.bodies()
    wanted = [f"first line of {n}" for n in range(5)] + [
        f"line after failure {n + 1}" for n in range(failures)
    ]
    assert failures > 10
    assert sorted(bodies) == sorted(wanted)
    assert _open_files() == open_before
