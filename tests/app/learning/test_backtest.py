"""Backtests: the difference is due to the settings, the bounds hold, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.app.estate import START, batches
from tests.app.intake import FailingStore

from stormpetrel.app import backtest as desks
from stormpetrel.app.backtest import BacktestDesk, changed_config, tunables
from stormpetrel.app.backtest_compare import as_json, from_json, matched, weeks
from stormpetrel.app.config import Config
from stormpetrel.app.replay import ReplayReport
from stormpetrel.errors import ConfigError, NotFoundError, OverloadedError, StateError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.backtest import ToldIncident
from stormpetrel.model.job import JobState
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.control import ControlStore
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS
from stormpetrel.testing.clock import FakeClock

MINUTE = from_seconds(60)
WINDOW = Window(START, START + 120 * MINUTE)
STRICT = {"detect.p_open": 1e-12, "detect.p_close": 1e-11}


@pytest.fixture(scope="module")
def story() -> tuple[SeriesRegistry, list[MetricBatch]]:
    registry = SeriesRegistry()
    fault = FAULTS["cpu-hog"](START + 90 * MINUTE, 600.0, 1.0)
    return registry, [metrics for metrics, _ in batches(Estate(3, START, 5.0, (fault,)), registry, 2.0)]


@pytest.fixture
def desk(
    story: tuple[SeriesRegistry, list[MetricBatch]], failing: FailingStore, control: ControlStore
) -> Iterator[BacktestDesk]:
    registry, metrics = story
    failing.insert_samples(MetricBatch.concat(metrics), "story")
    one = BacktestDesk(Config(), failing, control, registry, FakeClock(WINDOW.end_unix_nano))
    yield one
    one.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_replays_side_by_side(desk: BacktestDesk, control: ControlStore) -> None:
    job = desk.submit(WINDOW, STRICT, "ann")
    assert job.state is JobState.QUEUED
    assert job.today_settings == {"detect.p_open": 7e-3, "detect.p_close": 0.011}
    until(lambda: not desk.job(job.backtest_id).open)
    done = desk.job(job.backtest_id)
    assert (done.state, done.error, done.progress_ratio) == (JobState.DONE, "", 1.0)
    assert done.samples > 10_000
    assert len(done.today) >= 1, "the busy processor"
    assert len(done.changed) <= len(done.today)
    assert sum(week.today for week in done.weeks) == len(done.today)
    same = desk.submit(WINDOW, {}, "ann")
    until(lambda: not desk.job(same.backtest_id).open)
    both = desk.job(same.backtest_id)
    assert [one.other for one in both.today] == [one.incident_id for one in both.today]
    until(lambda: [from_json(one) for one in control.list_backtests()] == desk.jobs())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"server.port": 1.0}, "cannot change 'server.port'"),
        ({"detect.p_open": 7.0}, "detect.p_open"),
        ({"detect.hold_samples": 2.5}, "detect.hold_samples"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(
    desk: BacktestDesk, settings: dict[str, float], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        desk.submit(WINDOW, settings, "ann")
    assert desk.jobs() == []


def test_the_range_is_bounded_in_time_and_in_samples(
    desk: BacktestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = Window(WINDOW.end_unix_nano - from_seconds(32 * 86_400), WINDOW.end_unix_nano)
    with pytest.raises(ConfigError, match="longer than 31 days"):
        desk.submit(month, {}, "ann")
    monkeypatch.setattr(desks, "MAX_SAMPLES", 1000)
    with pytest.raises(ConfigError, match="a backtest takes 1,000"):
        desk.submit(WINDOW, {}, "ann")


class Held:
    """A replay that waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.runs = threading.Event(), 0
        monkeypatch.setattr(desks, "replay_store", self.replay)

    def replay(self, *given: object) -> ReplayReport:
        self.runs += 1
        tell = given[4]
        assert callable(tell)
        while not self.go.wait(0.01):
            tell(0.5)
        return ReplayReport(WINDOW)


