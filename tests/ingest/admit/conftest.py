"""Shared by the tests of admission: a gate with its registry's columns, and short ways to feed it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stormpetrel.ingest.admit import Admission, QualityGate
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import MetricBatch

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
UNKNOWN, GAUGE, COUNTER, DELTA = 0, 1, 2, 3


class Bench:
    """A gate, its kinds (series 0 gauge, 1 counter, 2 delta, 3 unknown, 4 gauge ...) and no blocks."""

    def __init__(self, **settings: Any) -> None:
        self.gate = QualityGate(**settings)
        self.kinds = np.array([GAUGE, COUNTER, DELTA, UNKNOWN] + [GAUGE] * 60, np.uint8)
        self.blocked = np.zeros(64, np.uint8)

    def feed(self, rows: list[tuple[int, float, float]], now_seconds: float | None = None) -> Admission:
        """Rows of (series, seconds after START, value); `now` is the newest row's time unless given."""
        times = [START + round(at * SECOND) for _, at, _ in rows]
        now = max(times, default=START) if now_seconds is None else START + round(now_seconds * SECOND)
        return self.gate.admit(
            columns([r[0] for r in rows], times, [r[2] for r in rows]), now, self.kinds, self.blocked
        )

    def verdicts(
        self, rows: list[tuple[int, float, float]], now_seconds: float | None = None
    ) -> list[Quality]:
        return [Quality(v) for v in self.feed(rows, now_seconds).verdict]

    def steady(self, series: int, count: int, step: float = 10.0) -> None:
        """`count` moving samples, the last one at (count - 1) * step seconds."""
        self.feed([(series, k * step, float(k)) for k in range(count)])


def columns(series: list[int], times: list[int], values: list[float]) -> MetricBatch:
    return MetricBatch(np.array(series, np.uint32), np.array(times, np.int64), np.array(values, np.float64))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> type[Bench]:
    return Bench
