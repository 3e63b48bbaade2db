"""An opinion changes what is told of that series from then on, can be taken back, and a replay sees it so."""

from __future__ import annotations

import numpy as np
import pytest
from tests.app.intake import FailingStore

from stormpetrel.app import feedback as desks
from stormpetrel.app.config import Config
from stormpetrel.app.feedback import FeedbackDesk, book_of, stored_feedback
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.replay import replay_store
from stormpetrel.detect.feedback import ATTRIBUTE
from stormpetrel.errors import NotFoundError, OverloadedError, StateError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.feedback import Opinion
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.control import ControlStore
from stormpetrel.testing.clock import FakeClock

T0 = 1_700_006_400 * 10**9
STEP = from_seconds(15)
HOUR = from_seconds(3600)


@pytest.fixture
def registry() -> SeriesRegistry:
    found = SeriesRegistry()
    found.intern("queue_length", {"queue": "mail"}, "test", MetricKind.GAUGE)
    found.intern("queue_length", {"queue": "bulk"}, "test", MetricKind.GAUGE)
    return found


def story(excess: float = 6.0) -> list[MetricBatch]:
    """Two alike series, a sample each quarter of a minute, both a little high at hours 8 and 12."""
    ticks = 16 * 240
    values = np.random.default_rng(4).normal(10.0, 1.0, ticks)
    for hour in (8, 12):
        values[hour * 240 : hour * 240 + 12] += excess
    times = T0 + np.arange(ticks) * STEP
    return [
        MetricBatch(np.array([0, 1], np.uint32), np.array([at, at]), np.full(2, value))
        for at, value in zip(times.tolist(), values.tolist(), strict=True)
    ]


class Live:
    """A pipeline with a desk, fed from a story."""

    def __init__(self, registry: SeriesRegistry, control: ControlStore) -> None:
        self.pipeline = Pipeline(Config(), registry)
        self.clock = FakeClock(T0)
        self.desk = FeedbackDesk(control, self.pipeline, self.clock)
        self.found: dict[str, Finding] = {}

    def take(self, batches: list[MetricBatch]) -> None:
        for batch in batches:
            now = int(batch.time_unix_nano[0])
            self.clock.set(now)
            outcome = self.pipeline.judge_metrics(self.pipeline.admit(batch, now).admitted)
            self.found |= {f.finding_id: f for f in outcome.findings}

    def opened(self, since: int) -> list[int]:
        """Series of the findings that began since."""
        return sorted(f.evidence.series for f in self.found.values() if f.start_unix_nano >= since)


def test_it_weighs_from_now_on_and_on_that_series_alone(
    registry: SeriesRegistry, control: ControlStore
) -> None:
    batches = story()
    live = Live(registry, control)
    live.take(batches[: 10 * 240])
    assert live.opened(0) == [0, 1], "both are told at first"
    told = next(f for f in live.found.values() if f.evidence.series == 0)
    live.desk.give("i1", told, Opinion.EXPECTED, "ann")
    (adjusted,) = live.desk.page().adjustments
    assert (adjusted.series, len(adjusted.given)) == (0, 1)
    assert adjusted.factor == pytest.approx(16.0)
    live.take(batches[10 * 240 :])
    assert live.opened(T0 + 10 * HOUR) == [1]


def test_what_is_told_all_the_same_says_how_it_was_weighed(
    registry: SeriesRegistry, control: ControlStore
) -> None:
    batches = story(10.0)
    plain, live = Live(registry, control), Live(registry, control)
    plain.take(batches)
    live.take(batches[: 10 * 240])
    told = next(f for f in live.found.values() if f.evidence.series == 0)
    live.desk.give("i1", told, Opinion.USEFUL, "ann")
    live.take(batches[10 * 240 :])
    (again,) = [
        f for f in live.found.values() if f.evidence.series == 0 and f.start_unix_nano > T0 + 10 * HOUR
    ]
    assert (again.attributes or {})[ATTRIBUTE] == "0.501"
    assert again.state is FindingState.CLOSED, "to its end it is the same finding"
    (same,) = [f for f in plain.found.values() if f.finding_id == again.finding_id]
    assert (again.evidence.p_value, again.why) == (same.evidence.p_value, same.why)


def test_one_person_has_one_voice_and_undoing_is_exact(
    registry: SeriesRegistry, control: ControlStore
) -> None:
    live = Live(registry, control)
    live.take(story()[: 10 * 240])
    finding = next(iter(live.found.values()))
    first = live.desk.give("i1", finding, Opinion.EXPECTED, "ann")
    live.clock.advance(60.0)
    second = live.desk.give("i1", finding, Opinion.USEFUL, "ann", "on second thoughts")
    page = live.desk.page()
    assert [(one.feedback_id, bool(one.undone_unix_nano)) for one in page.given] == [
        (second.feedback_id, False),
        (first.feedback_id, True),
    ]
    assert page.adjustments[0].factor == pytest.approx(0.5)
    live.clock.advance(60.0)
    live.desk.undo(second.feedback_id, "bob")
    assert live.desk.page().adjustments == []
    assert live.desk.page().given[0].undone_by == "bob"
    with pytest.raises(StateError, match="undone before, by bob"):
        live.desk.undo(second.feedback_id, "bob")
    with pytest.raises(NotFoundError):
        live.desk.undo("nothing", "bob")
    again = Live(registry, control)
    assert again.desk.page() == live.desk.page(), "a restart hears the same"


def test_opinions_are_bounded(
    registry: SeriesRegistry, control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "MAX_COUNTING", 2)
    live = Live(registry, control)
    live.take(story()[: 10 * 240])
    finding = next(iter(live.found.values()))
    for person in ("ann", "bob"):
        live.desk.give("i1", finding, Opinion.USEFUL, person)
    with pytest.raises(OverloadedError, match="undo some"):
        live.desk.give("i1", finding, Opinion.USEFUL, "eve")
    live.clock.advance(1.0)
    live.desk.give("i1", finding, Opinion.NOT_USEFUL, "bob")  # who changes his mind needs no more room


def test_a_replay_hears_opinions_when_they_were_given(
    registry: SeriesRegistry, control: ControlStore, failing: FailingStore
) -> None:
    batches = story()
    failing.insert_samples(MetricBatch.concat(batches), "story")
    end = int(batches[-1].time_unix_nano[0]) + 1
    live = Live(registry, control)
    live.take(batches[: 10 * 240])
    at = live.clock.now_unix_nano()
    finding = next(f for f in live.found.values() if f.evidence.series == 0)
    live.desk.give("i1", finding, Opinion.EXPECTED, "ann")
    book = book_of(stored_feedback(control, T0), registry)
    window = Window(T0, end)
    heard = replay_store(Config(), failing, registry, window, feedback=book)
    again = replay_store(Config(), failing, registry, window, feedback=book)
    plain = replay_store(Config(), failing, registry, window)
    assert heard.digest == again.digest
    before = [[f for f in one.findings.values() if f.start_unix_nano < at] for one in (heard, plain)]
    assert before[0] == before[1] != [], "what was told before anybody spoke is told again"
    after = [
        sorted(f.evidence.series for f in one.findings.values() if f.start_unix_nano > at)
        for one in (heard, plain)
    ]
    assert after == [[1], [0, 1]]
