"""The durable driver: calls again and again, over restarts, wakes at once, ends at once, talks to nobody."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stormpetrel.adapters.durable import DurableDriver, DurableSettings, _Json
from stormpetrel.errors import StoreError


class Calls:
    """What is driven: says how long to pause, by the number of the call."""

    def __init__(self, pauses: list[float | None]) -> None:
        self._pauses = pauses
        self.made: Counter[str] = Counter()
        self.changed = threading.Condition()

    def advance(self, run_id: str) -> float | None:
        with self.changed:
            self.made[run_id] += 1
            self.changed.notify_all()
            return self._pauses[min(self.made[run_id], len(self._pauses)) - 1]

    def wait(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 30), self.made


Opened = Callable[[Calls, str], DurableDriver]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    drivers: list[DurableDriver] = []

    def make(calls: Calls, executor: str) -> DurableDriver:
        settings = DurableSettings(f"sqlite:///{tmp_path}/runs.sqlite", executor, poll_seconds=0.05)
        drivers.append(DurableDriver(settings, calls.advance))
        drivers[-1].start()
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.stop()


def test_each_run_is_called_until_it_has_ended(opened: Opened) -> None:
    calls = Calls([0.0, 0.01, None])
    driver = opened(calls, "one")
    driver.adopt(["a", "b"])
    calls.wait(lambda: calls.made["a"] == 3 and calls.made["b"] == 3)


def test_a_wake_ends_a_pause(opened: Opened) -> None:
    calls = Calls([3600.0, None])
    driver = opened(calls, "one")
    driver.wake("a")  # begins it, too
    calls.wait(lambda: calls.made["a"] >= 1)
    driver.wake("a")
    calls.wait(lambda: calls.made["a"] == 2)


def test_an_end_waits_for_no_pause_and_the_next_process_goes_on(opened: Opened) -> None:
    calls = Calls([3600.0])
    driver = opened(calls, "one")
    driver.adopt(["a"])
    calls.wait(lambda: calls.made["a"] == 1)
    driver.stop()
    assert not [one.name for one in threading.enumerate() if one.name.startswith("dbos")]
    following = Calls([None])
    opened(following, "two").adopt(["a"])
    # the pause is durable: it goes on where it was, until somebody wakes it
    assert not following.made
    driver = opened(following, "three")
    driver.adopt(["a"])
    driver.wake("a")
    following.wait(lambda: following.made["a"] == 1)


def test_what_a_dead_process_had_in_hand_is_taken_over(opened: Opened, tmp_path: Path) -> None:
    program = (
        "import os, sys, threading\n"
        "from stormpetrel.adapters.durable import DurableDriver, DurableSettings\n"
        "def advance(run_id):\n"
        "    print('called', flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        f"d = DurableDriver(DurableSettings('sqlite:///{tmp_path}/runs.sqlite', 'dead', 0.05), advance)\n"
        "d.start(); d.adopt(['a']); threading.Event().wait(60)\n"
    )
    dead = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (dead.returncode, dead.stdout.strip()) == (-9, "called")
    calls = Calls([None])
    driver = opened(calls, "alive")
    assert not calls.made
    driver.adopt(["a"])
    calls.wait(lambda: calls.made["a"] == 1)


def test_a_run_whose_workflow_ended_too_soon_is_driven_again(opened: Opened) -> None:
    calls = Calls([None])
    driver = opened(calls, "one")
    deadline = time.monotonic() + 30
    while calls.made["a"] < 3 and time.monotonic() < deadline:
        driver.adopt(["a"])  # again and again, as who holds the lease does: an end is seen a moment later
        time.sleep(0.05)
    assert calls.made["a"] >= 3


def test_a_call_that_fails_ends_neither_the_driver_nor_the_run(opened: Opened) -> None:
    calls = Calls([0.0, None])
    real = calls.advance

    def fails_once(run_id: str) -> float | None:
        real(run_id)
        if calls.made[run_id] == 1:
            raise RuntimeError("a fault")
        return None

    calls.advance = fails_once  # type: ignore[method-assign] # another behaviour for this test
    driver = opened(calls, "one")
    driver.adopt(["a"])
    calls.wait(lambda: calls.made["a"] == 1)
    deadline = time.monotonic() + 30
    while calls.made["a"] < 2 and time.monotonic() < deadline:
        driver.adopt(["a"])  # as each renewal of the lease does
    assert calls.made["a"] == 2


def test_it_listens_on_no_port_and_talks_to_nobody(opened: Opened) -> None:
    def held() -> set[tuple[object, ...]]:
        return {(one.laddr, one.raddr) for one in psutil.Process().net_connections() if one.laddr}

    before = held()  # of whatever else this process has tested
    calls = Calls([3600.0])
    opened(calls, "one").adopt(["a"])
    calls.wait(lambda: calls.made["a"] == 1)
    assert held() <= before


def test_a_database_that_cannot_be_opened_is_an_error_that_says_so(tmp_path: Path) -> None:
    settings = DurableSettings(f"sqlite:///{tmp_path}/missing/folder/runs.sqlite", "one")
    with pytest.raises(StoreError, match="durable runs"):
        DurableDriver(settings, lambda _: None).start()


def test_values_are_json_and_never_pickled() -> None:
    kept = _Json()
    value = {"args": ["a", 1, None], "kwargs": {"pause": 0.5}}
    assert kept.deserialize(kept.serialize(value)) == value
    assert kept.deserialize(kept.serialize(ValueError("no"))) == "ValueError: no"


def test_automation_that_is_off_does_not_pay_for_it() -> None:
    program = "import sys, stormpetrel.app.driving; print('dbos' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
