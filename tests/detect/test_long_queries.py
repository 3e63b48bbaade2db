"""A transaction that outgrows what is usual is told; nightly reports and backups are not."""

from __future__ import annotations

import pytest
from tests.detect.ruled import T0, Ruled, info

from stormpetrel.detect.long_queries import METRIC, LongQueryWatch, looked_at
from stormpetrel.model.finding import FindingState, Severity

HOUR, DAY = 3600.0, 86_400.0
SERIES = info(0, METRIC, "instance:db-1:9187", datname="shop", state="active", usename="web")


def watch() -> Ruled:
    return Ruled([SERIES], LongQueryWatch)


def transaction(start: float, seconds: float, every: float = 60.0) -> list[tuple[int, float, float]]:
    """What the exporter says of one transaction, and that it is over."""
    steps = int(seconds / every)
    return [(0, start + k * every, k * every) for k in range(steps + 1)] + [(0, start + seconds + every, 0.0)]


def test_ten_minutes_where_none_was_long_before() -> None:
    opened, closed = watch().tell(*transaction(0, 900))
    assert (opened.title, opened.severity) == ("a transaction runs away", Severity.WARNING)
    assert opened.start_unix_nano == T0
    assert opened.evidence.observed == 600.0
    assert opened.attributes == {"datname": "shop", "state": "active", "usename": "web"}
    assert (closed.state, closed.finding_id) == (FindingState.CLOSED, opened.finding_id)
    assert "It ended after 900 s." in closed.why


def test_what_is_usual_is_told_once() -> None:
    made = watch()
    assert len(made.tell(*transaction(0, HOUR))) == 2
    for night in range(1, 5):
        assert made.tell(*transaction(night * DAY, HOUR)) == []
    assert len(made.tell(*transaction(5 * DAY, 2 * HOUR))) == 2


def test_short_ones_do_not_make_the_usual_shorter() -> None:
    made = watch()
    made.tell(*transaction(0, HOUR))
    made.tell(*transaction(2 * HOUR, 120), *transaction(3 * HOUR, 240))
    assert made.tell(*transaction(4 * HOUR, HOUR)) == []


def test_the_usual_fades() -> None:
    made = watch()
    made.tell(*transaction(0, HOUR))
    assert len(made.tell(*transaction(30 * DAY, HOUR))) == 2


def test_silence_is_unknown() -> None:
    made = watch()
    made.tell(*transaction(0, 900)[:-1])
    assert made.wait(900 + 300) == []
    (closed,) = made.wait(900 + 301)
    assert closed.why.endswith("unknown.")


@pytest.mark.parametrize(
    ("labels", "looked"),
    [
        ({"state": "active"}, True),
        ({}, True),
        ({"state": "idle in transaction"}, True),
        ({"state": "idle"}, False),
        ({"state": "fastpath function call"}, False),
        ({"state": "active", "application_name": "pg_dump"}, False),
        ({"state": "active", "usename": "replicator"}, False),
    ],
)
def test_of_whom_nobody_waits_is_not_looked_at(labels: dict[str, str], looked: bool) -> None:
    assert looked_at(info(0, METRIC, "service:db", **labels)) is looked
