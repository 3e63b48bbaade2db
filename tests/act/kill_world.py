"""Drivers that are killed again and again, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tests.act.kill_driver import OPERATIONS, PLENTY, judge
from tests.act.run_world import plan_of

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.model.ledger import EntryKind
from stormpetrel.model.run import ENDS, ActOutcome, Run, RunState
from stormpetrel.testing.automation_samples import sample_facts, sample_run, sample_runbook

HERE = Path(__file__).parent
BOUNDARIES = tuple(f"{side} {name}" for name in OPERATIONS for side in ("before", "after"))
SHAPES: tuple[list[int], ...] = ([1], [1], [2], [3], [1, 1])
TIMEOUT_SECONDS, SETTLE_SECONDS = 0.5, 0.02


@dataclass
class Figures:
    """What a campaign did."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    inside: int = 0  # kills that found an order on record and without its answer
    effects: int = 0
    undone: int = 0
    given_again: int = 0  # orders given again, each after the target said that it was not done
    ends: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


@contextlib.contextmanager
def target(folder: Path) -> Iterator[None]:
    """The target as a process that outlives all drivers."""
    command = [sys.executable, str(HERE / "kill_target.py"), str(folder / "target.sock"), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield
    finally:
        process.kill()
        process.communicate()


class Zygote:
    """Makes drivers that cost no imports."""

    def __init__(self, control_url: str, durable_url: str, folder: Path) -> None:
        self._folder = folder
        command = [
            sys.executable,
            "-m",
            "tests.act.kill_driver",
            control_url,
            durable_url,
            str(folder),
            "--zygote",
        ]
        root = HERE.parent.parent
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        )
        self._said()

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the zygote is gone"
        return line

    def life(self, name: str, boundary: str, count: int, most_seconds: float | None) -> tuple[int, bool]:
        """One driver from its start to its end: its exit code, and whether it was killed from outside."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name},{boundary},{count}\n")
        self._process.stdin.flush()
        child = int(self._said())
        late = threading.Event()

        def end() -> None:
            late.set()
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

        timer = threading.Timer(most_seconds, end) if most_seconds is not None else None
        if timer is not None:
            timer.start()
        code = int(self._said())
        if timer is not None:
            timer.cancel()
        return code, late.is_set()

    def close(self) -> None:
        self._process.communicate(timeout=60)


def proposed(store: SqlControlStore, runs: int, seed: int) -> list[str]:
    """So many runs, let go and waiting for a driver."""
    rng = np.random.default_rng(seed)
    store.save_runbook(sample_runbook(), "jo", time.time_ns())
    names = []
    for number in range(runs):
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        plan = plan_of(
            f"r{seed}-{number}", shape, incident=f"i{number}", timeout=TIMEOUT_SECONDS, settle=SETTLE_SECONDS
        )
        run = sample_run(plan)
        store.admit(sample_facts(run, time.time_ns()), partial(judge, plan), run, PLENTY)
        names.append(run.run_id)
    return names


def campaign(folder: Path, runs: int, rounds: int, random_kills: int, seed: int) -> Figures:
    """Kill drivers at every boundary, `rounds` times each, and at random instants, then let one finish."""
    control_url, durable_url = f"sqlite:///{folder}/control.db", f"sqlite:///{folder}/durable.db"
    figures, rng, began = Figures(runs), np.random.default_rng(seed), time.monotonic()
    store = open_control_store(control_url, key_dir=folder)
    deaths = _deaths(rounds, random_kills, rng)
    share = -(-runs // max(len(deaths), 1))
    names: list[str] = []
    with target(folder):
        zygote = Zygote(control_url, durable_url, folder)
        for number, (boundary, count) in enumerate(deaths):
            if len(names) < runs:  # some are new at each life, so that every boundary is always near
                names += proposed(store, min(share, runs - len(names)), seed * 1000 + number)
            instant = float(rng.uniform(0.3, 2.5)) if boundary == "-" else 8.0
            code, late = zygote.life(f"life-{number}", boundary, count, instant)
            store.take_lease(f"life-{number}", time.time_ns(), 0.0)  # it is dead: its lease need not run out
            if code == -signal.SIGKILL:
                figures.kills["random" if late else boundary] += 1
                figures.inside += any(one.result is None for run in _open(store) for one in run.records)
        if len(names) < runs:
            names += proposed(store, runs - len(names), seed * 1000 + 999)
        code, _ = zygote.life("last", "-", 0, None)
        zygote.close()
    if code != 0:
        figures.wrong.append(f"the last driver ended with {code}")
    figures.seconds = time.monotonic() - began
    check(store, folder, names, figures)
    store.close()
    return figures


def _deaths(rounds: int, random_kills: int, rng: np.random.Generator) -> list[tuple[str, int]]:
    """Boundaries at which drivers die, each with how often it is passed before. "-": at a random instant.

    A question what is true is only asked where an order was left open, so the deaths around it follow those
    that leave one.
    """
    plain = [one for one in BOUNDARIES if "resolve" not in one]
    found: list[tuple[str, int]] = [("-", 0)] * random_kills
    for _ in range(rounds):
        found += [(plain[number], int(rng.integers(1, 4))) for number in rng.permutation(len(plain))]
    found = [found[number] for number in rng.permutation(len(found))]
    for one in [name for name in BOUNDARIES if "resolve" in name] * rounds:
        leaves = [
            number for number, (name, _) in enumerate(found) if name in {"after begin_step", "after act"}
        ]
        found.insert(leaves[int(rng.integers(len(leaves)))] + 1, (one, 1))
    return found


def _open(store: SqlControlStore) -> list[Run]:
    return store.list_runs([one for one in RunState if one not in ENDS], limit=10_000)


def lines(path: Path) -> list[tuple[int, str, str, str]]:
    """The lines of a journal."""
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()]


def check(store: SqlControlStore, folder: Path, names: list[str], figures: Figures) -> None:
    """What must hold when all is over; what does not is in `figures.wrong`."""
    wrong = figures.wrong
    effects: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for at, kind, key, _ in lines(folder / "journal"):
        effects[key].append((at, kind))
    wrong += [f"{key} was done {len(times)} times" for key, times in effects.items() if len(times) > 1]
    wrong += [f"the ledger: {fault.text}" for fault in store.check_ledger()]
    known: set[str] = set()
    for name in names:
        run = store.run(name)
        if run is None:
            wrong.append(f"{name} is gone")
            continue
        known |= {one.key for one in run.records}
        figures.ends[run.state.value] += 1
        wrong += [f"{name}: {fault}" for fault in _faults(store, run, effects)]
    wrong += [f"{key} was done and is on no record" for key in effects if key not in known]
    figures.effects = len(effects)
    figures.undone = sum(key.endswith(":undo") for key in effects)
    _arrivals(folder, figures)


def _faults(store: SqlControlStore, run: Run, effects: dict[str, list[tuple[int, str]]]) -> Iterator[str]:
    """What is wrong with one run, as the ledger and the target's journal have it."""
    if not run.ended:
        yield f"has not ended: {run.state.value}"
    begun: dict[str, int] = {}
    told: dict[str, list[tuple[int, str]]] = defaultdict(list)
    ends = 0
    for entry in store.ledger(run_id=run.run_id, limit=10_000):
        body: dict[str, Any] = json.loads(entry.body)
        if entry.kind in {EntryKind.BEGUN, EntryKind.UNDO_BEGUN}:
            begun.setdefault(body["key"], entry.time_unix_nano)
        if entry.kind in {EntryKind.RESULT, EntryKind.UNDO_RESULT}:
            told[body["key"]].append((entry.time_unix_nano, body["outcome"]))
        ends += entry.kind is EntryKind.STATE and body.get("to") in ENDS
    if ends != 1:
        yield f"ended {ends} times"
    for one in run.records:
        done = effects.get(one.key, [])
        if done and begun.get(one.key, done[0][0] + 1) > done[0][0]:
            yield f"{one.key} was done before its order was on record"
        final = told[one.key][-1] if told[one.key] else (0, "")
        if one.result is None or final[1] != one.result.outcome.value:
            yield f"{one.key} has no answer on record"
        elif (one.result.outcome is ActOutcome.DONE) != bool(done):
            yield f"{one.key} is {one.result.outcome} on record, and the target did it {len(done)} times"
        elif done and final[0] < done[0][0]:
            yield f"{one.key} was answered before it was done"
    yield from _undoing(run, effects)


def _undoing(run: Run, effects: dict[str, list[tuple[int, str]]]) -> Iterator[str]:
    """Whether a compensated run undid each act once, in reverse order, and any other none."""
    acts = sorted((times[0][0], key) for key, times in effects.items() if key.partition(":")[0] == run.run_id)
    done = [key for _, key in acts if not key.endswith(":undo")]
    undone = [key.removesuffix(":undo") for _, key in acts if key.endswith(":undo")]
    if run.state is RunState.COMPENSATED and undone != done[::-1]:
        yield f"undid {undone} of {done}"
    if run.state is RunState.FINISHED and undone:
        yield f"finished and undid {undone}"


def _arrivals(folder: Path, figures: Figures) -> None:
    """Whether an order was ever given again without the target having said that it was not done."""
    last: dict[str, str] = {}
    for _, what, key, _ in lines(folder / "arrivals"):
        if what == "act" and key in last:
            figures.given_again += 1
            if last[key] != "resolved not_done":
                figures.wrong.append(f"{key} was ordered again after {last[key]}")
        last[key] = what


def waited(condition: Any, seconds: float = 60.0) -> None:
    """Wait for something to become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.02)
