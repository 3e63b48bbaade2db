"""The stories that must be impossible: with all guardrails they do not happen, without some they do.

A few of them here; thousands in `benchmarks/robust/stories.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stormpetrel.simulate.stories import meltdown, robot

T = TypeVar("T")


def played(play: Callable[[int, Path, bool], T], seeds: range, guarded: bool) -> list[T]:
    """Traces, each over a store of its own; in memory where that is possible."""
    told = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
            told.append(play(seed, Path(name), guarded))
    return told


def test_a_spike_does_not_melt_the_fleet_and_is_answered_all_the_same() -> None:
    told = played(meltdown.play, range(3, 9), guarded=True)  # it checks every moment by itself
    assert all(one.peak <= one.most for one in told)
    assert all(one.spend_hour <= meltdown.BUDGET.spend_hour for one in told)
    assert sum(one.runs > 0 for one in told) >= 2, "guardrails that allow nothing would pass every test"


def test_without_its_guardrails_the_fleet_melts() -> None:
    told = played(meltdown.play, range(3, 7), guarded=False)
    assert sum(one.peak > one.most for one in told) >= 3


def test_the_robot_is_asked_and_answered_and_does_not_delete_the_data() -> None:
    told = played(robot.play, range(6), guarded=True)
    assert all(one.rows > 0 for one in told)
    assert sum(one.answers for one in told) > 5


def test_without_its_guardrails_the_robot_deletes_the_data() -> None:
    assert sum(one.rows == 0 for one in played(robot.play, range(3), guarded=False)) >= 2
