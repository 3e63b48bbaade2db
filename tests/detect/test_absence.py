"""Silence is told once per entity and source, at the lowest rank, and ends when data comes back."""

import numpy as np
import pytest

from stormpetrel.detect.absence import AbsenceWatch
from stormpetrel.model.finding import Finding, FindingState, Severity, unheard_since
from stormpetrel.model.signal import SeriesInfo

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def describe(series: int) -> SeriesInfo:
    return SeriesInfo(series, f"m{series}", (), f"host:{'ab'[series % 2]}", "scrape:node")


def look(watch: AbsenceWatch, now: float, ages: list[float], interval: float = 5.0) -> list[Finding]:
    """Advance at T0 + now; `ages`: seconds since each series' newest sample."""
    times = np.array([T0 + int((now - age) * SECOND) for age in ages], np.int64)
    return watch.advance(T0 + int(now * SECOND), times, np.full(len(ages), interval))


def test_three_hundred_series_of_a_host_are_one_finding() -> None:
    watch = AbsenceWatch(describe)
    ages = [100.0 if series % 2 == 0 else 1.0 for series in range(600)]
    (finding,) = look(watch, 1000.0, ages)
    assert finding.severity is Severity.INFO
    assert finding.entity == "host:a"
    assert finding.title == "no data from scrape:node"
    assert finding.why.startswith("300 series such as m0 from scrape:node gave no usable value since ")
    assert "every 5 seconds" in finding.why
    assert finding.start_unix_nano == T0 + 900 * SECOND
    assert look(watch, 1005.0, [a + 5 if a > 50 else a for a in ages]) == [], "told once"


def test_one_second_is_said_without_an_article() -> None:
    (finding,) = look(AbsenceWatch(describe), 1000.0, [100.0], interval=1.0)
    assert finding.why.endswith("; usually one comes every second. The state is unknown.")


def test_it_closes_when_all_speak_again() -> None:
    watch = AbsenceWatch(describe)
    (opened,) = look(watch, 1000.0, [100.0, 1.0, 100.0])
    (fewer,) = look(watch, 1010.0, [110.0, 1.0, 2.0])
    assert fewer.finding_id == opened.finding_id
    assert fewer.state is FindingState.OPEN
    (closed,) = look(watch, 1020.0, [1.0, 1.0, 1.0])
    assert (closed.finding_id, closed.state) == (opened.finding_id, FindingState.CLOSED)
    assert "Data came again" in closed.why


def test_what_never_comes_back_is_forgotten() -> None:
    watch = AbsenceWatch(describe, forget_seconds=3600.0)
    look(watch, 5000.0, [100.0, 1.0])
    (closed,) = look(watch, 9000.0, [4100.0, 1.0])
    assert closed.state is FindingState.CLOSED
    assert "no longer expected" in closed.why
    assert unheard_since(closed) == T0 + 4900 * SECOND
    assert look(watch, 9005.0, [4105.0, 1.0]) == []


@pytest.mark.parametrize(
    ("age", "interval", "told"),
    [(24.0, 5.0, False), (31.0, 5.0, True), (29.0, 1.0, False), (299.0, 60.0, False), (301.0, 60.0, True)],
)
def test_bounds(age: float, interval: float, told: bool) -> None:
    assert bool(look(AbsenceWatch(describe), 1000.0, [age], interval)) is told


def test_unknown_intervals_and_series_without_samples_are_left_alone() -> None:
    watch = AbsenceWatch(describe)
    times = np.array([0, T0], np.int64)
    assert watch.advance(T0 + 999 * SECOND, times, np.array([5.0, np.nan])) == []


def test_the_number_of_groups_is_bounded() -> None:
    watch = AbsenceWatch(lambda s: SeriesInfo(s, "m", (), f"host:{s}", "x"), max_groups=3)
    assert len(look(watch, 1000.0, [100.0] * 10)) == 3
