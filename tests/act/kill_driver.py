"""The process that is killed: it drives all runs of a folder, with real stores and a real target.

    python kill_driver.py CONTROL_URL DURABLE_URL FOLDER [--zygote]

Without `--zygote` it drives until every run has ended. With it, a parent that has imported everything forks a
driver for each line of its input, NAME BOUNDARY COUNT, and says its process id and how it ended: so a restart
costs no imports. The driver kills itself (SIGKILL) when it passes the boundary for the COUNT-th time; "-" for
never.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from stormpetrel.act.verify import Measured, Seen, Side, TargetHealth
from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.durable import DurableDriver, DurableSettings
from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.app.driving import Driving
from stormpetrel.app.leader import Leader
from stormpetrel.app.runs import OPEN, Around, Bounds, Runs
from stormpetrel.errors import ActuatorError
from stormpetrel.model import canonical
from stormpetrel.model.action import Action, Condition, Plan
from stormpetrel.model.facts import Facts, Limits, LiveTarget
from stormpetrel.model.run import ActOutcome, ActResult, Run, StepRecord, Verification
from stormpetrel.model.verdict import Judgement, Outcome, Verdict
from stormpetrel.ports.actuate import ActionSchema, Order, Reading
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.testing.automation_samples import sample_facts

PLENTY = BudgetLimits(1e9, 1e9, 10**9, 10**9)
LIMITS = Limits(approval_seconds=1.0, tries_per_incident=10**6)
WINDOW_SECONDS, LEASE_SECONDS = 0.05, 10.0
OPERATIONS = ("advance", "admit", "begin_step", "act", "resolve", "advance_run")


class Doom:
    """Kills this process at the COUNT-th passing of one boundary, e.g. "before act"."""

    def __init__(self, boundary: str, count: int) -> None:
        self._boundary, self._left = boundary, count
        self._lock = threading.Lock()

    def passing(self, boundary: str) -> None:
        if boundary != self._boundary:
            return
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Doomed:
    """A thing, before and after each of whose operations the process may be killed."""

    def __init__(self, thing: object, doom: Doom) -> None:
        self._thing, self._doom = thing, doom

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name not in OPERATIONS:
            return found

        def call(*args: object) -> object:
            self._doom.passing(f"before {name}")
            result = found(*args)
            self._doom.passing(f"after {name}")
            return result

        return call


class SocketActuator:
    """Gives orders to the target over its socket."""

    name = "local"

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def actions(self) -> tuple[ActionSchema, ...]:
        return ()

    def targets(self) -> tuple[str, ...]:
        return ()

    def read(self, entity: str) -> Reading:
        return Reading(LiveTarget(entity, True, "g1", True, True), False, None, ())

    def inverse(self, action: Action) -> Action | None:
        return replace(action, kind="service.unscale")

    def act(self, order: Order) -> ActResult:
        return self._said(self._ask("act", order))

    def resolve(self, order: Order) -> ActResult:
        return self._said(self._ask("resolve", order))

    def close(self) -> None:
        """Each order has a connection of its own."""

    def _ask(self, op: str, order: Order) -> str:
        targets = [target.entity for target in order.action.targets]
        asked = {"op": op, "key": order.key, "kind": order.action.kind, "targets": targets}
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(30)
            link.connect(self._path)
            link.sendall((json.dumps(asked) + "\n").encode())
            answer = link.makefile().readline().strip()
        if not answer:
            raise ActuatorError("the connection broke")
        return answer

    @staticmethod
    def _said(answer: str) -> ActResult:
        return ActResult(ActOutcome(answer), f"the target says {answer}")


def judge(plan: Plan, _facts: Facts) -> Judgement:
    said = Verdict(1, "fixed", Outcome.ALLOW, "it is allowed")
    return Judgement(plan, canonical.plan_hash(plan), (said,))


def measure(run: Run, record: StepRecord, _now: int) -> Measured:
    """Numbers that say, by the run alone, what became of it: most are fixed, some turn worse."""
    fate = zlib.crc32(run.run_id.encode()) % 10
    late = record.wave > 0 or len(run.records) > 1
    wanted = {0: Verification.NO_EFFECT, 1: Verification.WORSE, 2: Verification.INCONCLUSIVE}.get(fate)
    if fate == 3 and late:
        wanted = Verification.WORSE
    rng = np.random.default_rng(fate)
    level = {None: 20.0, Verification.WORSE: 180.0}.get(wanted, 100.0)
    after = np.empty(0) if wanted is Verification.INCONCLUSIVE else level + rng.standard_normal(20)
    side = Side(100 + rng.standard_normal(20), after)
    seen = Seen(Condition("latency", "down"), "latency", 20 + rng.standard_normal(20), side, ())
    return Measured((seen,), (TargetHealth("service:a", True, True),), wanted is Verification.NO_EFFECT)


def drive(control_url: str, durable_url: str, folder: Path, name: str, doom: Doom) -> None:
    """Drive until no run is left that has not ended."""
    clock = SystemClock()
    store = open_control_store(control_url, key_dir=folder, clock=clock, limits=LIMITS)
    leader = Leader(store, clock, name, LEASE_SECONDS)
    actuator: Any = Doomed(SocketActuator(folder / "target.sock"), doom)
    around = Around(sample_facts, judge, lambda _: actuator, measure)
    doomed: Any = Doomed(store, doom)
    runs: Any = Doomed(Runs(doomed, around, leader, clock, Bounds(LIMITS, PLENTY, WINDOW_SECONDS)), doom)
    settings = DurableSettings(durable_url, name, poll_seconds=0.05)
    driving = Driving(runs, leader, lambda: DurableDriver(settings, runs.advance))
    driving.start()
    while store.list_runs(OPEN, limit=1):
        time.sleep(0.05)
    driving.stop()
    store.close()


def main() -> None:
    control_url, durable_url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    # What is printed to the standard output is for whoever waits for it.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if "--zygote" not in sys.argv:
        drive(control_url, durable_url, folder, sys.argv[4], Doom("-", 0))
        return
    print("ready", flush=True)
    for line in sys.stdin:
        name, boundary, count = line.strip().split(",")
        child = os.fork()
        if child == 0:
            drive(control_url, durable_url, folder, name, Doom(boundary, int(count)))
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
