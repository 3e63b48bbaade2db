"""The alarm policy: when a finding opens, worsens and closes, what it says, and that unknown is not well."""

from itertools import pairwise
from typing import cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.detect import gate
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.detect.policy import AlarmOptions, AlarmPolicy
from stormpetrel.model.finding import Finding, FindingState, Scores, Severity, unheard_since
from stormpetrel.model.signal import MetricKind, SeriesInfo
from stormpetrel.testing.check_detector import admitted

STEP = 5_000_000_000
FIRST = 10  # tick 1 of a test is this many steps later
DAY = 86_400 * 1_000_000_000
BANK = RobustBank()


def describe(series: int) -> SeriesInfo:
    return SeriesInfo(
        series, "disk_read_bytes_total", (("n", str(series)),), "host:a", "host", MetricKind.COUNTER, "By"
    )


def policy(**settings: float) -> AlarmPolicy:
    base = {"p_open": 1e-6, "p_close": 1e-3, "false_per_day": 1e9, "at_once_share": 1e-6}
    judge = AlarmPolicy(BANK, describe, **cast("AlarmOptions", {**base, **settings}))
    feed(judge, [0.5, 0.5], start=-1)  # the interval must be known before anything opens
    return judge


def scores(p: list[float]) -> Scores:
    n = len(p)
    ones = np.ones(n)
    band = (3 * 2.0**20 * ones, 2.0**20 * ones, 0 * ones, 2.0**21 * ones)
    return Scores(ones, *band, np.zeros(n, np.uint8), ones, np.array(p))


def feed(judge: AlarmPolicy, p: list[float], start: int = 1, series: int = 0) -> list[Finding]:
    """One sample each five seconds from tick `start` on."""
    times = np.arange(start + FIRST, start + FIRST + len(p), dtype=np.int64) * STEP
    rows = admitted(np.full(len(p), series), times, np.ones(len(p)))
    return judge.update(rows, scores(p), int(times[-1]))


def states(changes: list[Finding]) -> list[str]:
    return [change.state.value for change in changes]


def test_opens_after_hold_and_starts_at_the_first_strange_sample() -> None:
    changes = feed(policy(), [0.5, 1e-7, 1e-7, 0.5, 1e-7, 1e-7, 1e-7])
    assert states(changes) == ["open"]
    assert changes[0].start_unix_nano == (FIRST + 5) * STEP
    assert changes[0].severity is Severity.WARNING


def test_one_extreme_sample_opens_at_once() -> None:
    assert states(feed(policy(), [0.5, 1e-13])) == ["open"]
    assert states(feed(policy(), [0.5, 1e-11])) == []


def test_closes_only_after_it_has_been_seen_recovered() -> None:
    judge = policy(close_seconds=60.0)
    feed(judge, [1e-7] * 3)
    assert feed(judge, [0.5] * 12, start=4) == []
    changes = feed(judge, [0.5], start=16)
    assert states(changes) == ["closed"]
    assert changes[0].end_unix_nano == (FIRST + 3) * STEP


def test_hysteresis_keeps_it_open() -> None:
    judge = policy(close_seconds=20.0)
    feed(judge, [1e-7] * 3)
    assert feed(judge, [5e-4, 0.5, 0.5] * 20, start=4) == []
    assert len(judge.open_findings) == 1


def test_unknown_is_not_recovered() -> None:
    judge = policy(close_seconds=20.0)
    feed(judge, [1e-7] * 3)
    assert feed(judge, [float("nan")] * 100, start=4) == []
    assert feed(judge, [0.5], start=400) == [], "the first sample after a silence proves nothing"
    assert states(feed(judge, [0.5] * 5, start=401)) == ["closed"]


def test_a_silent_series_is_closed_as_unknown_after_a_day() -> None:
    judge = policy()
    (opened,) = feed(judge, [1e-7] * 3)
    assert judge.advance(DAY) == []
    (closed,) = judge.advance(DAY + (FIRST + 4) * STEP)
    assert closed.state is FindingState.CLOSED
    assert closed.finding_id == opened.finding_id
    assert "No data since 1970-01-01T00:01:05" in closed.why
    assert unheard_since(closed) == (FIRST + 3) * STEP
    assert judge.advance(2 * DAY) == []
    assert judge.open_findings == []


