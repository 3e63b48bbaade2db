"""The judge's time: what waits is judged at the time when it was stored, and clocks go backwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from stormpetrel.app.config import Config
from stormpetrel.app.judge import TICK_SECONDS, Judge
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.testing.clock import FakeClock

TICK = from_seconds(TICK_SECONDS)
T0 = 1_700_000_000_000_000_000 // TICK * TICK


class Watched(Pipeline):
    """Writes down what it is asked; fails while told to."""

    def __init__(self) -> None:
        super().__init__(Config(), SeriesRegistry())
        self.asked: list[object] = []
        self.failing = False

    def judge_metrics(self, admitted: AdmittedMetrics) -> Outcome:
        self.asked.append(float(admitted.batch.value[0]))
        if self.failing:
            raise ValueError("told to fail")
        return Outcome()

    def advance(self, now_unix_nano: int) -> Outcome:
        self.asked.append(now_unix_nano)
        return Outcome()


def metric(value: float) -> AdmittedMetrics:
    batch = MetricBatch(np.zeros(1, np.uint32), np.array([T0]), np.array([value]))
    return AdmittedMetrics(batch, batch.value, np.zeros(1, np.bool_))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_time_does_not_run_ahead_of_batches_that_wait() -> None:
    clock, pipeline, warm = FakeClock(T0 + 1), Watched(), threading.Event()

    def warm_up() -> None:
        warm.wait(20)

    judge = Judge(pipeline, clock, lambda _: None, warm_up)
    judge.start()
    for n in range(3):
        judge.put(metric(float(n)))
        clock.advance(TICK_SECONDS)
    warm.set()
    judge.stop()
    assert pipeline.asked == [0.0, 1.0, T0 + TICK, 2.0, T0 + 2 * TICK]


def test_time_goes_on_after_the_clock_went_back() -> None:
    clock, pipeline = FakeClock(T0 + TICK - 5_000_000), Watched()
    judge = Judge(pipeline, clock, lambda _: None, lambda: None)
    judge.start()
    until(judge.warm.is_set)
    clock.advance(TICK_SECONDS)
    until(lambda: len(pipeline.asked) == 1)
    clock.advance(-3600.0)
    judge.put(metric(7.0))
    until(lambda: 7.0 in pipeline.asked)
    clock.advance(TICK_SECONDS)
    judge.put(metric(8.0))
    until(lambda: len(pipeline.asked) >= 4)
    judge.stop()
    assert [asked for asked in pipeline.asked if isinstance(asked, int)][1] <= T0 - from_seconds(3590)


def test_a_judge_that_fails_again_and_again_says_so() -> None:
    clock, pipeline = FakeClock(T0 + 1), Watched()
    judge = Judge(pipeline, clock, lambda _: None, lambda: None)
    judge.start()
    until(judge.warm.is_set)
    assert judge.trouble() == ""
    pipeline.failing = True
    for n in range(3):
        judge.put(metric(float(n)))
    until(lambda: judge.trouble() != "")
    pipeline.failing = False
    judge.put(metric(9.0))
    until(lambda: judge.trouble() == "")
    judge.stop()
    assert not judge.running


def test_an_ended_judge_holds_up_neither_storing_nor_stopping() -> None:
    judge = Judge(Watched(), FakeClock(T0), lambda _: None, lambda: None)
    judge.start()
    judge.stop()

    def hand_over() -> None:
        for n in range(100):
            judge.put(metric(float(n)))
        judge.stop()

    writer = threading.Thread(target=hand_over, daemon=True)
    writer.start()
    writer.join(10)
    assert not writer.is_alive()
