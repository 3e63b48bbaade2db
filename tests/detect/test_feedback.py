"""Feedback: bounded, fading, reversible, and never a word about what nobody spoke of."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.detect import feedback as rules
from stormpetrel.detect.feedback import ATTRIBUTE, LEAST, MOST, FeedbackBook, factor, factors
from stormpetrel.model.feedback import Feedback, Opinion
from stormpetrel.model.finding import Evidence, Finding, FindingState, Scores, Severity
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import from_seconds

T0 = 1_700_000_000_000_000_000
DAY = from_seconds(86_400)


def opinion(said: Opinion, at: int = T0, undone: int = 0, number: int = 0, subject: str = "up") -> Feedback:
    return Feedback(
        f"o{number}", "f", "i", "robust", "residual", subject, "title", said, "ann", "", at, undone,
        "ann" if undone else "",
    )  # fmt: skip


OPINIONS = st.builds(
    opinion,
    st.sampled_from(Opinion),
    st.integers(0, 200).map(lambda days: T0 + days * DAY),
    st.one_of(st.just(0), st.integers(0, 250).map(lambda days: T0 + days * DAY)),
    st.integers(0, 99),
)
TIMES = st.integers(-10, 300).map(lambda days: T0 + days * DAY)


@given(st.lists(OPINIONS, max_size=60), st.lists(TIMES, min_size=1, max_size=20))
def test_no_amount_of_opinions_leaves_the_bounds(said: list[Feedback], times: list[int]) -> None:
    found = factors(said, np.array(times, np.int64))
    assert (found >= LEAST * (1 - 1e-12)).all()
    assert (found <= MOST * (1 + 1e-12)).all()


@given(st.lists(OPINIONS, max_size=20), OPINIONS, TIMES)
def test_what_is_taken_back_is_as_if_never_said(said: list[Feedback], one: Feedback, at: int) -> None:
    undone = dataclasses.replace(one, undone_unix_nano=at)
    assert factor([*said, undone], at) == factor(said, at)
    assert factor([*said, undone], at + DAY) == factor(said, at + DAY)
    counted = dataclasses.replace(one, undone_unix_nano=0)
    if at > one.time_unix_nano:  # and until then it counted: a replay sees it as it was
        assert factor([undone], at - 1) == factor([counted], at - 1)


@given(st.lists(OPINIONS, max_size=20), TIMES)
def test_the_order_of_opinions_is_nothing_and_what_comes_later_neither(said: list[Feedback], at: int) -> None:
    assert math.isclose(factor(said, at), factor(list(reversed(said)), at), rel_tol=1e-9)
    later = [dataclasses.replace(one, time_unix_nano=at + 1, undone_unix_nano=0) for one in said]
    assert factor(later, at) == 1.0


@given(st.sampled_from(Opinion), st.integers(0, 2000), st.integers(1, 2000))
def test_every_opinion_fades(said: Opinion, first: int, more: int) -> None:
    earlier = abs(math.log(factor([opinion(said)], T0 + first * DAY)))
    later = abs(math.log(factor([opinion(said)], T0 + (first + more) * DAY)))
    assert later <= earlier
    assert factor([opinion(said)], T0 + 99 * DAY) == 1.0


def test_the_words_of_the_page_are_true() -> None:
    assert factor([opinion(Opinion.NOT_USEFUL)], T0) == pytest.approx(4.0)
    assert factor([opinion(Opinion.EXPECTED)], T0) == pytest.approx(16.0)
    assert factor([opinion(Opinion.USEFUL)], T0) == pytest.approx(0.5)
    assert factor([opinion(Opinion.EXPECTED)], T0 + 14 * DAY) == pytest.approx(4.0)


def scores(p_value: list[float], head: list[int]) -> Scores:
    ones = np.ones(len(p_value))
    return Scores(ones, ones, ones, ones, ones, np.array(head, np.uint8), ones, np.array(p_value))


HEADS = ("residual", "jump", "flatline")


def batch(series: list[int], at: int = T0) -> MetricBatch:
    return MetricBatch(np.array(series, np.uint32), np.full(len(series), at), np.ones(len(series)))


def test_only_that_series_and_that_kind_of_head_are_weighed() -> None:
    book = FeedbackBook([opinion(Opinion.NOT_USEFUL)], {"up": 2, "other": 1})
    given_scores = scores([1e-4, 1e-4, 1e-4, math.nan, 0.5, 1e-4], [0, 0, 2, 0, 0, 1])
    rows = batch([2, 1, 2, 2, 2, 2])
    weighed = book.weigh("robust", HEADS, rows, given_scores)
    assert weighed.scores.alarm.tolist()[:3] == pytest.approx([4e-4, 1e-4, 1e-4])
    assert math.isnan(weighed.scores.alarm[3])
    assert weighed.scores.alarm[4] == 1.0, "a p-value stays one"
    assert weighed.scores.alarm[5] == pytest.approx(4e-4), "a jump is a strange value too"
    assert given_scores.alarm[0] == 1e-4, "what the bank said is left alone"
    assert book.weigh("another", HEADS, rows, given_scores).scores.alarm[0] == 1e-4
    assert book.weigh("robust", HEADS, batch([7_000_000]), scores([0.1], [0])).scores.alarm[0] == 0.1


@given(st.integers(0, 5), st.integers(0, 40))
def test_weighing_does_not_depend_on_how_batches_are_cut(edge: int, days: int) -> None:
    book = FeedbackBook(
        [opinion(Opinion.NOT_USEFUL), opinion(Opinion.USEFUL, T0 + 3 * DAY, number=1)], {"up": 0}
    )
    times = T0 + np.arange(6) * days * DAY // 6
    rows = MetricBatch(np.zeros(6, np.uint32), times, np.ones(6))
    given_scores = scores([1e-4] * 6, [0] * 6)
    whole = book.weigh("robust", HEADS, rows, given_scores).scores.alarm
    parts = []
    for cut in (slice(0, edge), slice(edge, 6)):
        part = MetricBatch(rows.series[cut], times[cut], rows.value[cut])
        given_part = scores([1e-4] * len(part), [0] * len(part))
        parts.append(book.weigh("robust", HEADS, part, given_part).scores.alarm)
    assert np.array_equal(np.concatenate(parts), whole)


def finding(p_value: float, at: int = T0, series: int = 0) -> Finding:
    evidence = Evidence("metric", "up", series, at, at, 9.0, 1.0, 0.0, 2.0, p_value)
    state = FindingState.OPEN
    return Finding(
        "f", "robust", 1, "residual", "host:a", "t", "w", Severity.WARNING, state, at, at, evidence
    )


def test_a_finding_tells_the_plain_p_value_and_the_weight() -> None:
    book = FeedbackBook([opinion(Opinion.USEFUL)], {"up": 0})
    rows, plain = batch([0, 1]), scores([1e-3, 1e-9], [0, 0])
    weighed = book.weigh("robust", HEADS, rows, plain)
    told = book.told(weighed, rows, plain, [finding(float(weighed.scores.alarm[0])), finding(1e-9, series=1)])
    assert told[0].evidence.p_value == 1e-3
    assert told[0].attributes == {ATTRIBUTE: "0.5"}
    assert told[1].attributes is None


def test_a_log_finding_is_heard_when_it_is_rare_enough() -> None:
    book = FeedbackBook([opinion(Opinion.EXPECTED)])
    assert book.hears(finding(1e-6 / 17), 1e-6)
    assert not book.hears(finding(1e-6 / 15), 1e-6)
    assert book.hears(finding(1e-6 / 15, T0 - 1), 1e-6), "it was told before anybody spoke"
    assert book.hears(finding(1e-6 / 15, T0 + 100 * DAY), 1e-6), "opinions fade"
    assert FeedbackBook().hears(finding(0.5), 1e-6)


def test_the_bounds_that_the_page_names() -> None:
    assert (rules.LEAST, rules.MOST) == (0.25, 64.0)