def test_one_runs_some_wait_the_rest_is_refused_and_all_can_be_cancelled(
    desk: BacktestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    jobs = [desk.submit(WINDOW, {"detect.p_open": 1e-3 / n}, "ann") for n in range(1, 5)]
    with pytest.raises(OverloadedError, match="wait already"):
        desk.submit(WINDOW, {"detect.p_open": 1e-9}, "ann")
    until(lambda: sum(one.state is JobState.RUNNING for one in desk.jobs()) == 1)
    running = next(one for one in desk.jobs() if one.state is JobState.RUNNING)
    until(lambda: desk.job(running.backtest_id).progress_ratio == 0.25)
    for job in jobs:
        if job.backtest_id != running.backtest_id:
            assert desk.cancel(job.backtest_id).state is JobState.CANCELLED
    desk.cancel(running.backtest_id)
    until(lambda: desk.job(running.backtest_id).state is JobState.CANCELLED)
    assert held.runs == 1
    with pytest.raises(StateError, match="cannot be cancelled"):
        desk.cancel(running.backtest_id)
    with pytest.raises(NotFoundError):
        desk.cancel("nothing")


def test_a_defect_fails_the_job_and_not_the_desk(desk: BacktestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> ReplayReport:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(desks, "replay_store", broken)
    job = desk.submit(WINDOW, {}, "ann")
    until(lambda: not desk.job(job.backtest_id).open)
    assert desk.job(job.backtest_id).error == "ZeroDivisionError: a defect"
    monkeypatch.undo()
    after = desk.submit(WINDOW, {"detect.hold_samples": 4.0}, "ann")
    until(lambda: not desk.job(after.backtest_id).open)
    assert desk.job(after.backtest_id).state is JobState.DONE


def test_what_ran_when_the_process_ended_says_so(
    desk: BacktestDesk,
    control: ControlStore,
    failing: FailingStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Held(monkeypatch)
    job = desk.submit(WINDOW, {}, "ann")
    until(lambda: desk.job(job.backtest_id).state is JobState.RUNNING)
    control.save_backtest(job.backtest_id, job.created_unix_nano, as_json(desk.job(job.backtest_id)))
    again = BacktestDesk(Config(), failing, control, SeriesRegistry(), FakeClock(0))
    assert again.job(job.backtest_id).state is JobState.FAILED
    assert "run it again" in again.job(job.backtest_id).error


def _over(desk: BacktestDesk, backtest_id: str) -> bool:
    return not desk.job(backtest_id).open


def test_only_the_last_are_kept(
    desk: BacktestDesk, control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "KEPT", 2)
    Held(monkeypatch).go.set()
    for n in range(1, 5):
        job = desk.submit(WINDOW, {"detect.p_open": 1e-3 / n}, "ann")
        until(partial(_over, desk, job.backtest_id))
    until(lambda: len(control.list_backtests()) == 2)
    assert len(desk.jobs()) == 2


def told(name: str, start: int, entities: tuple[str, ...] = ("host:a",)) -> ToldIncident:
    return ToldIncident(name, name, 2, entities, start * MINUTE, (start + 5) * MINUTE, 1)


def test_the_same_trouble_is_found_by_id_then_by_place_and_time_each_once() -> None:
    today = [told("a", 0), told("b", 100), told("c", 200)]
    changed = [told("x", 103), told("y", 104), told("a", 0), told("z", 201, ("host:b",))]
    one, two = matched(today, changed)
    assert [t.other for t in one] == ["a", "x", ""]
    assert [t.other for t in two] == ["b", "", "a", ""]
    assert matched([], changed)[1] == changed


def test_weeks_begin_on_mondays_and_none_is_left_out() -> None:
    monday = 1_699_833_600 * 10**9  # 2023-11-13
    day = from_seconds(86_400)
    window = Window(monday - day, monday + 15 * day)
    late = replace(told("a", 0), start_unix_nano=monday + 8 * day)
    counted = weeks(window, [late], [replace(late, paged=True)])
    assert [week.start_unix_nano for week in counted] == [monday + 7 * day * n for n in (-1, 0, 1, 2)]
    assert [week.today for week in counted] == [0, 0, 1, 0]
    assert [(week.today_pages, week.changed_pages) for week in counted][2] == (0, 1)


def test_every_tunable_can_be_given_back_as_it_is() -> None:
    config = Config()
    assert changed_config(config, {one.name: one.value for one in tunables(config)}) == config
    assert np.isfinite([one.value for one in tunables(config)]).all()
