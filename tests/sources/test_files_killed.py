"""`kill -9` of a process that follows a log being written and rotated: every line once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

FOLLOWER = Path(__file__).with_name("follower.py")
TOTAL, KILLS = 30_000, 6


def write(log: Path, out: Path) -> None:
    """Lines and rotations. A file that came and was renamed while nobody followed is not promised: before a
    rotation this waits, on a slow host, until some lines of the file were stored."""
    for k in range(0, TOTAL, 250):
        with log.open("a") as lines:
            lines.writelines(f"line number {n} of the log\n" for n in range(k, k + 250))
        time.sleep(0.06)
        if k % 10_000 == 9_750:
            while not holds(out, k - 9_000):
                time.sleep(0.05)
            log.rename(log.with_name(f"app.log.{k}"))
            log.touch()


def bodies(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [body for line in whole for body in json.loads(line)["bodies"]]


def holds(out: Path, count: int) -> bool:
    return len(bodies(out)) >= count


def follow_until_killed(folder: Path, condition: Callable[[], bool], more_seconds: float) -> None:
    """Run the follower until the condition holds and some time longer, and kill it."""
    deadline = time.monotonic() + 60
    command = [sys.executable, str(FOLLOWER), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as follower:
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(more_seconds)
        os.kill(follower.pid, signal.SIGKILL)
        said = follower.communicate()[0]
    assert not said, said.decode()


def test_every_line_once_though_the_follower_is_killed(tmp_path: Path) -> None:
    log, out = tmp_path / "app.log", tmp_path / "stored.jsonl"
    log.touch()
    writer = threading.Thread(target=write, args=(log, out), daemon=True)
    writer.start()
    for _ in range(KILLS):
        enough = min(len(bodies(out)), TOTAL - 1) + 1
        follow_until_killed(tmp_path, partial(holds, out, enough), random.random() * 0.5)
    writer.join(60)
    follow_until_killed(tmp_path, partial(holds, out, TOTAL), 1.0)  # time for a mistake to show
    got = bodies(out)
    assert len(got) == len(set(got)) == TOTAL
