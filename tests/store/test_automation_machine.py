"""Any order of proposals, answers, acts, ends, restarts and jumps of the clock: no limit is ever exceeded."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.errors import StateError
from stormpetrel.model.facts import Facts, Group, Limits, Switch
from stormpetrel.model.ledger import EntryKind
from stormpetrel.model.run import ActOutcome, Run, RunState, Verification
from stormpetrel.model.verdict import Judgement, Outcome, Verdict
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.testing.automation_samples import (
    answered,
    begun,
    ended,
    limit_judge,
    sample_facts,
    sample_plan,
    sample_run,
    sample_target,
    yes,
)
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.ledger_limits import LedgerBalance, exceeded
from stormpetrel.testing.store_samples import NOW

BUDGET = BudgetLimits(spend_hour=12.0, spend_day=30.0, churn_hour=8, churn_day=20)
LIMITS = Limits(runs_per_runbook_hour=2, runs_per_hour=5)
MEMBERS = tuple(f"service:m{number}" for number in range(5))
GROUPS = (Group("g", MEMBERS, MEMBERS, 2),)


class Admissions(RuleBasedStateMachine):
    """Drives the store as several careless drivers would; what it refuses by StateError is fine."""

    def __init__(self) -> None:
        super().__init__()
        self._home = tempfile.TemporaryDirectory()
        self._clock = FakeClock(NOW)
        self._store = self._open()
        self._balance = LedgerBalance(BUDGET, LIMITS, GROUPS)
        self._read = 0
        self._runs: list[str] = []

    def _open(self) -> SqlControlStore:
        path = Path(self._home.name)
        return open_control_store(f"sqlite:///{path / 'control.db'}", path, self._clock)

    def _run(self, pick: int) -> Run:
        found = self._store.run(self._runs[pick % len(self._runs)])
        assert found is not None
        return found

    def _admit(self, run: Run, asks: bool) -> None:
        limits = limit_judge(run.plan)

        def judge(facts: Facts) -> Judgement:
            found = limits(facts)
            verdicts = (*found.verdicts, Verdict(4, "autonomy", Outcome.ASK, "it asks", 1))
            return replace(found, verdicts=verdicts) if asks else found

        facts = sample_facts(run, self._clock.now_unix_nano(), GROUPS)
        self._store.admit(replace(facts, limits=LIMITS), judge, run, BUDGET)

    @rule(
        members=st.sets(st.integers(0, 4), min_size=1, max_size=2), spend=st.integers(0, 8),
        churn=st.integers(0, 5), steps=st.integers(1, 2), book=st.sampled_from("ab"), asks=st.booleans(),
    )  # fmt: skip
    def propose(self, members: set[int], spend: int, churn: int, steps: int, book: str, asks: bool) -> None:
        targets = [sample_target(f"m{one}") for one in sorted(members)]
        name = f"r{len(self._runs)}"
        plan = sample_plan(name, *targets, spend=float(spend), churn=churn, steps=steps)
        self._runs.append(name)
        run = sample_run(replace(plan, runbook=book))
        self._admit(replace(run, begun_unix_nano=self._clock.now_unix_nano()), asks)

    @precondition(lambda self: self._runs)
    @rule(pick=st.integers(0, 50), asks=st.booleans(), agree=st.booleans())
    def judge_again(self, pick: int, asks: bool, agree: bool) -> None:
        run = self._run(pick)
        try:
            if agree:
                self._store.add_approval(run.run_id, yes(run, "ann", self._clock.now_unix_nano()))
            self._admit(run, asks)
        except StateError:
            assert run.state is not RunState.WAITING

    @precondition(lambda self: self._runs)
    @rule(pick=st.integers(0, 50), undo=st.booleans(), stale=st.booleans())
    def begin(self, pick: int, undo: bool, stale: bool) -> None:
        run, now = self._run(pick), self._clock.now_unix_nano()
        lease = self._store.take_lease("a", now, 600.0)
        assert lease is not None
        try:
            following = begun(run, undo, now)
        except (IndexError, StopIteration):
            return
        stopped = bool(self._store.switches())
        try:
            self._store.begin_step(run, following, lease.token - stale, ())
        except StateError:
            return
        assert not stopped
        assert not stale

    @precondition(lambda self: self._runs)
    @rule(pick=st.integers(0, 50), outcome=st.sampled_from(ActOutcome), found=st.sampled_from(Verification))
    def answer(self, pick: int, outcome: ActOutcome, found: Verification) -> None:
        run = self._run(pick)
        if run.records and run.records[-1].result is None and not run.ended:
            run = self._store.advance_run(run, answered(run, outcome, self._clock.now_unix_nano()), ())
            last = replace(run.records[-1], verified=found)
            self._store.advance_run(run, replace(run, records=(*run.records[:-1], last)), ())

    @precondition(lambda self: self._runs)
    @rule(
        pick=st.integers(0, 50),
        state=st.sampled_from([RunState.FINISHED, RunState.ESCALATED, RunState.EXPIRED, RunState.READY]),
    )
    def end(self, pick: int, state: RunState) -> None:
        run = self._run(pick)
        following = ended(run, state, self._clock.now_unix_nano())
        if state is RunState.READY:
            following = replace(run, state=state)
        try:
            self._store.advance_run(run, following, ())
        except StateError:
            assert run.ended or run.state is RunState.WAITING

    @rule(seconds=st.sampled_from([1.0, 300.0, 1800.0, 4000.0, 90_000.0, -2000.0]))
    def time_passes(self, seconds: float) -> None:
        self._clock.advance(seconds)

    @rule(engage=st.booleans())
    def switch(self, engage: bool) -> None:
        now = self._clock.now_unix_nano()
        if engage:
            self._store.engage(Switch("global", "ann", now, "stop"))
        elif self._store.switches():
            self._store.release("global", "ann", now, "")
            assert self._store.release("global", "bo", now, "")

    @rule()
    def crash(self) -> None:
        """A process that dies keeps nothing: what is committed is all there is."""
        self._store.close()
        self._store = self._open()

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        fresh = self._store.ledger(after_seq=self._read, limit=100_000)
        self._read += len(fresh)
        assert exceeded(self._balance, fresh) == []
        hour, _ = self._store.purses(self._clock.now_unix_nano(), BUDGET)
        assert (hour.reserved, hour.churn_reserved) == self._balance.reserved()
        ends = [one for one in fresh if one.kind is EntryKind.SETTLED]
        assert all(one.run_id not in self._balance.held for one in ends[-1:])

    def teardown(self) -> None:
        assert self._store.check_ledger() == []
        held = {one.run_id for one in self._store.list_runs(limit=1000) if self._holds(one)}
        assert held == set(self._balance.held)
        self._store.close()
        self._home.cleanup()

    @staticmethod
    def _holds(run: Run) -> bool:
        return not run.ended and (run.state is not RunState.WAITING or bool(run.records))


TestAdmissions = pytest.mark.slow(Admissions.TestCase)
TestAdmissions.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
