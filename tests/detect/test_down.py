"""What says of itself that it does not serve is told after three times, and closed with the first 1."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.detect.down import DownWatch
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, SeriesInfo

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
INFOS = (
    SeriesInfo(0, "service_up", (("service", "shop"),), "service:shop", "targets"),
    SeriesInfo(1, "up", (("job", "shop"),), "job:shop", "scrape:shop"),
    SeriesInfo(2, "cpu", (), "host:a", "host"),
)


def admitted(rows: list[tuple[int, float, float]]) -> AdmittedMetrics:
    """(series, seconds, value)"""
    series = np.array([row[0] for row in rows], np.uint32)
    times = np.array([T0 + int(row[1] * SECOND) for row in rows], np.int64)
    values = np.array([row[2] for row in rows], np.float64)
    return AdmittedMetrics(MetricBatch(series, times, values), values, np.zeros(len(rows), np.bool_))


def watch() -> DownWatch:
    made = DownWatch(lambda series: INFOS[series])
    made.meet(INFOS)
    return made


def says(made: DownWatch, values: list[float], series: int = 0, start: float = 0.0) -> list[Finding]:
    return [
        change
        for place, value in enumerate(values)
        for change in made.update(admitted([(series, start + 2.0 * place, value)]))
    ]


def test_it_opens_with_the_third_zero_and_closes_with_the_first_one() -> None:
    opened, closed = says(watch(), [1, 1, 0, 0, 0, 0, 1, 1])
    assert (opened.entity, opened.title, opened.severity) == (
        "service:shop",
        "service down",
        Severity.ERROR,
    )
    assert opened.start_unix_nano == T0 + 4 * SECOND
    assert "3 times in a row; it was 1 before" in opened.why
    assert (closed.finding_id, closed.state) == (opened.finding_id, FindingState.CLOSED)
    assert "after 8 s" in closed.why


def test_a_scrape_says_what_it_is() -> None:
    (opened,) = says(watch(), [1, 0, 0, 0], series=1)
    assert (opened.entity, opened.title) == ("job:shop", "scrapes failing")


def test_one_or_two_lost_scrapes_are_nothing() -> None:
    assert says(watch(), [1, 0, 1, 0, 0, 1, 0, 0, 1]) == []


def test_three_zeros_within_a_second_are_nothing_yet() -> None:
    made = watch()
    rows = [(0, 0.0, 1.0), (0, 0.2, 0.0), (0, 0.4, 0.0), (0, 0.6, 0.0)]
    assert made.update(admitted(rows)) == []
    assert len(made.update(admitted([(0, 5.0, 0.0)]))) == 1


def test_what_never_served_has_not_fallen() -> None:
    assert says(watch(), [0, 0, 0, 0, 0]) == []


def test_other_series_are_not_looked_at() -> None:
    assert says(watch(), [1, 0, 0, 0, 0], series=2) == []


def test_maintenance_is_no_zero_and_no_one() -> None:
    nan = math.nan
    (opened,) = says(watch(), [1, 0, nan, 0, nan, 0])
    assert opened.end_unix_nano == T0 + 10 * SECOND
    assert says(watch(), [nan, 0, 0, 0]) == []


def test_old_and_repeated_samples_say_nothing() -> None:
    made = watch()
    says(made, [1, 0])
    assert made.update(admitted([(0, 2.0, 0.0), (0, 1.0, 0.0), (0, 2.0, 0.0)])) == []


def test_silence_while_down_is_unknown_and_not_healthy() -> None:
    made = watch()
    (opened,) = says(made, [1, 0, 0, 0])
    assert made.advance(T0 + 6 * SECOND + 300 * SECOND) == []
    (closed,) = made.advance(T0 + 7 * SECOND + 300 * SECOND)
    assert (closed.finding_id, closed.state) == (opened.finding_id, FindingState.CLOSED)
    assert closed.why.endswith("unknown.")
    assert says(made, [0, 0, 0, 0], start=400.0) == [], "whether it ever came back nobody knows"


@given(st.lists(st.sampled_from([0.0, 1.0, math.nan]), max_size=60))
def test_openings_and_closings_take_turns_and_batches_do_not_matter(values: list[float]) -> None:
    one_by_one = says(watch(), values)
    rows = [(0, 2.0 * place, value) for place, value in enumerate(values)]
    assert watch().update(admitted(rows)) == one_by_one
    states = [one.state for one in one_by_one]
    assert (
        states
        == [FindingState.OPEN, FindingState.CLOSED] * (len(states) // 2) + states[len(states) // 2 * 2 :]
    )
    assert states[len(states) // 2 * 2 :] in ([], [FindingState.OPEN])
