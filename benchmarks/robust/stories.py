"""The stories that must be impossible, played thousands of times with all guardrails and without some.

    python benchmarks/robust/stories.py --traces 5000

With all guardrails the caps are checked at every moment of every trace: a single one that does not hold ends
the program with its seed. Without them it is counted how often the disaster happens.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from stormpetrel.simulate.stories import meltdown, robot


def _place() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def melt(seed: int, guarded: bool) -> tuple[bool, bool]:
    """Whether the fleet outgrew its bounds, and whether anything was done."""
    with tempfile.TemporaryDirectory(dir=_place()) as name:
        told = meltdown.play(seed, Path(name), guarded)
    return told.peak > told.most or told.spend_hour > meltdown.BUDGET.spend_hour, told.runs > 0


def delete(seed: int, guarded: bool) -> tuple[bool, bool]:
    """Whether the data is gone, and whether anybody was asked."""
    with tempfile.TemporaryDirectory(dir=_place()) as name:
        told = robot.play(seed, Path(name), guarded)
    return told.rows == 0, told.answers > 0


def main() -> None:
    """Play both stories both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes) as pool:
        for name, story in (("autoscale meltdown", melt), ("the robot that killed itself", delete)):
            for guarded, count in ((True, asked.traces), (False, max(asked.traces // 10, 1))):
                start = time.perf_counter()
                found = list(pool.map(story, range(count), [guarded] * count, chunksize=10))
                disasters, busy = sum(one for one, _ in found), sum(one for _, one in found)
                said = "all guardrails" if guarded else "the relevant ones off"
                seconds = time.perf_counter() - start
                told = f"{count} traces, {disasters} disasters, {busy} with acts or answers, {seconds:.0f} s"
                print(f"{name}, {said}: {told}", flush=True)
                if guarded and disasters:
                    raise SystemExit(1)


if __name__ == "__main__":
    main()
