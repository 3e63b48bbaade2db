"""Facts of the signals that triggered a plan: what is made of another series is no second witness of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormpetrel.app.config import Config
from stormpetrel.app.facts import FactFinder, Holder
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.watches import HealthWatch
from stormpetrel.ingest.derive_series import DERIVED_SOURCE
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.facts import Facts, Limits
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.testing.automation_samples import sample_plan
from stormpetrel.testing.clock import FakeClock

START = 1_700_000_000_000_000_000
SHOP = "service:shop"


def finding(signal: str, text: str, series: int, entity: str = SHOP, detector: str = "robust") -> Finding:
    evidence = Evidence(signal, text, series, START, START, 1.0, 0.0, 0.0, 0.5, 1e-9)
    return Finding(
        text, detector, 1, "jump", entity, text, "w", Severity.WARNING, FindingState.OPEN, START, START,
        evidence,
    )  # fmt: skip


def facts_of(
    tmp_path: Path, *metrics: str, more: tuple[Finding, ...] = (), calendar_read: bool = True
) -> Facts:
    """The facts of a plan for an incident with findings on these metrics of one service, and more."""
    registry, clock = SeriesRegistry(100), FakeClock(START)
    pipeline = Pipeline(Config(data_dir=tmp_path), registry)
    findings = list(more)
    for metric in metrics:
        source = DERIVED_SOURCE if metric.startswith("log_") else "s"
        series = registry.intern(metric, {"service": "shop", "code": "500"}, source)
        findings.append(finding("metric", registry.info(series).text(), series))
    incident = Incident(
        "i", "s", IncidentState.OPEN, Severity.WARNING, (SHOP,), START, START, 0, tuple(findings), ()
    )
    health = HealthWatch(clock, clock.now_unix_nano, lambda: True, lambda: True, lambda: 0.0)
    finder = FactFinder(pipeline, lambda ask: ask(), Inventory({}), health, lambda _: (), Limits())
    finder.calendar_read = lambda: calendar_read
    return finder.of(sample_plan("p"), incident, None, Holder("me", 1), START)


def test_while_the_calendar_was_never_read_nobody_knows_what_it_says(tmp_path: Path) -> None:
    assert facts_of(tmp_path, "up").context == ()
    assert facts_of(tmp_path, "up", calendar_read=False).context is None


def test_all_that_one_log_says_is_one_witness_however_it_is_put(tmp_path: Path) -> None:
    flood = tuple(
        finding("log", f"pattern {detector}", -1, SHOP, detector)
        for detector in ("new_pattern", "error_surge", "strange_sessions")
    )
    counts = ("log_records", "log_error_records", "log_pattern_records")
    signals = facts_of(tmp_path, *counts, more=flood).signals or ()
    assert {one.source for one in signals} == {"log of service:shop"}
    other = finding("log", "refused", -1, "service:cart", "new_pattern")
    signals = facts_of(tmp_path, "up", more=(*flood, other)).signals or ()
    assert {one.source for one in signals} == {"log of service:shop", "log of service:cart", "metric up"}


@pytest.mark.parametrize(
    ("metrics", "independent"),
    [
        (("service_error_ratio", "http_requests_total"), 1),
        (("service_error_ratio", "service_latency_seconds"), 1),
        (("service_error_ratio", "http_client_requests_total"), 2),
        (("service_error_ratio", "http_requests_total", "haproxy_backend_http_responses_total"), 2),
        (("service_requests_rate", "process_cpu_seconds_total"), 2),
        (("up", "service_up"), 2),
    ],
)
def test_a_services_own_series_are_no_second_witness(
    tmp_path: Path, metrics: tuple[str, ...], independent: int
) -> None:
    signals = facts_of(tmp_path, *metrics).signals
    assert signals is not None
    assert len({one.source for one in signals}) == independent
