"""Random senders, a store that goes away, restarts, a spill that fills: acknowledged is stored exactly
once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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
    stored_samples,
)

from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.model.signal import AdmittedMetrics, LogBatch

SENDERS = 3


class Senders(RuleBasedStateMachine):
    """Each sender has a series and a log of its own, and sends in order, again until acknowledged."""

    store: ClassVar[FailingStore]
    directory: ClassVar[Path]
    run: ClassVar[Iterator[int]] = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.example = next(self.run)
        self.store.armed.clear()
        self.intakes: list[Intake] = []
        self.start()
        self.second = [0] * SENDERS
        self.numbers = itertools.count(1)
        self.unanswered: dict[int, tuple[int, list[float]]] = {}
        self.unanswered_log: dict[int, tuple[int, str]] = {}
        self.samples: list[tuple[str, int, float]] = []
        self.logs: list[str] = []

    def start(self) -> None:
        spill = self.directory / str(self.example)
        self.intakes.append(Intake(self.store, spill=spill, spill_bytes=15_000))

    @property
    def intake(self) -> Intake:
        return self.intakes[-1]

    def name(self, sender: int) -> str:
        return f"s{self.example}_{sender}"

    @rule(sender=st.integers(0, SENDERS - 1), rows=st.integers(1, 5))
    def send_samples(self, sender: int, rows: int) -> None:
        if sender not in self.unanswered:
            values = [float(next(self.numbers)) for _ in range(rows)]
            self.unanswered[sender] = (self.second[sender], values)
            self.second[sender] += rows
        start, values = self.unanswered[sender]
        series = self.intake.series(self.name(sender))
        seconds = range(start, start + len(values))
        try:
            done(self.intake.writer.metrics(samples([series] * len(values), seconds, values), "t"))
        except StoreError:
            return
        self.samples += [
            (self.name(sender), second, value) for second, value in zip(seconds, values, strict=True)
        ]
        del self.unanswered[sender]

    @rule(sender=st.integers(0, SENDERS - 1))
    def send_logs(self, sender: int) -> None:
        if sender not in self.unanswered_log:
            number = next(self.numbers)
            self.unanswered_log[sender] = ((self.example << 32) + number, f"{self.example} {number}")
        token, body = self.unanswered_log[sender]
        try:
            done(self.intake.writer.logs(logs(token, [body]), "t"))
        except StoreError:
            return
        self.logs.append(body)
        del self.unanswered_log[sender]

    @rule(
        call=st.sampled_from(["series", "samples", "logs"]),
        error=st.sampled_from([StoreError, StoreFullError]),
        after=st.booleans(),
        times=st.integers(1, 3),
    )
    def fail(self, call: str, error: type[StoreError], after: bool, times: int) -> None:
        self.store.fail(call, error("told to fail"), after=after, times=times)

    @rule(away=st.booleans())
    def go(self, away: bool) -> None:
        self.store.away = away

    @rule()
    def restart(self) -> None:
        self.intake.stop()
        self.store.away = False
        self.start()

    def teardown(self) -> None:
        try:
            self.store.away = False
            self.store.armed.clear()
            self.intake.drained()
            for sender in list(self.unanswered):
                self.send_samples(sender, 1)
            for sender in list(self.unanswered_log):
                self.send_logs(sender)
            self.intake.drained()
            assert (self.unanswered, self.unanswered_log) == ({}, {})
        finally:
            self.intake.stop()
        names = {info.series: info.metric for info in self.store.all_series()}
        mine = [
            (names[series], second, value)
            for series, second, value in stored_samples(self.store)
            if names[series].startswith(f"s{self.example}_")
        ]
        assert sorted(mine) == sorted(self.samples)
        bodies = [body for body in stored_bodies(self.store) if body.startswith(f"{self.example} ")]
        assert bodies == sorted(self.logs)
        self.check_judged()

    def check_judged(self) -> None:
        """Nothing goes on to the judge twice, and each series in order of time."""
        values, texts = [], []
        for one in itertools.chain.from_iterable(intake.handed for intake in self.intakes):
            if isinstance(one, AdmittedMetrics):
                values += list(zip(one.batch.series.tolist(), one.batch.value.tolist(), strict=True))
            elif isinstance(one, LogBatch):
                texts += one.records.column("body").to_pylist()
        assert len(values) == len(set(values))
        assert len(texts) == len(set(texts))
        for series in {series for series, _ in values}:
            own = [value for other, value in values if other == series]
            assert own == sorted(own)


@pytest.mark.timeout(120)
def test_acknowledged_is_stored_exactly_once(tmp_path: Path) -> None:
    Senders.store = FailingStore.over(open_store(Config().store, tmp_path / "store"))
    Senders.directory = tmp_path / "spill"
    try:
        run_state_machine_as_test(
            Senders,
            settings=settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
    finally:
        Senders.store.close()
