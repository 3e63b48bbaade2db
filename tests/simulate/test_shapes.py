"""What an operator would see: the season, the nightly job, deploys, and each fault where it belongs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from stormpetrel.model.signal import SEVERITY_ERROR
from stormpetrel.model.time import Window, from_iso, from_seconds
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS
from stormpetrel.simulate.noise import Floats
from stormpetrel.simulate.plan import plan_faults
from stormpetrel.simulate.signals import Signals

Mask = NDArray[np.bool_]
MONDAY = from_iso("2026-03-02T00:00:00Z")
HOUR = from_seconds(3600)
BEGIN = MONDAY + 13 * HOUR


@pytest.fixture(scope="module")
def week() -> Signals:
    return Estate(7, MONDAY, 60.0).step(MONDAY + 7 * 24 * HOUR)


def rate(signals: Signals, metric: str, **labels: str) -> Floats:
    return np.diff(signals.metrics.column(metric, **labels))


def test_afternoons_are_busy_nights_quiet_and_weekends_calmer(week: Signals) -> None:
    requests = rate(week, "http_request_duration_seconds_count", host="web-1")
    minute = np.arange(len(requests))
    afternoon = requests[(minute % 1440 // 60 == 14) & (minute < 5 * 1440)].mean()
    night = requests[(minute % 1440 // 60 == 3) & (minute < 5 * 1440)].mean()
    saturday = requests[(minute % 1440 // 60 == 14) & (minute // 1440 == 5)].mean()
    assert 2.0 < afternoon / night < 5.0
    assert 0.6 < saturday / afternoon < 0.8


def test_the_nightly_job_is_there_every_night_and_only_then(week: Signals) -> None:
    cpu = week.metrics.column("system_cpu_utilization_ratio", host="batch-1").reshape(7, 24, 60)
    queries = week.metrics.column("job_rows_processed_total")
    assert (cpu[:, 2, 3:30] > 0.6).all()
    assert (np.delete(cpu, 2, axis=1) < 0.2).all()
    assert queries[-1] > 7 * 900 * 2000


def test_orders_are_archived_every_night_and_only_where_there_are_nights(week: Signals) -> None:
    falls = np.flatnonzero(np.diff(week.metrics.column("db_disk_used_bytes", service="orders-db")) < 0)
    assert ((falls + 1) % 1440 == 180).all()
    assert len(falls) == 7
    quiet = Estate(11, MONDAY, 60.0, nightly=False).step(MONDAY + 24 * HOUR)
    assert (np.diff(quiet.metrics.column("db_disk_used_bytes", service="orders-db")) > 0).all()


def test_each_day_has_its_harmless_deploy_record(week: Signals) -> None:
    deploys = [i for i, rows in enumerate(week.logs.attributes) if ("change.kind", "deploy") in rows]
    assert [int(week.logs.time_unix_nano[i] - MONDAY) // HOUR for i in deploys] == [
        24 * day + 10 for day in range(7)
    ]
    assert all("checkout" in week.logs.body[i] for i in deploys)


def around(name: str) -> tuple[Signals, Mask, Mask]:
    """An hour with a fault in its second half: the signals, masks of before and of well into it."""
    fault = FAULTS[name](BEGIN + HOUR // 2, 1800.0)
    signals = Estate(7, BEGIN, 5.0, (fault,)).step(BEGIN + HOUR)
    since = (signals.metrics.time_unix_nano - fault.start_unix_nano) / 1e9
    return signals, since < 0, since > 90


LEVELS: dict[str, list[tuple[str, dict[str, str], float]]] = {
    "deploy-bug": [
        ("http_error_ratio", {}, 10.0),
        ("http_request_latency_seconds", {"quantile": "0.5"}, 1.5),
    ],
    "slow-database": [
        ("db_query_latency_seconds", {}, 5.0),
        ("http_request_latency_seconds", {"quantile": "0.95"}, 1.5),
        ("db_connections", {}, 1.5),
        ("db_replication_lag_seconds", {}, 5.0),
    ],
    "queue-stuck": [("queue_depth", {}, 100.0), ("queue_oldest_age_seconds", {}, 50.0)],
    "traffic-surge": [("system_cpu_utilization_ratio", {"host": "web-1"}, 1.5)],
    "cpu-hog": [
        ("system_cpu_utilization_ratio", {"host": "web-1"}, 2.0),
        ("system_load1", {"host": "web-1"}, 3.0),
    ],
    "memory-leak": [
        ("process_resident_memory_bytes", {"host": "web-1"}, 3.0),
        ("system_memory_used_bytes", {"host": "web-1"}, 1.5),
    ],
    "disk-filling": [
        ("db_disk_used_bytes", {}, 1.5),
        ("system_filesystem_used_bytes", {"host": "db-1"}, 3.0),
    ],
    "network-loss": [
        ("http_error_ratio", {}, 2.0),
        ("http_request_latency_seconds", {"quantile": "0.5"}, 1.2),
    ],
    "attack": [("http_error_ratio", {}, 5.0), ("system_cpu_utilization_ratio", {"host": "web-1"}, 1.2)],
    "certificate-expiry": [("http_error_ratio", {}, 20.0)],
    "dependency-outage": [
        ("http_error_ratio", {}, 20.0),
        ("http_request_latency_seconds", {"quantile": "0.5"}, 4.0),
    ],
    "dns-failure": [
        ("http_error_ratio", {}, 20.0),
        ("http_request_latency_seconds", {"quantile": "0.5"}, 2.0),
    ],
    "rogue-cron": [
        ("system_cpu_utilization_ratio", {"host": "db-1"}, 2.0),
        ("db_query_latency_seconds", {}, 1.8),
    ],
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_shows_in_its_own_series_and_not_in_unrelated_ones(name: str) -> None:
    signals, before, during = around(name)
    for metric, labels, factor in LEVELS[name]:
        column = signals.metrics.column(metric, **labels)
        assert column[during].mean() > factor * column[before].mean(), (metric, column[during].mean())
    for unrelated in ("app-1", "app-5", "batch-1"):
        column = signals.metrics.column("system_cpu_utilization_ratio", host=unrelated)
        assert abs(column[during].mean() / column[before].mean() - 1) < 0.05


def test_lost_packets_are_retransmitted_on_that_host_only() -> None:
    signals, before, during = around("network-loss")
    for host, low, high in (("web-2", 50.0, 1000.0), ("web-1", 0.5, 2.0)):
        sent = np.append(rate(signals, "system_network_retransmits_total", host=host), 0.0)
        assert low < sent[during].mean() / sent[before].mean() < high


def test_a_bad_deploy_begins_with_its_record_and_brings_error_lines() -> None:
    signals, _, _ = around("deploy-bug")
    start = BEGIN + HOUR // 2
    deploys = [i for i, body in enumerate(signals.logs.body) if body.startswith("deploy of checkout")]
    assert [int(signals.logs.time_unix_nano[i]) for i in deploys] == [start]
    lines = [i for i, body in enumerate(signals.logs.body) if body.startswith("TypeError")]
    assert len(lines) > 1000
    assert min(int(signals.logs.time_unix_nano[i]) for i in lines) >= start
    assert {int(signals.logs.severity_number[i]) for i in lines} == {SEVERITY_ERROR}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_leaves_no_trace_before_it_begins(name: str) -> None:
    fault = FAULTS[name](BEGIN + HOUR // 2, 1800.0)
    with_fault = Estate(7, BEGIN, 5.0, (fault,)).step(fault.start_unix_nano)
    without = Estate(7, BEGIN, 5.0).step(fault.start_unix_nano)
    assert np.array_equal(with_fault.metrics.value, without.metrics.value)
    assert with_fault.logs.body == without.logs.body


def test_a_plan_holds_every_kind_once_a_turn_without_overlap() -> None:
    window = Window(MONDAY, MONDAY + 48 * HOUR)
    planned = plan_faults(3, window)
    assert planned == plan_faults(3, window)
    assert planned != plan_faults(4, window)
    assert len(planned) == 24
    assert {fault.name for fault in planned[: len(FAULTS)]} == set(FAULTS)
    for one, following in itertools.pairwise(planned):
        assert one.end_unix_nano <= following.start_unix_nano
    assert planned[-1].end_unix_nano <= window.end_unix_nano
    with pytest.raises(ValueError, match="no fault is called"):
        plan_faults(3, window, names=("flood",))
    with pytest.raises(ValueError, match="twice as long"):
        plan_faults(3, window, every_seconds=100.0)
