"""A file system of logs that fills faster than ever is told before it is full."""

from __future__ import annotations

import pytest
from tests.detect.ruled import Row, Ruled, info

from stormpetrel.detect.growing_log import METRIC, GrowingLogWatch, for_logs
from stormpetrel.model.finding import FindingState, Severity

HOUR, DAY = 3600.0, 86_400.0
LOGS = info(0, METRIC, "host:a/filesystem:/var/log", mountpoint="/var/log")
HOME = info(1, METRIC, "host:a/filesystem:/home", mountpoint="/home")


def watch() -> Ruled:
    return Ruled([LOGS, HOME], GrowingLogWatch)


def filling(start: float, seconds: float, used: float, per_hour: float, series: int = 0) -> list[Row]:
    """Used share from `used` on, by so much an hour, told every quarter of a minute."""
    steps = int(seconds / 15)
    return [(series, start + 15 * k, used + per_hour * 15 * k / HOUR) for k in range(steps)]


def test_a_burst_is_told_and_closed_when_it_is_over() -> None:
    made = watch()
    assert made.tell(*filling(0, 2 * HOUR, 0.30, 0.006)) == []
    (opened,) = made.tell(*filling(2 * HOUR, HOUR, 0.312, 0.3))
    assert (opened.entity, opened.title) == ("host:a/filesystem:/var/log", "its logs fill the disk")
    assert opened.severity is Severity.WARNING
    assert "hours at that pace" in opened.why
    assert opened.evidence.high < opened.evidence.observed
    (closed,) = made.tell(*filling(3 * HOUR, HOUR, 0.612, 0.006))
    assert (closed.state, closed.finding_id) == (FindingState.CLOSED, opened.finding_id)
    assert "no faster than usual" in closed.why


def test_one_that_is_full_within_the_hour_is_an_error() -> None:
    made = watch()
    made.tell(*filling(0, 2 * HOUR, 0.30, 0.006))
    found = made.tell(*filling(2 * HOUR, 0.5 * HOUR, 0.35, 1.2))
    assert found[-1].severity is Severity.ERROR


def test_rotation_closes_it() -> None:
    made = watch()
    made.tell(*filling(0, HOUR, 0.30, 0.006), *filling(HOUR, HOUR, 0.306, 0.3))
    (closed,) = made.tell((0, 2 * HOUR + 60, 0.1))
    assert closed.why.endswith("It was emptied to 10%.")


def test_what_comes_every_night_is_told_once() -> None:
    made, told = watch(), 0
    for night in range(4):
        start = night * DAY
        rows = filling(start, 20 * HOUR, 0.1, 0.002)[::4] + filling(start + 20 * HOUR, HOUR, 0.14, 0.2)
        told += len(made.tell(*rows, *filling(start + 21 * HOUR, 2.9 * HOUR, 0.34, 0.002)[::4]))
    assert told == 2, "opened and closed, the first night"


@pytest.mark.parametrize("per_hour", [0.0, 0.005, 0.3])
def test_a_pace_that_was_always_so_is_usual(per_hour: float) -> None:
    assert watch().tell(*filling(0, 2 * HOUR, 0.1, per_hour)) == []


def test_one_that_takes_weeks_to_fill_is_no_haste() -> None:
    made = watch()
    made.tell(*filling(0, HOUR, 0.1, 0.0))
    assert made.tell(*filling(HOUR, HOUR, 0.1, 0.03)) == []


def test_silence_is_unknown() -> None:
    made = watch()
    made.tell(*filling(0, HOUR, 0.30, 0.006), *filling(HOUR, HOUR, 0.306, 0.3))
    assert made.wait(2 * HOUR + 500) == []
    (closed,) = made.wait(2 * HOUR + 700)
    assert closed.why.endswith("unknown.")


def test_other_file_systems_are_not_looked_at() -> None:
    made = watch()
    rows = filling(0, 2 * HOUR, 0.30, 0.006, series=1) + filling(2 * HOUR, HOUR, 0.312, 0.3, series=1)
    assert made.tell(*rows) == []
    assert for_logs(info(0, METRIC, mountpoint="/srv/logs"))
    assert for_logs(info(0, METRIC, mountpoint="/data/log/app"))
    assert not for_logs(info(0, METRIC, mountpoint="/blog"))
    assert not for_logs(info(0, METRIC, mountpoint="/var/login"))
