"""RED of spans: exact counts whatever the order and the batches, bounded, and unknown is not zero."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.derive.spans import CLIENT, CONSUMER, GRID, LIMITS, SECOND, T0, Span, batch, told

from stormpetrel.ingest.derive_names import operation_of
from stormpetrel.ingest.derive_red import DeriveLimits, RedSeries
from stormpetrel.ingest.derive_series import STALE
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind

SPANS = st.lists(
    st.builds(
        Span,
        service=st.sampled_from("abc"),
        name=st.sampled_from(["GET /x/1", "GET /x/2", "put"]),
        end=st.integers(0, 39_999),
        took=st.integers(0, 2000),
        kind=st.integers(0, 5),
        failed=st.booleans(),
    ),
    max_size=40,
)


def run(pieces: list[list[Span]], until: int = 90) -> dict[tuple[str, int], float]:
    registry = SeriesRegistry()
    red = RedSeries(registry, LIMITS, T0)
    for piece in pieces:
        red.take(batch(piece))
    return told(registry, red.advance(T0 + until * SECOND))


def text(metric: str, service: str, operation: str) -> str:
    return f'{metric}{{operation="{operation}",service="{service}"}}'


@settings(deadline=None)
@given(SPANS, st.randoms(use_true_random=False), st.lists(st.integers(0, 40), max_size=4))
def test_counts_are_exact_in_any_order_and_any_batches(
    spans: list[Span], rnd: random.Random, cuts: list[int]
) -> None:
    shuffled = list(spans)
    rnd.shuffle(shuffled)
    edges = [0, *sorted(min(cut, len(spans)) for cut in cuts), len(spans)]
    got = run([shuffled[a:b] for a, b in itertools.pairwise(edges) if b > a])
    assert got == pytest.approx(run([spans] if spans else []), nan_ok=True)
    entered = [s for s in spans if s.kind in (2, 5)]
    for window in range(4):
        inside = [s for s in entered if window * 10_000 <= s.end < (window + 1) * 10_000]
        for s in inside:
            same = [
                o for o in inside if (o.service, operation_of(o.name)) == (s.service, operation_of(s.name))
            ]
            at = (window + 1) * 10
            assert got[(text("span_requests", s.service, operation_of(s.name)), at)] == len(same)
            assert got[(text("span_errors", s.service, operation_of(s.name)), at)] == sum(
                o.failed for o in same
            )
    requests = sum(value for (series, _), value in got.items() if series.startswith("span_requests"))
    assert requests == len(entered)


@settings(deadline=None)
@given(st.lists(st.floats(1e-4, 1000.0), min_size=10, max_size=400))
def test_quantiles_are_within_a_bin_of_numpys(seconds: list[float]) -> None:
    took = [round(1000 * s) or 1 for s in seconds]
    got = run([[Span("a", took=ms) for ms in took]])
    for q in (0.5, 0.9, 0.99):
        value = got.get((f'span_duration_seconds{{operation="op",quantile="{q}",service="a"}}', 20))
        if len(took) * (1 - q) < 1 - 1e-9:
            assert value is None, "too few requests: unknown"
            continue
        low, high = (
            np.quantile(np.array(took) / 1000, q, method="lower"),
            np.quantile(np.array(took) / 1000, q, method="higher"),
        )
        assert value is not None
        assert low / 1.07 <= value <= high * 1.07


def test_too_few_requests_have_no_quantile_and_a_pause_ends_it() -> None:
    registry = SeriesRegistry()
    red = RedSeries(registry, LIMITS, T0)
    red.take(batch([Span("a")] * 10 + [Span("a", end=20_500)] * 9))
    samples = red.advance(T0 + 90 * SECOND)
    got = told(registry, samples)
    quantiles = {series: value for (series, at), value in got.items() if "quantile" in series and at == 20}
    assert sorted(quantiles) == [
        f'span_duration_seconds{{operation="op",quantile="{q}",service="a"}}' for q in ("0.5", "0.9")
    ]
    ended = samples.value[(samples.time_unix_nano == T0 + 30 * SECOND) & np.isnan(samples.value)]
    assert ended.view(np.uint64).tolist() == [STALE_MARKER_BITS] * 2


def ratios(windows: list[tuple[int, int]]) -> list[float]:
    """The error ratio of windows of (requests, failures), of one operation."""
    registry = SeriesRegistry()
    red, found = RedSeries(registry, LIMITS, T0), []
    for number, (requests, failures) in enumerate(windows):
        end = 10_000 * number + 500
        red.take(batch([Span("a", end=end, failed=k < failures) for k in range(requests)]))
        got = told(registry, red.advance(T0 + (10 * number + 10 + 20) * SECOND))
        found += [value for (series, _), value in got.items() if series.startswith("span_error_ratio")]
    return found


def test_with_little_traffic_one_failure_is_no_news_and_with_much_half_are() -> None:
    quiet = ratios([(1, 0)] * 30 + [(1, 1)] + [(1, 0)] * 5)
    assert max(quiet) < 0.025
    assert ratios([(100, 0)] * 5 + [(100, 50)])[-1] == pytest.approx(1 / 3, abs=0.01)
    # Where half of all requests always fail, a window of one request stays at the usual half.
    usual = ratios([(100, 50)] * 20 + [(1, 0), (1, 1)])
    assert usual[-2:] == pytest.approx([0.49, 0.51], abs=0.01)


def test_zero_is_said_only_while_the_source_speaks() -> None:
    got = run([[Span("a"), Span("b", end=20_500), Span("c", end=40_500, source="other")]])
    requests = {key: value for key, value in got.items() if key[0].startswith("span_requests")}
    assert requests == {
        (text("span_requests", "a", "op"), 20): 1.0,
        (text("span_requests", "a", "op"), 30): 0.0,
        (text("span_requests", "b", "op"), 30): 1.0,
        (text("span_requests", "c", "op"), 50): 1.0,
    }


def test_late_future_and_interrupted_windows_are_not_told() -> None:
    registry = SeriesRegistry()
    red = RedSeries(registry, LIMITS, T0 + 5 * SECOND)
    red.take(batch([Span("a", end=7_000)]))  # its window began before we did
    assert not len(red.advance(T0 + 60 * SECOND))
    red.take(batch([Span("a", end=29_999), Span("a", end=10_000_000), Span("a", end=45_000)]))
    dropped = red.series.windows.dropped
    assert (dropped.late, dropped.future, dropped.overflow) == (2, 1, 0)
    assert told(registry, red.advance(T0 + 69 * SECOND)) == {}
    assert (text("span_requests", "a", "op"), 50) in told(registry, red.advance(T0 + 70 * SECOND))


def test_operations_beyond_the_bound_are_other_and_keys_beyond_theirs_are_counted() -> None:
    registry = SeriesRegistry()
    red = RedSeries(registry, DeriveLimits(GRID, max_keys=4, max_operations=2), T0)
    red.take(batch([Span("a", name=f"op{chr(97 + k)}") for k in range(10)] + [Span("b"), Span("c")]))
    got = told(registry, red.advance(T0 + 60 * SECOND))
    assert {series: value for (series, _), value in got.items() if series.startswith("span_requests")} == {
        text("span_requests", "a", "opa"): 1.0,
        text("span_requests", "a", "opb"): 1.0,
        text("span_requests", "a", "other"): 8.0,
        text("span_requests", "b", "op"): 1.0,
    }
    assert red.series.windows.dropped.overflow == 1


def test_a_key_of_which_nothing_comes_gives_up_its_place() -> None:
    registry = SeriesRegistry()
    red = RedSeries(registry, DeriveLimits(GRID, max_keys=1), T0)
    red.take(batch([Span("a")]))
    red.advance(T0 + 60 * SECOND)
    samples = red.advance(T0 + 4000 * SECOND)
    assert samples.value.view(np.uint64).tolist() == [STALE_MARKER_BITS] * 3
    assert len(red.series) == 0
    red.take(batch([Span("b", end=4_000_500)]))
    assert (text("span_requests", "b", "op"), 4010) in told(registry, red.advance(T0 + 4040 * SECOND))


def test_only_what_enters_a_service_is_a_request_and_the_series_say_what_they_are() -> None:
    registry = SeriesRegistry()
    red = RedSeries(registry, LIMITS, T0)
    red.take(batch([Span("a", kind=k) for k in (0, 1, CLIENT, 4)] + [Span("a", kind=CONSUMER)]))
    (value,) = [v for (s, _), v in told(registry, red.advance(T0 + 60 * SECOND)).items() if "requests" in s]
    assert value == 1.0
    infos = {registry.info(k).metric: registry.info(k) for k in range(len(registry))}
    assert infos["span_requests"].kind is infos["span_errors"].kind is MetricKind.DELTA
    assert infos["span_duration_seconds"].kind is MetricKind.GAUGE
    assert {(i.entity, i.source) for i in infos.values()} == {("service:a", "derived")}


def test_memory_is_bounded_as_declared() -> None:
    red = RedSeries(SeriesRegistry(), DeriveLimits(GRID, max_keys=50, max_operations=100), T0)
    for second in range(110):
        red.take(
            batch(
                [
                    Span("a", name=f"op {'abcdefghij'[k % 10]}{'abcdefghij'[k // 10]}", end=1000 * second)
                    for k in range(100)
                ]
            )
        )
    windows = red.series.windows
    held = sum(w.bins.nbytes + w.requests.nbytes + w.failures.nbytes for w in windows._open.values())
    assert 0 < held <= windows.bytes_most
    assert np.isnan(STALE)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("GET /users/42", "GET /users/{id}"),
        ("/a/0b5fae2c-94a1-4b52-8a0c-0d6a5a1f8d11/b", "/a/{id}/b"),
        ("GET /v2/s3/x?id=1", "GET /v2/s3/x"),
        ("GET /obj/5f3a9c2b1d", "GET /obj/{id}"),
        ("job-1234-run", "job-{id}-run"),
        ("SELECT orders", "SELECT orders"),
        ("GET /users/{user_id}/<name>", "GET /users/{user_id}/<name>"),
        ("/t/a1b2c3d4e5f6g7h8i9", "/t/{id}"),
        ("decade deadbeef", "decade deadbeef"),
        ("", "unnamed"),
        ("x" * 500, "x" * 120),
    ],
)
def test_names_of_operations(name: str, operation: str) -> None:
    assert operation_of(name) == operation
    assert operation_of(operation) == operation
