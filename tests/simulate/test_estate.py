from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.model.resource import entity_of
from stormpetrel.model.signal import MetricKind
from stormpetrel.model.time import from_iso, from_seconds
from stormpetrel.simulate.conditions import WEB_HOSTS
from stormpetrel.simulate.estate import MAX_TICKS_PER_STEP, Estate
from stormpetrel.simulate.faults import FAULTS
from stormpetrel.simulate.signals import Signals
from stormpetrel.simulate.traces import TRACE_EVERY

MONDAY = from_iso("2026-03-02T00:00:00Z")
HOUR = from_seconds(3600)
FAULT = FAULTS["deploy-bug"](MONDAY + HOUR // 2, 600.0)
STUCK = FAULTS["queue-stuck"](MONDAY + HOUR // 4, 2000.0)  # a backlog to carry from step to step


def estate(seed: int = 7) -> Estate:
    return Estate(seed, MONDAY, 5.0, (FAULT, STUCK))


def flat(signals: list[Signals]) -> dict[str, object]:
    """Everything that was emitted, comparable."""
    return {
        "specs": signals[0].metrics.specs,
        "time": [t for s in signals for t in s.metrics.time_unix_nano.tolist()],
        "value": np.vstack([s.metrics.value for s in signals]).tobytes(),
        "logs": [
            row for s in signals for row in zip(s.logs.time_unix_nano.tolist(), s.logs.body, strict=True)
        ],
        "spans": [
            row
            for s in signals
            for row in zip(s.spans.start_unix_nano.tolist(), s.spans.span_id, s.spans.name, strict=True)
        ],
    }


def test_same_seed_same_signals_other_seed_other_signals() -> None:
    one, again, other = (flat([estate(seed).step(MONDAY + HOUR)]) for seed in (7, 7, 8))
    assert one == again
    assert one["value"] != other["value"]
    assert one["logs"] != other["logs"]
    assert one["spans"] != other["spans"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3600 * 1000), min_size=1, max_size=4).map(sorted))
def test_how_time_is_cut_into_steps_changes_nothing(cuts: list[int]) -> None:
    cut = estate()
    parts = [cut.step(MONDAY + at * 1_000_000) for at in cuts]
    parts.append(cut.step(MONDAY + HOUR))
    assert flat(parts) == flat([estate().step(MONDAY + HOUR)])


def test_about_140_series_on_one_grid_and_none_is_ever_absent() -> None:
    metrics = estate().step(MONDAY + HOUR).metrics
    assert metrics.value.shape == (720, len(metrics.specs))
    assert 120 <= len(metrics.specs) <= 160
    assert len({(s.metric, s.labels) for s in metrics.specs}) == len(metrics.specs)
    assert np.isfinite(metrics.value).all()
    assert set(np.diff(metrics.time_unix_nano)) == {from_seconds(5)}
    assert metrics.time_unix_nano[0] == MONDAY


def test_entities_are_the_services_and_the_hosts() -> None:
    metrics = estate().step(MONDAY + HOUR).metrics
    entities = {entity_of(dict(spec.labels)) for spec in metrics.specs}
    assert {
        "service:checkout",
        "service:orders-db",
        "service:mail-queue",
        "service:nightly-report",
    } <= entities
    assert {f"host:{host}" for host in ("web-1", "web-2", "db-1", "queue-1", "batch-1", "app-5")} <= entities


def test_counters_never_fall_and_the_histogram_counts_every_request() -> None:
    metrics = estate().step(MONDAY + HOUR).metrics
    for place, spec in enumerate(metrics.specs):
        if spec.kind is MetricKind.COUNTER:
            assert (np.diff(metrics.value[:, place]) >= 0).all(), spec
    for host in WEB_HOSTS:
        requests = sum(
            metrics.column("http_requests_total", host=host, code=code) for code in ("200", "404", "500")
        )
        name = "http_request_duration_seconds"
        assert np.array_equal(metrics.column(f"{name}_count", host=host), requests)
        assert np.array_equal(metrics.column(f"{name}_bucket", host=host, le="+Inf"), requests)
        bounds = ["0.01", "0.05", "0.1", "0.5", "5", "+Inf"]
        buckets = np.stack([metrics.column(f"{name}_bucket", host=host, le=le) for le in bounds])
        assert (np.diff(buckets, axis=0) >= 0).all()


def test_what_goes_into_the_queue_comes_out_or_is_still_there() -> None:
    metrics = (
        Estate(7, MONDAY, 5.0, (FAULTS["queue-stuck"](MONDAY + HOUR // 2, 300.0),))
        .step(MONDAY + HOUR)
        .metrics
    )
    waiting = metrics.column("queue_enqueued_total") - metrics.column("queue_dequeued_total")
    in_flight = metrics.column("queue_depth") - waiting
    assert waiting.min() >= 0
    assert waiting.max() > 1000
    assert waiting[-1] < 50  # drained after the fault
    assert in_flight.min() >= 0
    assert in_flight.max() < 100


def test_every_hundredth_request_and_failure_has_a_trace() -> None:
    signals = estate().step(MONDAY + HOUR)
    roots = [i for i, parent in enumerate(signals.spans.parent_span_id) if not parent]
    for host in WEB_HOSTS:
        here = [i for i in roots if signals.spans.host[i] == host]
        failed = [i for i in here if signals.spans.status_code[i] == 2]
        column = signals.metrics.column
        good = sum(column("http_requests_total", host=host, code=code)[-1] for code in ("200", "404"))
        bad = column("http_requests_total", host=host, code="500")[-1]
        assert len(failed) == bad // TRACE_EVERY > 0
        assert len(here) - len(failed) == good // TRACE_EVERY


def test_spans_form_trees_across_services_within_their_parents_time() -> None:
    spans = estate().step(MONDAY + HOUR).spans
    assert len(set(spans.span_id)) == len(spans)
    known = {span: i for i, span in enumerate(spans.span_id)}
    services = set()
    for i, parent in enumerate(spans.parent_span_id):
        assert len(spans.trace_id[i]) == 16
        assert len(spans.span_id[i]) == 8
        assert spans.end_unix_nano[i] >= spans.start_unix_nano[i]
        if parent:
            above = known[parent]
            assert spans.trace_id[above] == spans.trace_id[i]
            assert spans.start_unix_nano[above] <= spans.start_unix_nano[i]
            assert spans.end_unix_nano[i] <= spans.end_unix_nano[above]
            services.add((spans.service[above], spans.service[i]))
    assert services == {("checkout", "orders-db"), ("checkout", "mail-queue")}


def test_a_moment_in_the_past_gives_nothing_and_changes_nothing() -> None:
    stepped = estate()
    stepped.step(MONDAY + HOUR)
    empty = stepped.step(MONDAY)
    assert empty.metrics.value.shape[0] == len(empty.logs) == len(empty.spans) == 0
    assert stepped.now_unix_nano == MONDAY + HOUR


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        estate().step(MONDAY + (MAX_TICKS_PER_STEP + 1) * from_seconds(5))
    with pytest.raises(ValueError, match="whole milliseconds"):
        Estate(7, MONDAY, 0.0001)
    told = estate()
    told.step(MONDAY + HOUR)
    with pytest.raises(ValueError, match="already emitted"):
        told.add_fault(FAULT)
    with pytest.raises(ValueError, match="above zero"):
        replace(FAULT, magnitude=0.0)
    with pytest.raises(KeyError, match="0 series match"):
        told.step(MONDAY + 2 * HOUR).metrics.column("no_such_metric")
