"""Shared by the tests of rules: a rule over a few series, told samples by second."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stormpetrel.detect.standing import SeriesRule
from stormpetrel.model.finding import Finding
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, SeriesInfo

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
Row = tuple[int, float, float]  # series, seconds, value


def admitted(rows: Sequence[Row]) -> AdmittedMetrics:
    """What admission lets through; counters come as their rates."""
    series = np.array([row[0] for row in rows], np.uint32)
    times = np.array([T0 + int(row[1] * SECOND) for row in rows], np.int64)
    values = np.array([row[2] for row in rows], np.float64)
    return AdmittedMetrics(MetricBatch(series, times, values), values, np.zeros(len(rows), np.bool_))


def info(series: int, metric: str, entity: str = "service:shop", **labels: str) -> SeriesInfo:
    return SeriesInfo(series, metric, tuple(sorted(labels.items())), entity, "s")


class Ruled:
    """A rule that knows these series."""

    def __init__(
        self, infos: Sequence[SeriesInfo], make: Callable[[Callable[[int], SeriesInfo]], SeriesRule]
    ) -> None:
        self.rule = make(lambda series: next(one for one in infos if one.series == series))
        self.rule.meet(infos)

    def tell(self, *rows: Row) -> list[Finding]:
        """One batch a row."""
        return [change for row in rows for change in self.rule.update(admitted([row]))]

    def at_once(self, rows: Sequence[Row]) -> list[Finding]:
        """All of them in one batch."""
        return self.rule.update(admitted(rows))

    def wait(self, seconds: float) -> list[Finding]:
        """Time passes and nothing is told."""
        return self.rule.advance(T0 + int(seconds * SECOND))
