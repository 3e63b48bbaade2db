"""Edges of the service graph: pairs in any order, what has no other half, and bounds."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.derive.spans import (
    CLIENT,
    CONSUMER,
    LIMITS,
    PRODUCER,
    SECOND,
    SERVER,
    T0,
    Span,
    batch,
    told,
)

from stormpetrel.ingest.derive_edges import EdgeSeries
from stormpetrel.ingest.series import SeriesRegistry

CALLS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from("bcd"), st.booleans(), st.booleans(), st.integers(0, 19_000)
    ),
    max_size=15,
)


def pair(number: int, client: str, server: str, end: int = 10_500, **more: bool) -> list[Span]:
    """A call of twenty milliseconds that took its server ten."""
    return [
        Span(client, kind=CLIENT, span=number, end=end + 5, took=20, failed=more.get("client_failed", False)),
        Span(
            server,
            kind=SERVER,
            span=1000 + number,
            parent=number,
            end=end,
            took=10,
            failed=more.get("server_failed", False),
        ),
    ]


def run(pieces: list[list[Span]]) -> tuple[dict[tuple[str, int], float], EdgeSeries, SeriesRegistry]:
    registry = SeriesRegistry()
    edges = EdgeSeries(registry, LIMITS, T0)
    for piece in pieces:
        edges.take(batch(piece))
    return told(registry, edges.advance(T0 + 90 * SECOND)), edges, registry


def text(metric: str, client: str, server: str) -> str:
    return f'service_edge_{metric}{{client="{client}",server="{server}"}}'


@settings(deadline=None)
@given(CALLS, st.randoms(use_true_random=False), st.lists(st.integers(0, 30), max_size=4))
def test_edges_are_exact_in_any_order_and_any_batches(
    calls: list[tuple[str, str, bool, bool, int]], rnd: random.Random, cuts: list[int]
) -> None:
    spans = [
        span
        for number, (client, server, one, other, end) in enumerate(calls, 1)
        for span in pair(number, client, server, end, client_failed=one, server_failed=other)
    ]
    rnd.shuffle(spans)
    places = [0, *sorted(min(cut, len(spans)) for cut in cuts), len(spans)]
    got, edges, _ = run([spans[a:b] for a, b in itertools.pairwise(places) if b > a])
    for window in (0, 1):
        inside = [c for c in calls if window * 10_000 <= c[4] < (window + 1) * 10_000 and c[0] != c[1]]
        for client, server, *_ in inside:
            same = [c for c in inside if c[:2] == (client, server)]
            at = (window + 1) * 10
            assert got[(text("requests", client, server), at)] == len(same)
            assert got[(text("errors", client, server), at)] == sum(c[2] or c[3] for c in same)
    total = sum(value for (series, _), value in got.items() if "requests" in series)
    assert total == sum(c[0] != c[1] for c in calls)
    assert edges.waiting == 0


def test_the_duration_is_the_callers_and_of_a_message_the_receivers() -> None:
    calls = [span for number in range(1, 21) for span in pair(number, "a", "b")]
    sent = [
        dataclasses.replace(
            span,
            kind=PRODUCER if span.kind == CLIENT else CONSUMER,
            service=span.service + "q",
            span=span.span + 5000,
            parent=span.parent and span.parent + 5000,
        )
        for span in calls
    ]
    got, _, _ = run([calls + sent])
    median = 'service_edge_duration_seconds{{client="{}",quantile="0.5",server="{}"}}'
    assert got[(median.format("a", "b"), 20)] == pytest.approx(0.020, rel=0.07)
    assert got[(median.format("aq", "bq"), 20)] == pytest.approx(0.010, rel=0.07)


@pytest.mark.parametrize(
    ("attributes", "server"),
    [
        ({"peer.service": "ledger", "db.system": "postgresql"}, "ledger"),
        ({"db.system": "postgresql", "server.address": "db-1"}, "postgresql"),
        ({"server.address": "mail.example.org"}, "mail.example.org"),
        ({"server.address": "10.0.0.1", "net.peer.name": "db-1"}, "db-1"),
        ({"server.address": "10.0.0.1"}, ""),
        ({"resource.server.address": "me"}, ""),
        ({}, ""),
    ],
)
def test_a_call_without_a_receiver_goes_to_what_it_names(attributes: dict[str, str], server: str) -> None:
    got, edges, registry = run([[Span("a", kind=CLIENT, span=1, attributes=json.dumps(attributes))]])
    requests = [series for series, _ in got if "requests" in series]
    assert requests == ([text("requests", "a", server)] if server else [])
    assert {registry.info(k).entity for k in range(len(registry))} <= {"service:a"}
    assert edges.waiting == 0


def test_a_call_that_met_its_receiver_is_counted_once() -> None:
    client, server = pair(1, "a", "b")
    named = dataclasses.replace(client, attributes='{"peer.service":"else"}')
    got, _, registry = run([[server], [named]])
    assert [series for series, _ in got if "requests" in series] == [text("requests", "a", "b")]
    assert registry.info(0).entity == "service:b"


def test_waiting_halves_are_bounded() -> None:
    registry = SeriesRegistry()
    limits = dataclasses.replace(LIMITS, max_waiting=50)
    edges = EdgeSeries(registry, limits, T0)
    edges.take(batch([Span("a", kind=CLIENT, span=k + 1) for k in range(80)]))
    edges.take(batch([Span("b", parent=k + 1000) for k in range(80)] + [Span("b", parent=7)] * 100))
    assert edges.waiting <= 50
    assert edges.series.windows.dropped.overflow >= 160
    edges.advance(T0 + 90 * SECOND)
    assert edges.waiting == 0
