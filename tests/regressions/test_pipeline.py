"""Time passes in the judge's thread while the writer's thread admits new series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import MetricBatch

T0 = 1_700_000_000_000_000_000


def test_series_admitted_between_two_looks_at_the_gate_do_not_break_the_tick() -> None:
    registry = SeriesRegistry()
    pipeline = Pipeline(Config(), registry)

    def admit(name: str) -> None:
        series = np.array([registry.intern(name, {}, "t")], np.uint32)
        pipeline.admit(MetricBatch(series, np.array([T0]), np.array([1.0])), T0)

    admit("first")
    admit("other")
    look = pipeline.gate.last_times

    def then_admit() -> NDArray[np.int64]:
        seen = look()
        admit("new")
        return seen

    pipeline.gate.last_times = then_admit  # type: ignore[method-assign]  # the other thread, at the worst time
    assert not pipeline.advance(T0 + 1).findings
