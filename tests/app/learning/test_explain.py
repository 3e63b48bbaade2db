"""Explanations from the store: strange, usual, unknown, and the same time on other days."""

from __future__ import annotations

import numpy as np
import pytest
from tests.app.intake import FailingStore

from stormpetrel.app.config import Config
from stormpetrel.app.explain import DAYS_BEFORE, ExplainDesk
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.explanation import Strangeness
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds

START = 1_699_920_000 * 10**9  # a midnight
DAYS, STEP = 9, from_seconds(60)
TIMES = START + np.arange(DAYS * 1440) * STEP
MINUTE, DAY = from_seconds(60), from_seconds(86_400)
# At noon of the last day it is far above what noon is; the midnight's height is usual at midnight.
PEAK = (DAYS - 1) * 1440 + 720


@pytest.fixture
def desk(failing: FailingStore) -> ExplainDesk:
    registry = SeriesRegistry()
    registry.intern("busy_ratio", {"host": "a"}, "test", MetricKind.GAUGE)
    registry.intern("sent_total", {"host": "a"}, "test", MetricKind.COUNTER)
    rng = np.random.default_rng(8)
    wave = 0.5 + 0.3 * np.cos(2 * np.pi * np.arange(len(TIMES)) / 1440)
    busy = wave + rng.normal(0.0, 0.01, len(TIMES))
    busy[PEAK : PEAK + 5] = 0.78
    sent = np.cumsum(100.0 * wave * 60 + rng.normal(0.0, 10.0, len(TIMES)))
    gone = np.ones(len(TIMES), bool)
    gone[PEAK + 300 : PEAK + 400] = False
    for series, values in enumerate((busy, sent)):
        ids = np.full(int(gone.sum()), series, np.uint32)
        failing.insert_samples(MetricBatch(ids, TIMES[gone], values[gone]), f"s{series}")
    return ExplainDesk(Config(), failing, Pipeline(Config(), registry))


def test_what_is_strange_says_why_and_what_would_end_it(desk: ExplainDesk) -> None:
    said = desk.point(0, int(TIMES[PEAK + 1]))
    assert said.state is Strangeness.STRANGE
    assert said.judged.observed == pytest.approx(0.78)
    assert said.judged.expected == pytest.approx(0.2, abs=0.05)
    assert said.judged.time_unix_nano == TIMES[PEAK + 1]
    assert said.unit == "ratio"
    assert said.normal_again[0].startswith("below ")
    assert said.normal_again[1].startswith("6 hours of it")
    assert "78 %" in said.answer
    assert "once in" in said.rarity
    assert said.model.samples == PEAK + 1
    assert "over 9 days" in said.learnt
    days = dict(zip(DAYS_BEFORE, said.past, strict=True))
    for day in (1, 2, 7):
        assert days[day].samples >= 3
        assert days[day].mean == pytest.approx(0.2, abs=0.02)
        assert days[day].inside
    assert days[14].samples == 0
    assert said.past_says.startswith("At this time on 7 earlier days it was 1")
    assert said.past_says.endswith("each time within the present band.")


def test_the_same_value_is_usual_at_its_own_time(desk: ExplainDesk) -> None:
    said = desk.point(0, int(TIMES[(DAYS - 1) * 1440 + 20]))
    assert said.state is Strangeness.USUAL
    assert said.judged.observed == pytest.approx(0.8, abs=0.05)
    assert said.normal_again == ()
    assert "is not strange" in said.answer


def test_silence_and_warming_up_are_neither(desk: ExplainDesk) -> None:
    missing = desk.point(0, int(TIMES[PEAK + 350]))
    assert missing.state is Strangeness.MISSING
    assert "unknown" in missing.answer
    assert missing.past_says, "other days are told all the same"
    young = desk.point(0, int(TIMES[30]))
    assert young.state is Strangeness.WARMING_UP
    assert desk.point(0, START - DAY).state is Strangeness.MISSING


def test_a_counter_is_explained_by_its_rate(desk: ExplainDesk) -> None:
    said = desk.point(1, int(TIMES[PEAK]))
    assert said.judged.observed == pytest.approx(20.0, abs=2.0)
    assert said.past[0].mean == pytest.approx(20.0, abs=2.0)


def told(detector: str = "robust", head: str = "residual", evidence: Evidence | None = None) -> Finding:
    at, end = int(TIMES[PEAK]), int(TIMES[PEAK]) + 4 * MINUTE
    query = 'busy_ratio{host="a"}'
    seen = evidence or Evidence("metric", query, 0, at, end, 0.78, 0.2, 0.15, 0.25, 1e-9, "ratio")
    state = FindingState.OPEN
    return Finding("f", detector, 2, head, "host:a", "t", "w", Severity.WARNING, state, at, end, seen)


def test_a_finding_keeps_the_numbers_it_was_told_with(desk: ExplainDesk) -> None:
    said = desk.finding(told())
    assert (said.judged.p_value, said.judged.high) == (1e-9, 0.25)
    assert said.state is Strangeness.STRANGE
    assert said.judged.interval_seconds == pytest.approx(60.0)
    assert said.past[0].samples == 4
    assert said.past[0].inside


def test_a_finding_over_log_records_counts_the_same_time_on_other_days(
    desk: ExplainDesk, failing: FailingStore
) -> None:
    at = int(TIMES[PEAK]) // (30 * 10**9) * (30 * 10**9)
    times = [at - day * DAY + k for day in (1, 2) for k in range(day)]
    logs = build_logs(times, ["x"] * 3, source="t", entity=["host:a"] * 3, severity_number=[17] * 3)
    failing.insert_logs(logs, "logs")
    evidence = Evidence("log", "q", -1, at, at + 30 * 10**9, 90.0, 1.0, 0.0, 4.0, 1e-12, "records")
    said = desk.finding(told(detector="error_surge", head="error", evidence=evidence))
    assert [slot.mean for slot in said.past[:3]] == [1.0, 2.0, 0.0]
    assert said.state is Strangeness.STRANGE
    assert said.normal_again[0] == "below 4 records"


def test_a_detector_that_is_gone_is_explained_by_the_finding_alone(desk: ExplainDesk) -> None:
    said = desk.finding(told(detector="gone", head="odd_view"))
    assert said.seen_by == "odd view"
    assert said.past == ()
