"""A service with a replica more than its load needs is told, and only where that is known."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from tests.detect.ruled import Row, Ruled, info

from stormpetrel.correlate.strength import strength_of
from stormpetrel.detect.idle import IdleWatch
from stormpetrel.model.finding import Finding, FindingState, unheard_since

COUNT, RATE, CPU_A, CPU_B = range(4)
INFOS = (
    info(COUNT, "service_replicas", actuator="units"),
    info(RATE, "service_requests_rate"),
    info(CPU_A, "process_cpu_seconds_total", instance="a"),
    info(CPU_B, "process_cpu_seconds_total", "service:shop/pod:b", instance="b"),
)


def watch() -> Ruled:
    return Ruled(INFOS, lambda describe: IdleWatch(describe, idle_seconds=60.0))


def lasting(start: float, seconds: float, replicas: float, rate: float, cpu: float = -1.0) -> list[Row]:
    """So many seconds of this, told every two; CPU of both instances together, as the requests if unsaid."""
    cpu = rate / 100 if cpu < 0 else cpu
    return [
        row
        for k in range(int(seconds / 2))
        for row in (
            (RATE, start + 2 * k, rate),
            (CPU_A, start + 2 * k, cpu / 2),
            (CPU_B, start + 2 * k, cpu / 2),
            (COUNT, start + 2 * k, replicas),
        )
    ]


def opened(changes: list[Finding]) -> list[Finding]:
    return [one for one in changes if one.state is FindingState.OPEN]


def test_it_is_told_after_a_surge_by_each_measure_and_closed_when_one_is_gone() -> None:
    made = watch()
    assert made.tell(*lasting(0, 60, 2, 20), *lasting(60, 60, 2, 100), *lasting(120, 60, 4, 100)) == []
    found = made.tell(*lasting(180, 90, 4, 20))
    assert {one.evidence.query.partition("{")[0] for one in found} == {
        "service_requests_rate",
        "process_cpu_seconds_total",
    }
    assert {one.entity for one in found} == {"service:shop"}
    assert {one.title for one in found} == {"has a replica more than its load needs"}
    assert strength_of(found, found[0].end_unix_nano + 10**13).value < 3.0, "nobody is ever woken for it"
    first = found[0]
    assert "20 requests a second over 4 replicas, 5 each; one fewer would carry 6.67 each" in first.why
    closed = made.tell((COUNT, 271, 3))
    assert {one.state for one in closed} == {FindingState.CLOSED}
    assert len(closed) == 2
    assert all("There are 3 replicas now." in one.why for one in closed)
    again = made.tell(*lasting(273, 50, 3, 20))
    assert again == [], "it has to last anew"
    assert len(opened(made.tell(*lasting(323, 40, 3, 20)))) == 2


def test_load_that_comes_back_closes_it() -> None:
    made = watch()
    made.tell(*lasting(0, 60, 2, 100), *lasting(60, 120, 4, 20))
    closed = made.tell(*lasting(180, 20, 4, 150))
    assert [one.state for one in closed] == [FindingState.CLOSED] * 2
    assert "It needs them again." in closed[0].why


def test_what_never_carried_more_is_not_told() -> None:
    assert watch().tell(*lasting(0, 600, 4, 20)) == [], "nobody has seen what one of them can bear"


def test_one_measure_that_is_busy_speaks_for_all() -> None:
    made = watch()
    made.tell(*lasting(0, 60, 2, 100))
    assert made.tell(*lasting(60, 200, 4, 20, cpu=3.0)) == [], "few requests, and each costs much"


def test_the_last_one_is_needed() -> None:
    made = watch()
    made.tell(*lasting(0, 60, 1, 100))
    assert made.tell(*lasting(60, 200, 1, 1)) == []


def test_a_measure_that_falls_silent_is_unknown() -> None:
    made = watch()
    made.tell(*lasting(0, 60, 2, 100), *lasting(60, 120, 4, 20))
    quiet = [row for row in lasting(180, 60, 4, 20) if row[0] != RATE]
    closed = made.tell(*quiet)
    assert len(closed) == 2
    assert all(one.why.endswith("unknown.") and unheard_since(one) for one in closed)
    made.tell(*lasting(240, 120, 4, 20))
    assert len(made.wait(500)) == 2, "and so is how many there are"


def test_a_service_without_replicas_is_not_looked_at() -> None:
    made = Ruled(INFOS[1:], lambda describe: IdleWatch(describe, idle_seconds=60.0))
    assert made.tell(*[row for row in lasting(0, 300, 4, 20) if row[0] != COUNT]) == []


def test_loads_may_be_known_before_their_service_scales() -> None:
    rule = IdleWatch(lambda series: INFOS[series], idle_seconds=60.0)
    made = Ruled(INFOS, lambda _: rule)
    late = IdleWatch(lambda series: INFOS[series], idle_seconds=60.0)
    late.meet(INFOS[1:])
    late.meet(INFOS[:1])
    rows = [*lasting(0, 60, 2, 100), *lasting(60, 90, 4, 20)]
    other = Ruled((), lambda _: late)
    assert made.tell(*rows) == other.tell(*rows) != []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([COUNT, RATE, CPU_A]), st.floats(0, 1e4) | st.just(math.nan), st.integers(0, 9)
        ),
        max_size=80,
    )
)
def test_openings_and_closings_take_turns_and_batches_do_not_matter(
    steps: list[tuple[int, float, int]],
) -> None:
    rows, now = [], 0.0
    for series, value, passed in steps:
        now += passed
        rows.append((series, now, value))
    one_by_one = watch().tell(*rows)
    assert watch().at_once(rows) == one_by_one
    standing: set[str] = set()
    for change in one_by_one:
        assert (change.finding_id in standing) is (change.state is FindingState.CLOSED)
        standing ^= {change.finding_id}
