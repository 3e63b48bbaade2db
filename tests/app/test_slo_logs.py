"""Objectives over log records: of a pattern against a counter, an entity's errors against all it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.slos import counts_log_levels
from stormpetrel.ingest.derive_levels import LevelSeries
from stormpetrel.ingest.derive_patterns import PatternSeries
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.signal import LogBatch, MetricBatch, MetricKind

SECOND = 1_000_000_000
STEP = 30 * SECOND
T0 = 1_750_000_000_000_000_000 // (120 * SECOND) * (120 * SECOND)
GRID = WindowGrid(STEP, 0)
EACH = 20  # requests in a window

OBJECTIVES = """
[[slo]]
name = "payments"
objective = 99.0
total = 'http_requests_total{job="checkout"}'
errors = 'log_pattern_records{log="service:checkout", template=~"payment of order .* failed.*"}'

[[slo]]
name = "checkout-log"
objective = 99.0
total = 'log_records{entity="service:checkout"}'
errors = 'log_error_records{entity="service:checkout"}'
"""


def configured(tmp_path: Path, text: str = OBJECTIVES) -> Config:
    path = tmp_path / "petrel.toml"
    path.write_text(text)
    return load_config(path)


class Shop:
    """A service that logs its requests, counted as they are live; some payments fail."""

    def __init__(self, config: Config) -> None:
        self.registry = SeriesRegistry()
        self.pipeline = Pipeline(config, self.registry)
        self.patterns = PatternSeries(self.registry, GRID, 100, self.pipeline.patterns.find, T0)
        self.levels = LevelSeries(self.registry, GRID, 100, T0)
        self.requests = self.registry.intern(
            "http_requests_total", {"job": "checkout"}, "app", MetricKind.COUNTER, "", "service:checkout"
        )
        self.window = self.made = 0

    def run(self, windows: int, failing: int = 0) -> list[Finding]:
        """So many windows with so many failures each; what objectives say."""
        found: list[Finding] = []
        for _ in range(windows):
            mined = self.pipeline.mine(self._records(failing))
            self.patterns.take(mined)
            self.levels.take(mined)
            self.window += 1
            now = T0 + self.window * STEP
            counted = MetricBatch(
                np.array([self.requests], np.uint32), np.array([now - 1]), np.array([float(self.made)])
            )
            derived = [self.patterns.advance(now), self.levels.advance(now)]
            admission = self.pipeline.admit(MetricBatch.concat([counted, *derived]), now)
            found += self.pipeline.judge_metrics(admission.admitted).findings
            found += self.pipeline.advance(now).findings
        return [one for one in found if one.detector == "slo"]

    def _records(self, failing: int) -> LogBatch:
        said, level = [], []
        for k in range(EACH):
            self.made += 1
            fails = k < failing
            said.append(
                f"payment of order {self.made} failed after {k} ms"
                if fails
                else f"order {self.made} paid in {k} ms"
            )
            level.append(17 if fails else 9)
        times = [T0 + self.window * STEP + k * SECOND for k in range(EACH)]
        return build_logs(times, said, source="otlp_logs", entity="service:checkout", severity_number=level)


def opened(found: list[Finding]) -> dict[str, set[str]]:
    """Burn rates that opened, by objective."""
    rates: dict[str, set[str]] = {}
    for one in found:
        if one.state is FindingState.OPEN:
            rates.setdefault((one.attributes or {})["slo"], set()).add(one.head)
    return rates


def test_failures_that_only_the_log_tells_burn_an_objective(tmp_path: Path) -> None:
    shop = Shop(configured(tmp_path))
    assert shop.run(240) == []
    found = shop.run(60, failing=10)
    assert "14.4x" in opened(found)["payments"]
    assert "14.4x" in opened(found)["checkout-log"]
    assert {one.entity for one in found} == {"service:checkout"}
    worst = [one for one in found if one.head == "14.4x"]
    assert {one.severity for one in worst} == {Severity.CRITICAL}
    assert {(one.attributes or {})["page"] for one in worst} == {"yes"}
    calm = shop.run(60)
    closed = {(one.attributes or {})["slo"] for one in calm if one.state is FindingState.CLOSED}
    assert closed == {"payments", "checkout-log"}  # it is seen to end


def test_an_error_now_and_then_is_within_the_objective(tmp_path: Path) -> None:
    shop = Shop(configured(tmp_path))
    found = []
    for k in range(300):
        found += shop.run(1, failing=int(k % 10 == 0))  # one in two hundred
    assert found == []


def test_records_of_entities_are_counted_where_an_objective_is_about_them(tmp_path: Path) -> None:
    assert counts_log_levels(configured(tmp_path))
    first, _, _ = OBJECTIVES.partition('[[slo]]\nname = "checkout-log"')
    assert not counts_log_levels(configured(tmp_path, first))
    assert not counts_log_levels(Config())
