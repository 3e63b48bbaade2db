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
from pathlib import Path

FOLLOWER = Path(__file__).with_name("follower.py")
TOTAL, KILLS = 30_000, 6


def write(log: Path) -> None:
    for k in range(0, TOTAL, 250):
        with log.open("a") as out:
            out.writelines(f"line number {n} of the log\n" for n in range(k, k + 250))
        time.sleep(0.06)
        if k % 10_000 == 9_750:
            log.rename(log.with_name(f"app.log.{k}"))
            log.touch()


def bodies(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [body for line in whole for body in json.loads(line)["bodies"]]


def test_every_line_once_though_the_follower_is_killed(tmp_path: Path) -> None:
    log, out = tmp_path / "app.log", tmp_path / "stored.jsonl"
    log.touch()
    writer = threading.Thread(target=write, args=(log,))
    writer.start()
    deadline = time.monotonic() + 60
    killed = 0
    while True:
        with subprocess.Popen(
            [sys.executable, str(FOLLOWER), str(tmp_path)], stdout=subprocess.PIPE
        ) as follower:
            before = len(bodies(out))
            while len(bodies(out)) == before and before < TOTAL and time.monotonic() < deadline:
                time.sleep(0.02)
            if killed < KILLS:
                time.sleep(random.random() * 0.5)
                killed += 1
            else:
                while len(bodies(out)) < TOTAL and time.monotonic() < deadline:
                    time.sleep(0.05)
                time.sleep(1.0)  # time for a mistake to show
            os.kill(follower.pid, signal.SIGKILL)
            said = follower.communicate()[0]
        assert not said, said.decode()
        if len(bodies(out)) >= TOTAL or time.monotonic() > deadline:
            break
    writer.join()
    got = bodies(out)
    assert killed == KILLS
    assert len(got) == len(set(got)) == TOTAL
