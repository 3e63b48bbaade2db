"""A service's requests, errors and latency, whatever its metrics are called."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.ingest.derive_families import DURATIONS, REQUESTS, Role, parts_of
from stormpetrel.ingest.derive_service import METRICS, ServiceSeries
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, SeriesInfo

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
STEP = 10 * SECOND
SHOP = {"service": "shop"}


class Rig:
    """Counters of a service, whose rates are told as admission would."""

    def __init__(self, most: int = 10) -> None:
        self.registry = SeriesRegistry(1000)
        self.made = ServiceSeries(self.registry, STEP, most)

    def counter(self, metric: str, **labels: str) -> int:
        return self.registry.intern(metric, {**SHOP, **labels}, "scrape:shop")

    def tell(self, seconds: float, rates: dict[int, float]) -> None:
        series = np.array(list(rates), np.uint32)
        times = np.full(len(rates), T0 + int(seconds * SECOND), np.int64)
        signal = np.array(list(rates.values()), np.float64)
        batch = MetricBatch(series, times, np.zeros(len(rates)))
        self.made.take(AdmittedMetrics(batch, signal, np.zeros(len(rates), np.bool_)))

    def says(self, seconds: float) -> dict[str, float]:
        found = self.made.advance(T0 + int(seconds * SECOND))
        return {
            self.registry.info(int(series)).metric: float(value)
            for series, value in zip(found.series, found.value, strict=True)
        }

    def after(self, rates: dict[int, float]) -> dict[str, float]:
        """What is said once everybody spoke twice."""
        self.tell(0, dict.fromkeys(rates, math.nan))
        self.tell(15, rates)
        return self.says(20)


def test_instances_are_added_up_and_failures_counted() -> None:
    rig = Rig()
    rates = {
        rig.counter("http_requests_total", code=code, instance=one): rate
        for one in ("a", "b")
        for code, rate in (("200", 6.0), ("404", 2.0), ("503", 2.0))
    }
    rates[rig.counter("http_request_duration_seconds_sum", instance="a")] = 5.0
    rates[rig.counter("http_request_duration_seconds_count", instance="a")] = 10.0
    said = rig.after(rates)
    assert said["service_requests_rate"] == pytest.approx(20.0)
    assert said["service_latency_seconds"] == pytest.approx(0.5)
    # 300 requests of which 60 failed, drawn by fifty that did not
    assert said["service_error_ratio"] == pytest.approx(60 / 350)
    info = next(one for n in range(len(rig.registry)) if (one := rig.registry.info(n)).metric == METRICS[0])
    assert (info.entity, info.source, info.labels) == ("service:shop", "derived", (("service", "shop"),))


def test_it_is_told_once_a_step_and_only_when_there_is_something_new() -> None:
    rig = Rig()
    one = rig.counter("http_requests_total", code="200")
    assert "service_requests_rate" in rig.after({one: 4.0})
    rig.tell(22, {one: 5.0})
    assert rig.says(25) == {}, "the step is not over"
    assert rig.says(30)["service_requests_rate"] == 5.0
    assert rig.says(41) == {}, "nothing came since"


def test_the_services_own_view_goes_before_the_proxys() -> None:
    rig = Rig()
    proxy = rig.counter("haproxy_backend_http_responses_total", code="5xx")
    assert rig.after({proxy: 7.0})["service_requests_rate"] == 7.0
    own = rig.counter("http_requests_total", code="200")
    rig.tell(30, {own: math.nan, proxy: 7.0})
    rig.tell(45, {own: 5.0, proxy: 7.0})
    assert rig.says(50)["service_requests_rate"] == 5.0


def test_what_nobody_says_is_not_said() -> None:
    rig = Rig()
    said = rig.after({rig.counter("http_requests_total", method="get"): 3.0})
    assert set(said) == {"service_requests_rate"}, "nothing says how requests ended, or how long they took"
    rig = Rig()
    said = rig.after({rig.counter("http_requests_total", code="200"): 0.0})
    assert said == {"service_requests_rate": 0.0}, "of no requests none failed and none succeeded"


def test_a_silent_instance_is_left_out_and_a_silent_service_says_nothing() -> None:
    rig = Rig()
    a, b = (rig.counter("http_requests_total", code="200", instance=one) for one in "ab")
    assert rig.after({a: 4.0, b: 4.0})["service_requests_rate"] == 8.0
    for seconds in (30, 45, 60, 75):
        rig.tell(seconds, {a: 4.0})
    assert rig.says(80)["service_requests_rate"] == 4.0
    assert rig.says(300) == {}


def test_a_ratio_that_stops_says_that_it_ended() -> None:
    rig = Rig()
    one = rig.counter("http_requests_total", code="500")
    assert rig.after({one: 4.0})["service_error_ratio"] > 0
    rig.tell(30, {one: 0.0})
    said = rig.says(40)
    assert said["service_requests_rate"] == 0.0
    assert math.isnan(said["service_error_ratio"])


def test_spans_are_summed_up() -> None:
    rig = Rig()
    rates = {rig.counter("span_requests", operation=one): 10.0 for one in ("GET /", "POST /")}
    rates[rig.counter("span_errors", operation="GET /")] = 10.0
    slow = rig.counter("span_duration_seconds", operation="GET /", quantile="0.5")
    quick = rig.counter("span_duration_seconds", operation="POST /", quantile="0.5")
    tail = rig.counter("span_duration_seconds", operation="POST /", quantile="0.99")
    said = rig.after({**rates, slow: 0.3, quick: 0.1, tail: 9.0})
    assert said["service_latency_seconds"] == pytest.approx(0.2), "each as often as it is asked for"
    assert said["service_requests_rate"] == 20.0
    assert said["service_error_ratio"] == pytest.approx(150 / 350)


def test_the_units_of_durations_are_known() -> None:
    rig = Rig()
    said = rig.after(
        {
            rig.counter("http_server_duration_milliseconds_sum"): 3000.0,
            rig.counter("http_server_duration_milliseconds_count", http_status_code="200"): 10.0,
        }
    )
    assert said["service_latency_seconds"] == pytest.approx(0.3)
    assert said["service_requests_rate"] == 10.0, "its count is one of requests, too"


def test_services_beyond_the_bound_are_counted() -> None:
    rig = Rig(most=1)
    rig.after({rig.counter("http_requests_total", code="200"): 1.0})
    other = rig.registry.intern("http_requests_total", {"service": "cart"}, "scrape:cart")
    rig.tell(30, {other: 1.0})
    assert (len(rig.made), rig.made.overflow) == (1, 1)


@pytest.mark.parametrize(
    ("labels", "role"),
    [
        ({"code": "200"}, Role.GOOD),
        ({"code": "503"}, Role.FAILED),
        ({"status": "5xx"}, Role.FAILED),
        ({"http_response_status_code": "404"}, Role.GOOD),
        ({"grpc_code": "OK"}, Role.GOOD),
        ({"grpc_code": "DeadlineExceeded"}, Role.FAILED),
        ({"envoy_response_code_class": "5"}, Role.FAILED),
        ({"code": ""}, Role.PLAIN),
        ({"code": "https://x"}, Role.PLAIN),
        ({}, Role.PLAIN),
    ],
)
def test_how_a_request_ended(labels: dict[str, str], role: Role) -> None:
    info = SeriesInfo(1, "http_requests_total", tuple(sorted(labels.items())), "service:shop", "s")
    assert [part.role for part in parts_of(info)] == [role]


def test_only_services_are_looked_at() -> None:
    assert parts_of(SeriesInfo(1, "http_requests_total", (), "instance:a:9100", "s")) == ()
    assert parts_of(SeriesInfo(1, "promhttp_metric_handler_requests_total", (), "service:shop", "s")) == ()


def test_each_name_stands_once() -> None:
    assert len(set(REQUESTS)) == len(REQUESTS)
    assert len({name for name, _ in DURATIONS}) == len(DURATIONS)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1e6), st.integers(1, 30)), max_size=60))
def test_a_ratio_lies_between_none_and_all_however_samples_come(
    rows: list[tuple[int, float, int]],
) -> None:
    rig = Rig()
    series = [
        rig.counter("http_requests_total", code=c, instance=i) for i in "ab" for c in ("200", "500", "x")
    ]
    now = 0
    for place, rate, passed in rows:
        now += passed
        rig.tell(now, {series[place]: rate})
        said = rig.says(now)
        assert said.get("service_requests_rate", 0.0) >= 0.0
        ratio = said.get("service_error_ratio", 0.0)
        assert math.isnan(ratio) or 0.0 <= ratio <= 1.0
