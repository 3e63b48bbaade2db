"""Counts by source: states, rates and bounds."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tests.app.intake import T0

from stormpetrel.app.source_health import SourceHealth
from stormpetrel.app.tally import MAX_SOURCES, SourceTally
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.quality import Quality
from stormpetrel.model.time import from_seconds
from stormpetrel.model.view import SourceView


def view(tally: SourceTally, seconds: float, name: str = "a") -> SourceView:
    return next(v for v in tally.views(T0 + from_seconds(seconds)) if v.name == name)


def speak(tally: SourceTally, seconds: float, rows: int = 10, name: str = "a") -> None:
    now = T0 + from_seconds(seconds)
    tally.stored(name, rows, now, now - from_seconds(2))


def test_a_source_waits_speaks_falls_quiet_and_speaks_again() -> None:
    tally = SourceTally()
    tally.expect("a", "scrape")
    assert view(tally, 0).state == "waiting"
    for n in range(20):
        speak(tally, 30.0 * n)
    last = 30.0 * 19
    assert view(tally, last).state == "healthy"
    assert view(tally, last + 89).state == "healthy"
    assert view(tally, last + 91).state == "quiet", "three times its usual interval"
    assert view(tally, last + 91).rows_per_second == 0.0
    speak(tally, last + 200)
    assert view(tally, last + 200).state == "healthy"
    assert view(tally, last + 200).rows_total == 210
    assert view(tally, last).lag_seconds == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["file", "journald"])
def test_a_log_that_says_nothing_is_not_quiet(kind: str) -> None:
    tally = SourceTally()
    tally.expect("a", kind)
    speak(tally, 0)
    assert view(tally, 86_400).state == "healthy"


def test_a_refused_source_is_failing_until_it_is_taken_again() -> None:
    tally = SourceTally()
    speak(tally, 0)
    tally.rejected("a", "store_full", 3, "no room" * 100)
    assert view(tally, 1).state == "failing"
    assert view(tally, 1).rejected_total == 3
    assert view(tally, 1).last_error.startswith("store_full: no room")
    assert len(view(tally, 1).last_error) <= 300
    speak(tally, 2)
    assert view(tally, 2).state == "healthy"
    assert tally.rejections() == [("a", "store_full", 3)]


@pytest.mark.parametrize("reason", ["not_a_change", "text_field"])
def test_what_is_passed_over_is_no_failure(reason: str) -> None:
    """A hook that sends everything that happens, as hooks do, is as healthy as before."""
    health = SourceHealth(SeriesRegistry())
    tally = SourceTally(health)
    tally.rejected("b", reason, 1, "action 'opened'")
    assert view(tally, 1, "b").state == "waiting"
    speak(tally, 0)
    tally.rejected("a", reason, 1, "action 'opened'")
    found = view(tally, 1)
    assert (found.state, found.last_error, found.rejected_total) == ("healthy", "", 1)
    assert health.report(found, T0).quality_ratio == 1.0
    assert tally.rejections() == [("a", reason, 1), ("b", reason, 1)]


def test_the_rate_is_that_of_the_last_minute() -> None:
    tally = SourceTally()
    for second in range(121):
        speak(tally, second, rows=10)
    assert view(tally, 120).rows_per_second == pytest.approx(10.0)
    for second in range(121, 242):
        speak(tally, second, rows=1000)
    assert view(tally, 241).rows_per_second == pytest.approx(1000.0)


def test_the_first_minute_has_a_rate_too() -> None:
    tally = SourceTally()
    for second in range(11):
        speak(tally, second, rows=10)
    assert view(tally, 10).rows_per_second == pytest.approx(11.0)


def test_batches_that_come_together_are_one_beat() -> None:
    tally = SourceTally()
    for n in range(20):
        for _ in range(10):
            speak(tally, 60.0 * n, rows=1)
    last = 60.0 * 19
    assert view(tally, last).usual_seconds == pytest.approx(60.0)
    assert view(tally, last + 100).state == "healthy", "it speaks once a minute"
    assert view(tally, last + 30).rows_per_second == pytest.approx(10 / 60)


def test_an_outage_teaches_no_interval_and_no_rate() -> None:
    tally = SourceTally()
    for second in range(120):
        speak(tally, second, rows=100)
    for second in range(7200, 7230):
        speak(tally, second, rows=100)
    assert view(tally, 7229).rows_per_second == pytest.approx(100.0, rel=0.05)
    assert view(tally, 7229).usual_seconds < 2
    assert view(tally, 7260).state == "quiet"


def test_a_clock_that_goes_back_does_not_hold_up_the_rate() -> None:
    tally = SourceTally()
    for second in range(100):
        speak(tally, 100_000 + second, rows=1)
    for second in range(100):
        speak(tally, second, rows=50)
    assert view(tally, 99).rows_per_second == pytest.approx(50.0, rel=0.05)


def test_what_found_no_room_is_told_apart_from_what_was_refused() -> None:
    tally = SourceTally()
    speak(tally, 0)
    tally.overloaded("a", 7, "the queue is full")
    assert (view(tally, 1).state, view(tally, 1).rejected_total) == ("failing", 0)
    assert view(tally, 1).last_error == "overloaded: the queue is full"
    assert (tally.overloads(), tally.rejections()) == ([("a", 7)], [])
    speak(tally, 2)
    assert view(tally, 2).state == "healthy"


def test_names_from_outside_are_bounded() -> None:
    tally = SourceTally()
    for n in range(MAX_SOURCES + 100):
        tally.rejected(f"s{n:04}", "malformed", 1, "")
        tally.judged(f"s{n:04}", np.eye(len(Quality), dtype=np.int64)[Quality.GOOD], T0, "")
    views = tally.views(T0)
    assert len(views) == MAX_SOURCES + 1
    assert next(v for v in views if v.name == "other").rejected_total == 100
    assert sum(count.count for count in tally.quality_counts()) == MAX_SOURCES + 100


def test_verdicts_are_counted_with_the_last_example() -> None:
    tally = SourceTally()
    for n, example in enumerate(("x{a}", "x{b}")):
        counts = np.zeros(len(Quality), np.int64)
        counts[[Quality.GOOD, Quality.FUTURE]] = (5, 1)
        tally.judged("a", counts, T0 + n, example)
    good, future = tally.quality_counts()
    assert (good.verdict, good.count, good.example) == (Quality.GOOD, 10, "")
    assert (future.verdict, future.count, future.last_unix_nano) == (Quality.FUTURE, 2, T0 + 1)
    assert future.example == "x{b}"


def test_counting_from_many_threads_loses_nothing() -> None:
    tally = SourceTally()

    def count() -> None:
        for _ in range(500):
            speak(tally, 0, rows=1)
            tally.rejected("a", "malformed", 1, "")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (view(tally, 0).rows_total, view(tally, 0).rejected_total) == (2000, 2000)


def test_what_is_said_of_a_refusal_is_cleaned_before_it_is_cut() -> None:
    tally = SourceTally(clean=lambda text: text.replace("hunter2" * 60, "[secret]"))
    tally.rejected("a", "malformed", 1, "password=" + "hunter2" * 60)
    assert view(tally, 0).last_error == "malformed: password=[secret]"


def test_who_spoke_once_and_who_speaks_only_when_something_happens_is_never_quiet() -> None:
    tally = SourceTally()
    speak(tally, 0, name="cron/influx")
    for n in range(20):
        speak(tally, 5.0 * n, name="ci/github")
        speak(tally, 5.0 * n, name="ci/influx")
    states = {v.name: v.state for v in tally.views(T0 + from_seconds(4000))}
    assert states == {"cron/influx": "healthy", "ci/github": "healthy", "ci/influx": "quiet"}


def test_a_source_that_died_is_missed_after_a_restart() -> None:
    tally = SourceTally()
    tally.expect("a", "scrape")
    for n in range(20):
        speak(tally, 30.0 * n)
    tally.expect("never", "scrape")
    again = SourceTally()
    again.recall(tally.remembered(), T0 + from_seconds(700))
    assert [one.name for one in again.views(T0 + from_seconds(700))] == ["a"]
    found = view(again, 700)
    assert (found.state, found.kind, found.rows_total) == ("quiet", "scrape", 0)
    assert found.usual_seconds == pytest.approx(30.0)
    speak(again, 710)
    assert view(again, 710).state == "healthy"
    later = SourceTally()
    later.recall(tally.remembered(), T0 + from_seconds(8 * 86_400))
    assert later.views(T0) == []
