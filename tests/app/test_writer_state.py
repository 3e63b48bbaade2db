"""Random senders, failures and restarts: what was acknowledged is stored exactly once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from tests.app.intake import (
    FailingStore,
    Intake,
    done,
    logs,
    samples,
    stored_bodies,
    stored_names,
    stored_samples,
)

from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import LogBatch, MetricBatch

SENDERS = 3
ERRORS: tuple[Callable[[str], Exception], ...] = (StoreError, StoreFullError, ValueError)
Unacknowledged = tuple[MetricBatch | LogBatch, list[tuple[int, int, float] | str]]


class Senders(RuleBasedStateMachine):
    """Each sender has a series and a log of its own, and sends in order, again until acknowledged."""

    store: ClassVar[FailingStore]
    registry: ClassVar[SeriesRegistry]
    run: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.example = next(self.run)
        self.store.armed.clear()
        self.intake = Intake(self.store, self.registry)
        self.series = [self.intake.series(f"s{self.example}_{n}") for n in range(SENDERS)]
        self.second = [0] * SENDERS
        self.numbers = itertools.count()
        self.waiting: dict[tuple[str, int], Unacknowledged] = {}
        self.acknowledged: list[tuple[int, int, float] | str] = []

    @rule(sender=st.integers(0, SENDERS - 1), rows=st.integers(1, 5))
    def send_samples(self, sender: int, rows: int) -> None:
        if ("samples", sender) not in self.waiting:
            start = self.second[sender]
            self.second[sender] += rows
            seconds = range(start, start + rows)
            keys = [(self.series[sender], second, float(next(self.numbers))) for second in seconds]
            batch = samples([self.series[sender]] * rows, seconds, [key[2] for key in keys])
            self.waiting["samples", sender] = (batch, [*keys])
        self.post("samples", sender)

    @rule(sender=st.integers(0, SENDERS - 1), rows=st.integers(1, 3))
    def send_logs(self, sender: int, rows: int) -> None:
        if ("logs", sender) not in self.waiting:
            bodies = [f"{self.example} {sender} {next(self.numbers)}" for _ in range(rows)]
            batch = logs(1 + (self.example << 32) + next(self.numbers), bodies)
            self.waiting["logs", sender] = (batch, [*bodies])
        self.post("logs", sender)

    def post(self, what: str, sender: int) -> None:
        batch, rows = self.waiting[what, sender]
        writer = self.intake.writer
        answer = writer.metrics(batch, "t") if isinstance(batch, MetricBatch) else writer.logs(batch, "t")
        try:
            done(answer)
        except StoreError:
            return
        self.acknowledged += rows
        del self.waiting[what, sender]

    @rule(
        call=st.sampled_from(["series", "samples", "quarantine", "logs"]),
        error=st.sampled_from(ERRORS),
        after=st.booleans(),
        times=st.integers(1, 3),
    )
    def fail(self, call: str, error: Callable[[str], Exception], after: bool, times: int) -> None:
        self.store.fail(call, error("told to fail"), after=after, times=times)

    @rule()
    def restart(self) -> None:
        self.intake.stop()
        self.intake = Intake(self.store, self.registry)

    def teardown(self) -> None:
        try:
            self.store.armed.clear()
            for what, sender in list(self.waiting):
                self.post(what, sender)
            assert not self.waiting
        finally:
            self.intake.stop()
        stored = [row for row in stored_samples(self.store) if row[0] in self.series]
        bodies = [body for body in stored_bodies(self.store) if body.startswith(f"{self.example} ")]
        assert sorted(map(str, [*stored, *bodies])) == sorted(map(str, self.acknowledged))
        assert stored_names(self.store) == []


@pytest.mark.timeout(120)
def test_acknowledged_is_stored_exactly_once(tmp_path: Path) -> None:
    Senders.store = FailingStore.over(open_store(Config().store, tmp_path))
    Senders.registry = SeriesRegistry()
    try:
        run_state_machine_as_test(
            Senders,
            settings=settings(
                max_examples=25,
                stateful_step_count=15,
                deadline=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
    finally:
        Senders.store.close()
