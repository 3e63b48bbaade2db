"""Numbers of watched variables as series: exact quantiles, only what is watched, whatever a line holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.ingest.derive_variables import SAMPLE, VariableSeries, _number
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.pattern import Pattern, WatchedVariable
from stormpetrel.patterns.lines import LineSources
from stormpetrel.patterns.miner import TemplateMiner

SECOND = 1_000_000_000
GRID = WindowGrid(30 * SECOND, 10 * SECOND)
T0 = 1_000_000 * 30 * SECOND


class Logged:
    """Lines through a real miner into the series of the variables that are watched."""

    def __init__(self) -> None:
        self.miner, self.sources, self.registry = TemplateMiner(), LineSources(), SeriesRegistry(1000)
        self.watched: list[WatchedVariable] = []
        self.series = VariableSeries(
            self.registry, GRID, self.miner.find, self.miner.values, lambda: self.watched, T0
        )

    def log(self, window: int, lines: list[str]) -> list[int]:
        times = [T0 + window * 30 * SECOND + k for k in range(len(lines))]
        batch = build_logs(times, lines, source="syslog", entity="host:w")
        ids: list[int] = self.miner.update(self.sources.lines(batch)).pattern.tolist()
        self.series.take(build_logs(times, lines, source="syslog", entity="host:w", pattern=ids))
        return ids

    def told(self, window: int) -> dict[str, float]:
        batch = self.series.advance(T0 + (window + 1) * 30 * SECOND + 10 * SECOND)
        labels = [dict(self.registry.info(int(series)).labels) for series in batch.series]
        return {
            f"{one['variable']} {one['quantile']}": value
            for one, value in zip(labels, batch.value.tolist(), strict=True)
        }


def pattern_of(logged: Logged, ids: list[int]) -> Pattern:
    found = logged.miner.find(ids[-1])
    assert found is not None
    return found


def test_median_and_quantile_of_what_is_watched_and_nothing_else() -> None:
    logged = Logged()
    ids = logged.log(0, [f"request {k} took {k} ms" for k in range(40)])
    assert logged.told(0) == {}
    pattern = pattern_of(logged, ids)
    names = [one.name for one in pattern.variables]
    logged.watched = [WatchedVariable(pattern.id, names[-1], "rob")]
    logged.log(1, [f"request 7 took {k} ms" for k in range(101)])
    assert logged.told(1) == {f"{names[-1]} 0.5": 50.0, f"{names[-1]} 0.95": 95.0}
    logged.log(2, ["another line"])
    assert logged.told(2) == {}  # no value: nothing is said
    logged.watched = []
    logged.log(3, ["request 7 took 5 ms"])
    assert logged.told(3) == {}


def test_of_many_records_a_sample_is_looked_into() -> None:
    logged = Logged()
    pattern = pattern_of(logged, logged.log(0, [f"request {k} took {k} ms" for k in range(40)]))
    logged.watched = [WatchedVariable(pattern.id, pattern.variables[-1].name, "rob")]
    logged.log(1, [f"request 7 took {1 if k < SAMPLE else 1000} ms" for k in range(5 * SAMPLE)])
    assert set(logged.told(1).values()) == {1.0}


def test_a_pattern_that_was_let_go_says_nothing() -> None:
    logged = Logged()
    logged.watched = [WatchedVariable(12345, "v1", "rob")]
    logged.log(0, ["request 1 took 5 ms"])
    assert logged.told(0) == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [("532", 532.0), ("5.5ms", 5.5), ("-3", -3.0), ("1e3", 1000.0), ("12.", 12.0), ("", None), ("x1", None),
     ("nan", None), ("inf", None), ("1e999", None), ("٣", 3.0)],
)  # fmt: skip
def test_numbers(text: str, number: float | None) -> None:
    assert _number(text) == number


@given(st.text(max_size=60))
def test_any_text_has_a_number_or_none(text: str) -> None:
    _number(text)
