"""The life of a rule's finding: opened once, followed, made worse, closed or unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.detect.ruled import admitted

from stormpetrel.detect.standing import Claim, Standing, Watchlist
from stormpetrel.model.finding import Evidence, FindingState, Severity, unheard_since

EVIDENCE = Evidence("metric", "m", 1, 5, 5, 1.0, 0.0, 0.0, 0.5, 1.0)
CLAIM = Claim("service:shop", "is odd", "It is odd.", Severity.WARNING, 5, EVIDENCE, (("a", "b"),))


def test_it_opens_once_and_closes_once() -> None:
    standing = Standing("odd")
    (opened,) = standing.hold("k", CLAIM, 7)
    assert (opened.detector, opened.head, opened.attributes) == ("odd", "odd", {"a": "b"})
    assert (opened.start_unix_nano, opened.end_unix_nano) == (5, 7)
    assert standing.hold("k", CLAIM, 9) == []
    (closed,) = standing.over("k", 11, "It is even.")
    assert unheard_since(closed) == 0
    assert (closed.finding_id, closed.state, closed.end_unix_nano) == (
        opened.finding_id,
        FindingState.CLOSED,
        11,
    )
    assert closed.why == "It is odd. It is even."
    assert standing.over("k", 12, "again") == []
    assert len(standing) == 0


def test_worse_is_told_and_better_is_not() -> None:
    standing = Standing("odd")
    standing.hold("k", CLAIM, 7)
    (worse,) = standing.hold("k", replace(CLAIM, severity=Severity.ERROR, title="is very odd"), 9)
    assert (worse.severity, worse.title, worse.start_unix_nano) == (Severity.ERROR, "is very odd", 5)
    assert standing.hold("k", CLAIM, 10) == []
    (closed,) = standing.over("k", 11, "Over.")
    assert closed.severity is Severity.ERROR


def test_unknown_ends_when_it_last_held() -> None:
    standing = Standing("odd")
    standing.hold("k", CLAIM, 7)
    standing.hold("k", CLAIM, 9)
    (closed,) = standing.unknown("k", "Nobody says")
    assert (closed.end_unix_nano, closed.why) == (9, "It is odd. Nobody says: unknown.")
    assert (closed.state, unheard_since(closed)) == (FindingState.CLOSED, 9)
    assert standing.unknown("k", "Nobody says") == []


def test_the_same_thing_has_the_same_name_again() -> None:
    one, other = Standing("odd"), Standing("odd")
    assert one.hold("k", CLAIM, 7)[0].finding_id == other.hold("k", CLAIM, 99)[0].finding_id
    named = replace(CLAIM, name="x")
    later = replace(named, since_unix_nano=50)
    (a,), (b,) = Standing("odd").hold("k", named, 7), Standing("odd").hold("k", later, 60)
    assert a.finding_id == b.finding_id
    assert a.finding_id != one.hold("other", CLAIM, 7)[0].finding_id


def test_a_watchlist_takes_what_there_is_room_for() -> None:
    watched = Watchlist(2)
    assert list(watched.add([3, 1, 2])) == [3, 1]
    assert len(watched) == 2
    rows = watched.rows(admitted([(1, 0, 5.0), (2, 0, 6.0), (3, 1, np.nan), (3, 2, 7.0)]))
    assert [(series, value) for series, _, value in rows] == [(1, 5.0), (3, 7.0)]
    assert Watchlist(2).rows(admitted([(1, 0, 5.0)])) == []
