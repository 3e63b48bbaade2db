"""The judge: order, time, failures, and a person's steps in turn with the findings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from tests.app.intake import T0, logs

from stormpetrel.app.config import Config
from stormpetrel.app.judge import TICK_SECONDS, Judge
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.errors import NotFoundError, StoreFullError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.testing.clock import FakeClock

TICK = from_seconds(TICK_SECONDS)


class Watched(Pipeline):
    """A pipeline that writes down what it is asked, and fails when told to."""

    def __init__(self) -> None:
        super().__init__(Config(), SeriesRegistry())
        self.asked: list[object] = []
        self.failing: list[object] = []
        self.going = threading.Event()
        self.going.set()

    def judge_metrics(self, admitted: AdmittedMetrics) -> Outcome:
        return self._asked(float(admitted.batch.value[0]))

    def judge_logs(self, batch: LogBatch) -> Outcome:
        return self._asked(batch.records.column("body")[0].as_py())

    def advance(self, now_unix_nano: int) -> Outcome:
        return self._asked(now_unix_nano)

    def _asked(self, what: object) -> Outcome:
        self.going.wait(20)
        self.asked.append(what)
        if what in self.failing:
            raise ValueError("told to fail")
        return Outcome()


def metric(value: float) -> AdmittedMetrics:
    batch = MetricBatch(np.zeros(1, np.uint32), np.array([T0]), np.array([value]))
    return AdmittedMetrics(batch, batch.value, np.zeros(1, np.bool_))


def finding() -> Finding:
    evidence = Evidence("metric", "x", 0, T0, T0, 9.0, 1.0, 0.0, 2.0, 1e-9)
    state, severity = FindingState.OPEN, Severity.CRITICAL
    return Finding("f", "robust", 1, "residual", "host:a", "high", "why", severity, state, T0, T0, evidence)


class Bench:
    """A judge that is about to tick: every five seconds on its clock are a tick."""

    def __init__(self) -> None:
        self.clock = FakeClock(T0 // TICK * TICK + TICK - 5_000_000)
        self.pipeline = Watched()
        self.emitted: list[Outcome] = []
        self.judge = Judge(self.pipeline, self.clock, self.emitted.append, self.warm_up)

    def warm_up(self) -> None:
        self.pipeline.asked.append("warm-up")


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench()
    yield one
    if one.judge._thread.is_alive():
        one.judge.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_warming_up_comes_first_and_then_everything_in_order(bench: Bench) -> None:
    for n in range(5):
        bench.judge.put(metric(float(n)))
        bench.judge.put(logs(0, [f"log {n}"]))
    assert not bench.judge.warm.is_set()
    bench.judge.start()
    bench.judge.stop()
    assert bench.judge.warm.is_set()
    wanted: list[object] = ["warm-up"]
    for n in range(5):
        wanted += [float(n), f"log {n}"]
    assert bench.pipeline.asked == wanted


def _asked_more_than(bench: Bench, count: int) -> bool:
    return len(bench.pipeline.asked) > count


def test_time_advances_on_a_fixed_grid_and_skips_what_was_slept_through(bench: Bench) -> None:
    bench.judge.start()
    until(bench.judge.warm.is_set)
    start = bench.clock.now_unix_nano() // TICK * TICK
    for steps in (1, 1, 1, 7, 1):
        more = partial(_asked_more_than, bench, len(bench.pipeline.asked))
        bench.clock.advance(steps * TICK_SECONDS)
        until(more)
    time.sleep(0.1)
    bench.judge.stop()
    assert bench.pipeline.asked[1:] == [start + n * TICK for n in (1, 2, 3, 10, 11)]


def test_time_advances_while_batches_keep_coming(bench: Bench) -> None:
    bench.judge.start()
    until(bench.judge.warm.is_set)
    bench.clock.advance(TICK_SECONDS)
    bench.judge.put(metric(1.0))
    until(lambda: any(isinstance(asked, int) for asked in bench.pipeline.asked))


def test_a_batch_that_cannot_be_judged_is_counted_and_the_next_is_judged(bench: Bench) -> None:
    bench.pipeline.failing = [1.0, "bad"]
    for stored in (metric(0.0), metric(1.0), logs(0, ["bad"]), metric(2.0)):
        bench.judge.put(stored)
    bench.judge.start()
    bench.judge.stop()
    assert bench.pipeline.asked[1:] == [0.0, 1.0, "bad", 2.0]
    assert bench.judge.failures_total == 2
    assert len(bench.emitted) == 2


def test_a_failed_warm_up_does_not_end_judging(bench: Bench) -> None:
    def broken() -> None:
        raise StoreFullError("no room")

    judge = Judge(bench.pipeline, bench.clock, bench.emitted.append, broken)
    judge.warm_pauses_seconds = (0.001, 0.001)
    judge.put(metric(1.0))
    judge.start()
    until(judge.warm.is_set)
    judge.stop()
    assert bench.pipeline.asked == [1.0]
    assert judge.failures_total == 3


def test_a_failed_warm_up_is_tried_again_before_anything_is_judged(bench: Bench) -> None:
    tries: list[int] = []

    def second_time() -> None:
        tries.append(len(tries))
        if len(tries) == 1:
            raise StoreFullError("no room")
        bench.warm_up()

    judge = Judge(bench.pipeline, bench.clock, bench.emitted.append, second_time)
    judge.warm_pauses_seconds = (0.001, 60.0)
    judge.put(metric(1.0))
    judge.start()
    until(judge.warm.is_set)
    judge.stop()
    assert bench.pipeline.asked == ["warm-up", 1.0]


def test_stopping_does_not_wait_for_another_warm_up(bench: Bench) -> None:
    def broken() -> None:
        raise StoreFullError("no room")

    judge = Judge(bench.pipeline, bench.clock, bench.emitted.append, broken)
    judge.put(metric(1.0))
    judge.start()
    until(lambda: judge.failures_total > 0)
    judge.stop()
    assert not judge.running
    assert bench.pipeline.asked == [1.0]


def test_a_judge_that_is_behind_holds_up_who_hands_over(bench: Bench) -> None:
    bench.pipeline.going.clear()
    bench.judge.start()

    def hand_over() -> None:
        for n in range(50):
            bench.judge.put(metric(float(n)))

    writer = threading.Thread(target=hand_over)
    writer.start()
    writer.join(0.3)
    assert writer.is_alive(), "fifty batches wait, and thirty-two may"
    bench.clock.advance(3.0)
    assert bench.judge.lag_seconds() == pytest.approx(3.0)
    bench.pipeline.going.set()
    writer.join(20)
    bench.judge.stop()
    assert [asked for asked in bench.pipeline.asked if isinstance(asked, float)] == [
        float(n) for n in range(50)
    ]
    assert bench.judge.lag_seconds() == 0.0


def test_a_persons_step_waits_for_its_turn(bench: Bench) -> None:
    bench.pipeline.going.clear()
    bench.judge.start()
    bench.judge.put(metric(1.0))
    answers: list[str] = []

    def step() -> None:
        try:
            bench.judge.move("nothing", IncidentState.RESOLVED, "ann", "")
        except NotFoundError as error:
            answers.append(str(error))

    until(bench.judge.warm.is_set)
    until(bench.judge._queue.empty)
    person = threading.Thread(target=step)
    person.start()
    person.join(0.1)
    assert answers == [], "a batch is being judged"
    bench.pipeline.going.set()
    person.join(20)
    assert len(answers) == 1


@pytest.mark.parametrize("to", [IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED])
def test_a_persons_step_that_cannot_be_stored_is_not_taken(bench: Bench, to: IncidentState) -> None:
    kept: list[Incident] = []
    refusing = True

    def keep_step(step: Incident) -> None:
        if refusing:
            raise StoreFullError("no room")
        kept.append(step)

    judge = Judge(bench.pipeline, bench.clock, bench.emitted.append, lambda: None, keep_step)
    grouping = bench.pipeline.grouping
    (incident,) = grouping.update([finding()], T0)
    with pytest.raises(StoreFullError):
        judge.move(incident.incident_id, to, "ann", "")
    assert grouping.unresolved() == [incident]
    refusing = False
    moved = judge.move(incident.incident_id, to, "ann", "")
    assert kept == [moved]
    assert moved.state is to
    assert bench.emitted == []
