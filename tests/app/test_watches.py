"""What automation stands on: a clock that jumps, telemetry that stops, a ledger that does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from stormpetrel.app.own import OWN_ENTITY
from stormpetrel.app.watches import ClockWatch, HealthWatch, Heard
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.testing.clock import FakeClock

START = 1_700_000_000_000_000_000


class Steady:
    """Seconds that only grow."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def moved(clock: FakeClock, steady: Steady, wall: float, real: float) -> None:
    clock.advance(wall)
    steady.now += real


def test_a_clock_that_runs_as_it_should_is_not_skewed() -> None:
    clock, steady = FakeClock(START), Steady()
    watch = ClockWatch(clock, steady)
    for _ in range(20):
        moved(clock, steady, 30.0, 30.0)
        skew, back = watch.look()
    assert skew == pytest.approx(0.0, abs=1e-6)
    assert not back


def test_a_jump_forward_is_a_skew_and_forgotten_after_ten_minutes() -> None:
    clock, steady = FakeClock(START), Steady()
    watch = ClockWatch(clock, steady)
    watch.look()
    moved(clock, steady, 3600.0, 10.0)
    skew, back = watch.look()
    assert skew == pytest.approx(3590.0)
    assert not back
    moved(clock, steady, 590.0, 590.0)
    assert watch.look()[0] == pytest.approx(3590.0)
    moved(clock, steady, 30.0, 30.0)
    assert watch.look()[0] == pytest.approx(0.0)


def test_going_back_is_remembered_for_ten_minutes_and_slewing_is_not() -> None:
    clock, steady = FakeClock(START), Steady()
    watch = ClockWatch(clock, steady)
    watch.look()
    moved(clock, steady, -0.5, 1.0)
    assert not watch.look()[1]
    moved(clock, steady, -60.0, 1.0)
    assert watch.look()[1]
    moved(clock, steady, 599.0, 599.0)
    assert watch.look()[1]
    moved(clock, steady, 30.0, 30.0)
    assert not watch.look()[1]


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_jump_between_two_judgements_is_seen_where_the_time_is_taken_in_between(jump: float) -> None:
    clock, steady = FakeClock(START), Steady()
    watch = HealthWatch(clock, clock.now_unix_nano, lambda: True, lambda: True, steady)
    watch.look()
    for minute in range(180):  # nothing is judged for three hours
        moved(clock, steady, 60.0 + jump * (minute == 175), 60.0)
        watch.watch()
    found = watch.look()
    assert found.clock_skew_seconds == pytest.approx(3600.0)
    assert found.clock_went_back is (jump < 0)


def test_what_this_process_says_itself_does_not_say_that_telemetry_is_well() -> None:
    registry = SeriesRegistry(100)
    second = 10**9
    times = np.zeros(0, np.int64)

    def told(metric: str, source: str, at: int, entity: str = "") -> None:
        nonlocal times
        series = registry.intern(metric, {"of": metric}, source, entity=entity)
        times = np.append(times, np.zeros(max(0, series + 1 - len(times)), np.int64))
        times[series] = at

    heard = Heard(lambda: times, registry.info, registry.__len__, 30.0)
    assert heard.newest(START) == 0
    told("petrel_memory_bytes", "petrel", START)
    told("service_up", "targets", START)
    told("log_records", "derived", START, OWN_ENTITY)
    assert heard.newest(START) == 0, "nobody else was heard"
    told("up", "prom", START - 300 * second)
    assert heard.newest(START) == START - 300 * second
    told("load", "agent", START + 200 * second)
    assert heard.newest(START) == START - 300 * second, "a sample from ahead makes up for no silence"
    told("load", "agent", START + 20 * second)
    assert heard.newest(START) == START + 20 * second


def test_without_a_sample_the_age_of_telemetry_is_unknown() -> None:
    clock = FakeClock(START)
    newest = [0]
    watch = HealthWatch(clock, lambda: newest[0], lambda: True, lambda: True, Steady())
    assert watch.look().telemetry_age_seconds is None
    newest[0] = START - 5_000_000_000
    assert watch.look().telemetry_age_seconds == 5.0
    newest[0] = START + 5_000_000_000
    assert watch.look().telemetry_age_seconds == 0.0


def test_the_ledger_is_walked_now_and_then_and_again_while_it_is_broken() -> None:
    clock, steady = FakeClock(START), Steady()
    answers, walks = [True], [0]

    def check() -> bool:
        walks[0] += 1
        return answers[0]

    watch = HealthWatch(clock, lambda: START, lambda: False, check, steady)
    for _ in range(5):
        found = watch.look()
    assert (found.ledger_ok, found.store_ok, walks[0]) == (True, False, 1)
    answers[0] = False
    steady.now += 601.0
    assert watch.look().ledger_ok is False
    assert watch.look().ledger_ok is False
    assert walks[0] == 3, "what is broken is looked at each time"
    answers[0] = True
    assert watch.look().ledger_ok is True
