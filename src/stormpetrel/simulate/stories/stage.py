"""Where stories are played: real planner, real guardrails, and real admission over a real store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.judge import judge
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.errors import StateError
from stormpetrel.model import canonical
from stormpetrel.model.action import Action, Autonomy, Plan
from stormpetrel.model.facts import Facts, Health, Limits
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState, StepRecord, Verification
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.algorithms import Guardrail
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.ports.clock import Clock

WELL = Health(1.0, 0.0, clock_went_back=False, ledger_ok=True, store_ok=True)
ME = "node-a"


class StoryClock:
    """The time of a story, which goes where it is told to: a `Clock`."""

    def __init__(self, now_unix_nano: int) -> None:
        self._now = now_unix_nano

    def now_unix_nano(self) -> int:
        """What it was last told."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Later, or with a negative number earlier."""
        self._now += from_seconds(seconds)


def without(*numbers: int) -> tuple[Guardrail, ...]:
    """The guardrails but these: to see what they are good for."""
    return tuple(one for one in GUARDRAILS if one.number not in numbers)


@lru_cache(maxsize=1)
def _empty_store() -> dict[str, bytes]:
    """The files of a store with its tables and nothing in them: making one takes a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_control_store(f"sqlite:///{folder / 'control.sqlite'}", folder).close()
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def empty_store_in(folder: Path) -> str:
    """Put a store with its tables and nothing in them into a folder; its address."""
    for name, content in _empty_store().items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    return f"sqlite:///{folder / 'control.sqlite'}"


class Stage:
    """One control store, and what is done with it. Not safe from several threads.

    Args:
        folder: where the store is made.
        clock: the time of the story.
        limits, budget: the numbers in force.
        guardrails: those that judge.
        perform: what an action really does to the story's world.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        numbers: tuple[Limits, BudgetLimits],
        guardrails: Sequence[Guardrail],
        perform: Callable[[Action], None],
    ) -> None:
        self._folder, self._clock, self._perform = folder, clock, perform
        self._url = empty_store_in(folder)
        self.limits, self.budget = numbers
        self.guardrails = guardrails
        self.store = self._opened()
        self.token = 0

    def _opened(self) -> SqlControlStore:
        return open_control_store(self._url, self._folder, self._clock, self.limits)

    def crash(self) -> None:
        """Everything in memory is gone; what was committed is not."""
        self.store.close()
        self.store = self._opened()

    def now(self) -> int:
        """The time of the story."""
        return self._clock.now_unix_nano()

    def close(self) -> None:
        """End."""
        self.store.close()

    def trust(self, runbook: Runbook) -> None:
        """The runbook is signed, was replayed, and an admin raised it as far as it asks for."""
        now = self._clock.now_unix_nano()
        self.store.save_runbook(runbook, "ada", now)
        self.store.sign_runbook(runbook.name, runbook.version, "ada", now)
        self.store.set_replay_days(runbook.name, runbook.version, 30.0)
        self.store.set_autonomy(runbook.name, runbook.autonomy, "ada", now, "the story wants it")

    def lead(self) -> None:
        """Hold the right to act."""
        lease = self.store.take_lease(ME, self._clock.now_unix_nano(), 60.0)
        self.token = lease.token if lease is not None else 0

    def admit(self, plan: Plan, facts: Facts, run: Run | None = None) -> Run:
        """Put a plan before the guardrails, or a run once more; what became of it."""
        self.lead()
        if run is None:
            digest = canonical.plan_hash(plan)
            begun = facts.now_unix_nano
            run = Run(plan.plan_id, plan, digest, RunState.WAITING, 0, (), 0, False, "proposed", begun)
        told = replace(facts, me=ME, my_token=self.token)
        admitted = run
        self.store.admit(
            told, lambda whole: judge(admitted.plan, whole, self.guardrails), admitted, self.budget
        )
        kept = self.store.run(plan.plan_id)
        if kept is None:
            raise StateError(f"the run {plan.plan_id} is not there")
        return kept

    def carry_out(self, run: Run, result: Verification) -> Run:
        """Do every step of a run that may go on, each on record before; then it is verified and ends."""
        for step in run.plan.steps:
            now = self._clock.now_unix_nano()
            key = f"{run.run_id}:{step.step_id}:0"
            order = StepRecord(key, step.step_id, 0, step.action, step.inverse, False, now)
            begun = replace(run, state=RunState.ACTING, records=(*run.records, order))
            run = self.store.begin_step(run, begun, self.token, ())
            self._perform(step.action)
            done = replace(
                run.records[-1],
                ended_unix_nano=now,
                result=ActResult(ActOutcome.DONE, "done"),
                verified=result,
            )
            run = self._moved(run, RunState.READY, done)
        failed = result is not Verification.FIXED
        return self._moved(run, RunState.ESCALATED if failed else RunState.FINISHED, None)

    def _moved(self, run: Run, state: RunState, last: StepRecord | None) -> Run:
        now = self._clock.now_unix_nano()
        records = run.records if last is None else (*run.records[:-1], last)
        ends = now if state in (RunState.FINISHED, RunState.ESCALATED) else 0
        return self.store.advance_run(
            run, replace(run, state=state, records=records, ended_unix_nano=ends), ()
        )

    def expire(self) -> None:
        """Nobody answered: plans that wait are given up."""
        now = self._clock.now_unix_nano()
        for run in self.store.list_runs((RunState.WAITING,)):
            with suppress(StateError):
                self.store.advance_run(
                    run, replace(run, state=RunState.EXPIRED, why="nobody answered", ended_unix_nano=now), ()
                )

    def let(self, runbook: str, level: Autonomy) -> None:
        """An admin sets a level again, whatever a demotion did."""
        self.store.set_autonomy(runbook, level, "ada", self._clock.now_unix_nano(), "again")