def test_refractory_time() -> None:
    judge = policy(close_seconds=10.0, refractory_seconds=100.0)
    feed(judge, [1e-7] * 3)
    assert states(feed(judge, [0.5] * 4, start=4)) == ["closed"]
    assert feed(judge, [1e-7] * 5, start=8) == []
    assert states(feed(judge, [1e-7] * 5, start=30)) == ["open"]


def test_severe_and_long_becomes_an_error_once() -> None:
    changes = feed(policy(), [1e-13] * 40)
    assert [c.severity for c in changes] == [Severity.WARNING, Severity.ERROR]
    assert len({c.finding_id for c in changes}) == 1


def test_threshold_takes_account_of_series_and_interval() -> None:
    few, many = policy(false_per_day=0.1), policy(false_per_day=0.1)
    for judge, count in ((few, 1), (many, 1000)):
        for tick in range(1, 30):
            rows = admitted(np.arange(count), np.full(count, (FIRST + tick) * STEP), np.ones(count))
            judge.update(rows, scores([0.5] * count), (FIRST + tick) * STEP)
    assert few.threshold == 1e-6
    assert np.isclose(many.threshold, 0.1 * 5 / 86400 / 1000)
    assert feed(many, [1e-7] * 5, start=30) == []
    assert states(feed(few, [1e-7] * 5, start=30)) == ["open"]


def test_a_finding_speaks_plainly() -> None:
    (finding,) = feed(policy(), [0.5, 0.5, 1e-7, 1e-7, 1e-7])
    assert finding.title == "disk read bytes rate far above its usual range"
    assert "is 3 MiB/s, above the expected 1 MiB/s (usual range 0 B/s to 2 MiB/s)" in finding.why
    assert "about once in 579 days at this interval" in finding.why
    assert finding.evidence.query == 'disk_read_bytes_total{n="0"}'
    assert finding.evidence.p_value == 1e-7


def test_ids_are_the_same_in_a_replay_and_differ_by_start() -> None:
    one, two = feed(policy(), [1e-7] * 3), feed(policy(), [1e-7] * 3)
    later = feed(policy(), [1e-7] * 3, start=50)
    assert one[0].finding_id == two[0].finding_id != later[0].finding_id


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from([0.5, 2e-4, 1e-7, 1e-13, float("nan")]), min_size=1, max_size=120),
    st.integers(1, 40),
)
def test_batch_cuts_do_not_matter_and_states_alternate(p: list[float], cut: int) -> None:
    whole = feed(policy(close_seconds=15.0, refractory_seconds=30.0), p)
    judge, parts = policy(close_seconds=15.0, refractory_seconds=30.0), []
    for start in range(0, len(p), cut):
        parts += feed(judge, p[start : start + cut], start=start + 1)
    assert parts == whole
    turns = [c.state for c in whole if c.severity is not Severity.ERROR or c.state is FindingState.CLOSED]
    assert all(a is not b for a, b in pairwise(turns))


def test_an_idle_host_for_an_hour_says_nothing() -> None:
    """500 series of ordinary noise at five seconds, an hour, with the default settings."""
    rng = np.random.default_rng(11)
    count, ticks = 500, 720
    bank = RobustBank()
    judge = AlarmPolicy(bank, describe)
    ids = np.arange(count)
    level = rng.lognormal(0, 2, count)
    walk = np.zeros(count)
    found: list[Finding] = []
    for tick in range(1, ticks + 1):
        walk = 0.95 * walk + rng.normal(0, 1, count)
        x = level * np.select(
            [ids % 5 == 0, ids % 5 == 1, ids % 5 == 2, ids % 5 == 3],
            [1 + 0.01 * walk, np.exp(0.3 * rng.normal(0, 1, count)), rng.poisson(3, count), np.ones(count)],
            default=(rng.random(count) < 0.02) * rng.lognormal(0, 1, count),
        )
        rows = admitted(ids, np.full(count, tick * STEP), x)
        found += judge.update(rows, bank.update(rows), tick * STEP)
    assert [f.why for f in found if f.severity >= Severity.WARNING] == []
    assert judge.bytes_per_series == 8 * gate.FIELDS
