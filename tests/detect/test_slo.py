"""Objectives: windows as in a plain count, nothing concluded from little traffic, unknown is neither."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from stormpetrel.detect.slo import P_EVIDENCE, SloWatch, p_of
from stormpetrel.detect.slo_count import ERRORS, GOOD, MINUTE_NANOS, MINUTES, TOTAL, Sum, TrialCounts
from stormpetrel.detect.slo_objective import BURN_ALERTS, Objective
from stormpetrel.detect.slo_select import Selector
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind, SeriesInfo

T0 = 1_700_000_000_000_000_000 // MINUTE_NANOS
OBJECTIVE = Objective(
    "shop",
    0.999,
    30.0,
    {TOTAL: Selector.parse("requests_total"), ERRORS: Selector.parse('errors_total{job="shop"}')},
)
INFOS = [
    SeriesInfo(0, "requests_total", (), "service:shop", "t", MetricKind.COUNTER),
    SeriesInfo(1, "errors_total", (("job", "shop"),), "service:shop", "t", MetricKind.COUNTER),
    SeriesInfo(2, "errors_total", (("job", "other"),), "service:other", "t", MetricKind.COUNTER),
]


class Teller:
    """Counters that grow by so much a minute; None is a minute nobody spoke of."""

    def __init__(self, objective: Objective = OBJECTIVE) -> None:
        self.watch = SloWatch([objective])
        self.watch.see(INFOS)
        self.sums = np.zeros(3)
        self.minute = T0 - 1
        self.silent = True
        self.minutes(1, (0, 0))

    def minutes(self, count: int, grown: tuple[float, float] | None) -> list[Finding]:
        changes: list[Finding] = []
        for _ in range(count):
            self.minute += 1
            time = self.minute * MINUTE_NANOS
            if grown is not None:
                self.sums += (*grown, 1000.0)
                signal = np.full(3, math.nan if self.silent else 1.0)
                batch = MetricBatch(np.arange(3, dtype=np.uint32), np.full(3, time), self.sums.copy())
                self.watch.learn(AdmittedMetrics(batch, signal, np.full(3, self.silent)))
            self.silent = grown is None
            changes += self.watch.advance(time + 2 * MINUTE_NANOS)
        return changes


def states(changes: list[Finding]) -> list[tuple[str, str]]:
    """Openings and closings; what goes on is told every few minutes, with the same id."""
    told: dict[str, list[tuple[str, str]]] = {}
    found = []
    for change in changes:
        step = (change.head, change.state.value)
        if step not in told.setdefault(change.finding_id, []):
            told[change.finding_id].append(step)
            found.append(step)
    return found


def test_a_fast_burn_is_told_within_minutes_and_ends_when_it_is_seen_to_end() -> None:
    teller = Teller()
    assert teller.minutes(120, (600, 0)) == []
    told = teller.minutes(10, (600, 60))
    assert ("14.4x", "open") in states(told)
    first = told[0]
    assert first.severity is Severity.CRITICAL
    assert (first.attributes or {})["page"] == "yes"
    assert first.entity == "service:shop"
    assert "failed" in first.why
    ended = teller.minutes(60, (600, 0))
    assert ("14.4x", "closed") in states(ended)


def test_slow_burns_are_tickets() -> None:
    teller = Teller()
    told = [one for one in teller.minutes(3000, (600, 2)) if one.state is FindingState.OPEN]
    assert states(told) == [("3x", "open"), ("1x", "open")] or states(told) == [
        ("1x", "open"),
        ("3x", "open"),
    ]
    assert all((one.attributes or {})["page"] == "no" for one in told)


def test_a_burn_within_the_objective_is_nothing() -> None:
    assert Teller().minutes(2000, (1000, 0.5)) == []


def test_one_error_of_three_requests_does_not_page() -> None:
    teller = Teller()
    teller.minutes(30, (0, 0))
    assert teller.minutes(1, (3, 1)) == []
    assert teller.minutes(200, (0, 0)) == []


def test_few_errors_in_little_traffic_do_not_page_but_an_outage_of_it_does() -> None:
    quiet = Teller()
    for _ in range(4):
        assert quiet.minutes(29, (1, 0)) == []
        assert quiet.minutes(1, (1, 1)) == []
    assert ("14.4x", "open") in states(quiet.minutes(30, (1, 1)))


def test_unknown_neither_burns_nor_recovers() -> None:
    teller = Teller()
    teller.minutes(120, (600, 0))
    assert ("14.4x", "open") in states(teller.minutes(20, (600, 60)))
    silence = teller.minutes(400, None)
    assert all(one.state is FindingState.OPEN for one in silence)  # the alert stands
    assert states(teller.minutes(12, (600, 0)))  # seen to be well again
    silent = Teller()
    silent.minutes(5, (600, 0))
    assert silent.minutes(2000, None) == []


def test_what_is_known_of_a_long_window_is_what_has_burnt() -> None:
    teller = Teller()
    told = teller.minutes(10, (100_000, 150))  # 1.5 times the budget, for ten minutes of three days
    assert told == []


STEP = st.one_of(
    st.none(), st.tuples(st.sampled_from([0, 1, 3, 50, 600]), st.sampled_from([0.0, 0.0, 0.002, 0.02, 0.5]))
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), STEP), min_size=1, max_size=20))
def test_the_alerts_are_those_of_a_plain_count(script: list[tuple[int, tuple[int, float] | None]]) -> None:
    teller = Teller()
    told: list[tuple[int, str, str]] = []
    known: set[tuple[str, FindingState]] = set()
    minutes: list[tuple[float, float] | None] = [None]
    for count, step in script:
        for _ in range(count):
            grown = None if step is None else (float(step[0]), float(round(step[0] * step[1])))
            before_silent = teller.silent
            changes = teller.minutes(1, grown)
            minutes.append(None if grown is None or before_silent else grown)
            told += [
                (teller.minute, one.head, one.state.value)
                for one in changes
                if (one.finding_id, one.state) not in known
            ]
            known |= {(one.finding_id, one.state) for one in changes}
    assert told == plainly(minutes)


def plainly(minutes: list[tuple[float, float] | None]) -> list[tuple[int, str, str]]:
    """The same by brute force: every window summed anew at every minute."""
    known = np.array([one is not None for one in minutes])
    trials = np.array([one or (0.0, 0.0) for one in minutes])
    firing: set[float] = set()
    told = []
    for last in range(1, len(minutes)):
        end = last + 1  # a minute is judged once it is over
        for alert in BURN_ALERTS:
            bound = alert.rate * OBJECTIVE.allowed
            long, short = (
                window(trials, known, end, length) for length in (alert.long_minutes, alert.short_minutes)
            )
            if alert.rate in firing:
                if short[0] < bound or long[0] < bound:
                    firing.remove(alert.rate)
                    told.append((T0 + last, f"{alert.rate:g}x", "closed"))
                continue
            errors, total = long[1], long[2]
            evidence = errors >= 5 and binom.sf(errors - 1, total, bound / 2) <= P_EVIDENCE
            if long[0] * long[3] / alert.long_minutes >= bound and short[0] >= bound and evidence:
                firing.add(alert.rate)
                told.append((T0 + last, f"{alert.rate:g}x", "open"))
    return told


def window(
    trials: NDArray[np.float64], known: NDArray[np.bool_], end: int, length: int
) -> tuple[float, float, float, int]:
    part = slice(max(0, end - length), end)
    total, errors = trials[part][known[part]].sum(axis=0)
    ratio = min(errors, total) / total if total else math.nan
    return ratio, errors, total, int(known[part].sum())


def test_counts_go_on_after_a_restart_and_nothing_is_counted_twice() -> None:
    teller = Teller()
    teller.minutes(300, (600, 3))
    kept = teller.watch.snapshot()["shop"]
    other = SloWatch([OBJECTIVE])
    other.see(INFOS)
    other.restore("shop", kept)
    before = other.statuses()[0][1]
    time = teller.minute * MINUTE_NANOS
    batch = MetricBatch(np.arange(3, dtype=np.uint32), np.full(3, time), teller.sums.copy())
    other.learn(AdmittedMetrics(batch, np.ones(3), np.zeros(3, bool)))  # the stored past once more
    assert other.statuses()[0][1] == before
    assert before == teller.watch.statuses()[0][1]
    wider = SloWatch([Objective("shop", 0.999, 7.0, OBJECTIVE.selectors)])
    with pytest.raises(ValueError, match="begin anew"):
        wider.restore("shop", kept)


def test_an_alert_from_before_a_restart_goes_on_until_it_is_seen_to_end() -> None:
    teller = Teller()
    teller.minutes(120, (600, 0))
    (fast, *_) = teller.minutes(10, (600, 60))
    other = Teller()
    assert other.watch.take_over(fast)
    ended = [one for one in other.minutes(10, (600, 0)) if one.finding_id == fast.finding_id]
    assert [one.state for one in ended] == [FindingState.CLOSED]
    assert not SloWatch([]).take_over(fast)


def test_a_series_may_be_in_the_total_and_in_the_errors() -> None:
    selectors = {TOTAL: Selector.parse("errors_total"), ERRORS: Selector.parse('errors_total{job="shop"}')}
    watch = SloWatch([Objective("both", 0.99, 30.0, selectors)])
    watch.see(INFOS)
    for minute in range(3):
        values = np.array([0.0, 30.0, 70.0]) * minute
        times = np.full(3, (T0 + minute) * MINUTE_NANOS)
        signal = np.full(3, math.nan if minute == 0 else 1.0)
        batch = MetricBatch(np.arange(3, dtype=np.uint32), times, values)
        watch.learn(AdmittedMetrics(batch, signal, np.zeros(3, bool)))
    whole = watch.statuses()[0][1]
    assert (whole.total, whole.errors) == (200.0, 60.0)


def test_a_latency_is_a_trial_each_sample() -> None:
    objective = Objective(
        "fast", 0.99, 30.0, {TOTAL: Selector.parse("requests_total")}, threshold_seconds=0.5
    )
    watch = SloWatch([objective])
    watch.see(INFOS)
    for minute in range(120):
        values = np.full(10, 0.1 if minute < 60 else 2.0)
        batch = MetricBatch(
            np.zeros(10, np.uint32),
            (T0 + minute) * MINUTE_NANOS + np.arange(10) * 1_000_000_000,
            values,
        )
        watch.learn(AdmittedMetrics(batch, values, np.zeros(10, bool)))
    assert [one.head for one in watch.advance((T0 + 122) * MINUTE_NANOS)][:2] == ["14.4x", "6x"]


@pytest.mark.parametrize(
    ("roles", "counts", "expected"),
    [
        ({TOTAL, ERRORS}, {TOTAL: 10.0, ERRORS: 2.0}, (10.0, 2.0)),
        ({TOTAL, ERRORS}, {TOTAL: 10.0}, (10.0, 0.0)),
        ({TOTAL, GOOD}, {TOTAL: 10.0, GOOD: 7.0}, (10.0, 3.0)),
        ({TOTAL, GOOD}, {TOTAL: 10.0}, (0.0, 0.0)),  # unknown: what is good did not speak
        ({GOOD, ERRORS}, {GOOD: 7.0}, (7.0, 0.0)),
        ({GOOD, ERRORS}, {ERRORS: 3.0}, (3.0, 3.0)),
    ],
)
def test_any_two_of_total_good_and_errors(
    roles: set[int], counts: dict[int, float], expected: tuple[float, float]
) -> None:
    trials = TrialCounts(30.0, frozenset(roles))
    for role, count in counts.items():
        trials.add(np.array([T0]), np.array([role], np.uint8), np.array([count]))
    found = trials.sum(T0 + 1, 5)
    assert (found.total, found.errors) == expected


def test_rings_forget_what_is_older_and_time_going_back_is_no_news() -> None:
    trials = TrialCounts(30.0, frozenset({TOTAL, ERRORS}))
    one = (np.array([TOTAL], np.uint8), np.ones(1))
    trials.add(np.array([T0]), *one)
    trials.add(np.array([T0 + MINUTES]), *one)
    assert trials.sum(T0 + MINUTES + 1, MINUTES).total == 1
    trials.add(np.array([T0]), *one)
    trials.enter(T0)
    assert trials.newest_minute == T0 + MINUTES
    assert trials.hours(720)[:, 0].sum() == 2
    trials.enter(T0 + 100 * 1440)
    assert trials.hours(720).sum() == 0


@settings(max_examples=100, deadline=None)
@given(total=st.integers(1, 5000), share=st.floats(0, 1), bound=st.floats(1e-4, 0.5))
def test_the_evidence_is_a_binomial_tail(total: int, share: float, bound: float) -> None:
    errors = round(total * share)
    expected = binom.sf(errors - 1, total, bound / 2) if errors else 1.0
    assert p_of(Sum(total, errors, 1, 1), bound) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "labels", "fits"),
    [
        ("m", {}, True),
        ("m", {"a": "1"}, True),
        ("n", {}, False),
        ('m{a="1"}', {"a": "1"}, True),
        ('m{a="1"}', {}, False),
        ('m{a=~"1|2", b!="x"}', {"a": "2"}, True),
        ('m{a=~"1"}', {"a": "12"}, False),
        ('m{a!~"5.."}', {"a": "200"}, True),
        ('m{a="q\\"uo"}', {"a": 'q"uo'}, True),
    ],
)
def test_selectors(text: str, labels: dict[str, str], fits: bool) -> None:
    series = SeriesInfo(0, "m", tuple(labels.items()), "e", "s")
    assert Selector.parse(text).selects(series) is fits


@pytest.mark.parametrize(
    "text", ["", "m{", "m{a}", "m{a=1}", 'm{a=~"("}', 'm{a="1" b="2"}', "9m", "m" * 2000]
)
def test_what_is_no_selector_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|pattern"):
        Selector.parse(text)


def test_a_count_of_its_own_interval_counts_after_a_gap_and_a_counter_does_not() -> None:
    """The gate gives no rate for the first sample and after a gap; of a count that says nothing."""
    objective = Objective(
        "log", 0.99, 30.0, {TOTAL: Selector.parse("log_records"), ERRORS: Selector.parse("log_error_records")}
    )
    for kind, expected in ((MetricKind.DELTA, (300.0, 30.0)), (MetricKind.COUNTER, (0.0, 0.0))):
        watch = SloWatch([objective])
        names = ("log_records", "log_error_records")
        watch.see([SeriesInfo(k, name, (), "service:a", "derived", kind) for k, name in enumerate(names)])
        for minute in (0, 40, 41):
            batch = MetricBatch(
                np.arange(2, dtype=np.uint32),
                np.full(2, (T0 + minute) * MINUTE_NANOS),
                np.array([100.0, 10.0]),
            )
            watch.learn(AdmittedMetrics(batch, np.full(2, math.nan), np.ones(2, np.bool_)))
        ((_, whole, _, _),) = watch.statuses()
        assert (whole.total, whole.errors) == expected
