"""Drivers killed with SIGKILL at every boundary between two effects, and at random instants inside them.

The whole, 500 runs and more, is `python -m benchmarks.robust.kill_runs`.
"""

import tempfile
from pathlib import Path

import pytest
from tests.act.kill_world import BOUNDARIES, campaign

SHARED_MEMORY = Path("/dev/shm")  # a killed process loses nothing of it, and it waits for no disk


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_whatever_kills_the_driver_each_run_ends_once_and_nothing_is_done_twice() -> None:
    where = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        figures = campaign(Path(folder), runs=48, rounds=1, random_kills=3, seed=1)
    assert not figures.wrong
    assert sum(figures.ends.values()) == 48
    assert set(figures.ends) >= {"finished", "compensated", "escalated"}
    assert sum(figures.kills.values()) >= len(BOUNDARIES)
    assert figures.inside >= 3
