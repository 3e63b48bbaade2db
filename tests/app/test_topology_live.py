"""The topology in the pipeline: labels and spans come in with the signals, and age with them."""

from __future__ import annotations

import numpy as np
from tests.app.test_storm import calls

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.record_columns import build_flows
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import from_seconds

T0 = 1_700_000_000_000_000_000
DAY = from_seconds(86_400)


class Life:
    """A pipeline that one series of a service on a host speaks to."""

    def __init__(self) -> None:
        registry = SeriesRegistry()
        self.pipeline = Pipeline(Config(), registry)
        self.series = registry.intern("requests", {"service": "web", "host": "h1"}, "test")

    def speak(self, now: int) -> None:
        batch = MetricBatch(np.array([self.series], np.uint32), np.array([now]), np.array([1.0]))
        self.pipeline.judge_metrics(self.pipeline.admit(batch, now).admitted)
        self.pipeline.advance(now)

    def edges(self, now: int) -> list[tuple[str, str]]:
        return [(edge.caller, edge.callee) for edge in self.pipeline.topology.at(now).edges]


def test_what_runs_where_is_known_from_its_first_sample_on_and_as_long_as_it_speaks() -> None:
    life = Life()
    life.speak(T0)
    assert life.edges(T0 - 1) == []
    assert life.edges(T0) == [("service:web", "host:h1")]
    life.speak(T0 + 2 * DAY)
    assert life.edges(T0 + 3 * DAY) == [("service:web", "host:h1")]
    assert life.edges(T0 + 3 * DAY + 1) == []


def test_flows_are_learnt() -> None:
    life = Life()
    for minute in (0, 5):
        at = T0 + from_seconds(60.0 * minute)
        life.pipeline.judge_records(
            build_flows(at, at, "10.0.0.1", "10.0.0.2", source="t", protocol=6, destination_port=443,
                        bytes_received=1)
        )  # fmt: skip
    assert life.edges(at) == [("host:10.0.0.1", "host:10.0.0.2")]


def test_spans_are_learnt_and_a_new_beginning_forgets_them() -> None:
    life = Life()
    life.pipeline.judge_spans(calls([(1, 2)]))
    assert life.edges(T0) == [("service:s1", "service:s2")]
    life.pipeline.forget()
    assert life.edges(T0) == []
