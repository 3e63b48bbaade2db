"""A host with jobs that cron starts: real processes, real load, and what is told when they misbehave.

Three jobs are due at every full minute. One does what it always does, one is left out, and one lasts three
times as long. Each is a process of its own name that rests between its runs, so that the host's own metrics
show when it works.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.e2e.conftest import Petrel, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(260)]

USUAL_SECONDS, LONG_SECONDS = 6.0, 18.0
# As shipped, but read twelve times as often: levels are known within seconds. Slots are a minute apart,
# which is as often as cron goes.
CONFIG = """
data_dir = "{data}"
[server]
port = {port}
[sources.host]
interval_seconds = 0.4
top_processes = 100
[sources.logs]
journald = false
files = []
[sources.smart]
enabled = false
[sources]
own_metrics = false
[detect]
warmup_samples = 40
"""
JOB = """
[[context.jobs]]
name = "{name}"
cron = "* * * * *"
duration_seconds = 6
late_seconds = 4
overlong_seconds = 4
scopes = ["host:{host}"]
series = ['host_process_cpu_ratio{{{{process="{name}"}}}}']
"""
# Holds enough memory to be among the heavy ones of its host; works as long as it is told to, line by line.
WORKER = """
import sys, time
held = bytearray(int(sys.argv[1]))
held[::4096] = bytes([1]) * len(held[::4096])
print("ready", flush=True)
for line in sys.stdin:
    end = time.monotonic() + float(line)
    while time.monotonic() < end:
        pass
"""
KEPT, LEFT_OUT, OVERLONG = "batch-kept", "batch-left-out", "batch-overlong"


@contextmanager
def worker(name: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is called `name`, ready to be told how many seconds to work."""
    program = folder / name
    program.symlink_to(os.path.realpath(sys.executable))
    weight = int(0.006 * psutil.virtual_memory().total)
    process = subprocess.Popen(
        [str(program), "-c", WORKER, str(weight)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def work(process: subprocess.Popen[str], seconds: float) -> None:
    """Have it work from now on."""
    assert process.stdin is not None
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()


def jobs(petrel: Petrel) -> dict[str, str]:
    """Where each job stands."""
    return {job["title"]: job["state"] for job in petrel.get("/api/v1/calendar").json()["jobs"]}


def findings(petrel: Petrel) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = petrel.get("/api/v1/findings").json()["findings"]
    return found


def told(petrel: Petrel) -> set[str]:
    """The titles of what is told of jobs."""
    return {one["title"] for one in findings(petrel) if one["detector"] == "jobs"}


def known(petrel: Petrel, names: tuple[str, ...]) -> bool:
    """Whether the level of every job's series is known."""
    for name in names:
        found = petrel.get("/api/v1/series", text=f"host_process_cpu_ratio {name}").json()["series"]
        if not found:
            return False
        if petrel.get(f"/api/v1/series/{found[0]['series']}/points").json()["samples"] <= 60:
            return False
    return True


def minute_begins() -> float:
    """Wait for a minute that has begun lately, and when that was: what starts now first sees something after
    this slot, and knows its levels well before the next. So the next is the first that can be judged."""
    now = time.time()
    if now % 60 > 15:
        time.sleep(60 - now % 60)
        now = time.time()
    return now // 60 * 60


def paged(petrel: Petrel) -> list[dict[str, Any]]:
    """The incidents that woke somebody."""
    found = petrel.get("/api/v1/incidents", limit=100).json()["incidents"]
    return [one for one in found if (one["page"] or {}).get("decision") == "paged"]


def test_a_job_that_runs_is_quiet_and_one_left_out_or_overlong_pages(petrel: Petrel, tmp_path: Path) -> None:
    names = (KEPT, LEFT_OUT, OVERLONG)
    petrel.config = CONFIG + "".join(JOB.format(name=name, host=socket.gethostname()) for name in names)
    with ExitStack() as stack:
        workers = {name: stack.enter_context(worker(name, tmp_path)) for name in names}
        slot = minute_begins() + 60  # cron's, of the wall clock
        petrel.start()
        wait_until(lambda: known(petrel, names), slot - time.time(), lambda: petrel.output[-2000:])
        time.sleep(max(slot - time.time(), 0))
        work(workers[KEPT], USUAL_SECONDS)
        work(workers[OVERLONG], LONG_SECONDS)
        wait_until(lambda: jobs(petrel)[KEPT] == "ran", 30, lambda: str(jobs(petrel)))
        reasons = {f"job missing: {LEFT_OUT}", f"job overlong: {OVERLONG}"}
        wait_until(lambda: told(petrel) == reasons, 30, lambda: str((jobs(petrel), findings(petrel))))
        wait_until(lambda: bool(paged(petrel)), 60, lambda: petrel.get("/api/v1/incidents").text)
    # The load of jobs that run is strange to the host's own series, and the calendar says why.
    during = [one for one in findings(petrel) if one["start_unix_nano"] >= slot * 10**9]
    load = [one for one in during if one["detector"] != "jobs"]
    assert {one["severity"] for one in load} <= {"info"}, load
    assert all("expected by" in one["attributes"]["expected"] for one in load)
    (incident,) = paged(petrel)
    why = {one["title"]: one["why"] for one in incident["findings"] if one["severity"] != "info"}
    assert set(why) == reasons
    stayed = f'host_process_cpu_ratio{{process="{LEFT_OUT}"}} stayed at the usual level'
    assert stayed in why[f"job missing: {LEFT_OUT}"]
    assert "it usually takes 6 seconds" in why[f"job overlong: {OVERLONG}"]
