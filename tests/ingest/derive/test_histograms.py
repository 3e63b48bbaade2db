"""Quantiles of classic histograms: as Prometheus computes them, from complete and usable rates only."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stormpetrel.ingest.admit import QualityGate
from stormpetrel.ingest.derive_histograms import MOST_BUCKETS, HistogramQuantiles
from stormpetrel.ingest.derive_quantile import histogram_quantile
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds

SECOND = from_seconds(1)
T0 = 1_700_000_000 * SECOND
STEP = 15
BOUNDS = (0.01, 0.1, 0.5, 1.0, 5.0, math.inf)


def quantile(q: float, bounds: list[float], counts: list[float]) -> float:
    return float(histogram_quantile(q, np.array(bounds), np.array(counts, float)))


@pytest.mark.parametrize(
    ("q", "bounds", "counts", "value"),
    [
        (0.5, [1.0, 2.0, math.inf], [10, 10, 10], 0.5),  # the lowest bucket begins at 0
        (0.9, [1.0, 2.0, math.inf], [0, 10, 10], 1.9),
        (0.99, [1.0, 2.0, math.inf], [0, 5, 10], 2.0),  # beyond the last bound: that bound
        (0.5, [-1.0, 1.0, math.inf], [10, 10, 10], -1.0),  # a lowest bound not above 0 is the answer
        (0.75, [-1.0, 1.0, math.inf], [10, 20, 20], 0.0),
        (0.5, [1.0, 2.0, math.inf], [0, 0, 0], math.nan),
        (1.0, [1.0, 2.0, math.inf], [10, 10, 10], 1.0),
        (0.0, [1.0, 2.0, math.inf], [10, 10, 10], 0.0),
        (0.9, [1.0, 2.0, 4.0, math.inf], [10, 8, 20, 20], 3.6),  # not monotonic: lifted
    ],
)
def test_interpolation_as_prometheus_documents_it(
    q: float, bounds: list[float], counts: list[float], value: float
) -> None:
    assert quantile(q, bounds, counts) == pytest.approx(value, nan_ok=True)


def test_no_quantile_without_infinity_or_with_one_bucket() -> None:
    assert math.isnan(quantile(0.5, [1.0, 2.0], [1, 2]))
    assert math.isnan(quantile(0.5, [math.inf], [1]))


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 4.9), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99]))
def test_within_a_bucket_of_numpy(values: list[float], q: float) -> None:
    counts = [float(sum(v <= bound for v in values)) for bound in BOUNDS]
    got = quantile(q, list(BOUNDS), counts)
    raw = float(np.quantile(values, q, method="inverted_cdf"))
    place = next(k for k, bound in enumerate(BOUNDS) if raw <= bound)
    low = BOUNDS[place - 1] if place else 0.0
    assert low - 1e-9 <= got <= BOUNDS[place] + 1e-9


class Sender:
    """A histogram that is scraped: cumulative buckets through a real gate, then derived from."""

    def __init__(self, most: int = 10, kind: MetricKind = MetricKind.COUNTER) -> None:
        self.registry = SeriesRegistry()
        self.gate = QualityGate()
        self.derived = HistogramQuantiles(self.registry, most)
        self.kind = kind

    def ids(self, name: str = "d", bounds: tuple[float, ...] = BOUNDS, source: str = "p") -> list[int]:
        return [
            self.registry.intern(
                f"{name}_bucket", {"le": "+Inf" if math.isinf(b) else str(b), "job": "x"}, source, self.kind
            )
            for b in bounds
        ]

    def send(self, at: int, ids: list[int], counts: list[float]) -> dict[str, float]:
        """What is told after one scrape."""
        samples = MetricBatch(
            np.array(ids, np.uint32), np.full(len(ids), T0 + at * SECOND), np.array(counts, float)
        )
        kinds, blocked = self.registry.kind_codes(), self.registry.blocked()
        admitted = self.gate.admit(samples, T0 + at * SECOND, kinds, blocked).admitted
        self.last = self.derived.take(admitted)
        return {
            self.registry.info(s).text(): v
            for s, v in zip(self.last.series.tolist(), self.last.value.tolist(), strict=True)
        }


def cumulative(values: NDArray[np.float64]) -> list[float]:
    return [float(np.sum(values <= bound)) for bound in BOUNDS]


def test_quantiles_of_what_came_between_two_scrapes() -> None:
    sender = Sender()
    ids = sender.ids()
    rng = np.random.default_rng(3)
    total = np.zeros(len(BOUNDS))
    assert sender.send(0, ids, [5.0] * 6) == {}
    for turn in range(1, 5):
        values = rng.exponential(0.2, 400)
        counts = np.array(cumulative(values))
        total += counts
        got = sender.send(turn * STEP, ids, (5.0 + total).tolist())
        assert got == pytest.approx(
            {
                f'd:p{name}{{job="x"}}': quantile(q, list(BOUNDS), counts.tolist())
                for name, q in ((50, 0.5), (90, 0.9), (99, 0.99))
            }
        )
    info = sender.registry.info(sender.last.series[0])
    assert (info.kind, info.source) == (MetricKind.GAUGE, "derived")


@settings(deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.permutations(range(6)))
def test_buckets_may_come_in_any_order_and_any_batches(sizes: list[int], order: list[int]) -> None:
    whole, cut = Sender(), Sender()
    first, second = [0.0] * 6, [10.0, 30.0, 70.0, 80.0, 95.0, 100.0]
    a, b = whole.ids(), cut.ids()
    for at, counts in ((0, first), (STEP, second)):
        want = whole.send(at, a, counts)
        got: dict[str, float] = {}
        edges = [0, *np.cumsum(sizes).tolist(), 6]
        for low, high in itertools.pairwise(edges):
            rows = order[low:high]
            if rows:
                got |= cut.send(at, [b[k] for k in rows], [counts[k] for k in rows])
    # Cut at the first time, the deriver knows not all buckets yet; from the second on it waits for them.
    third = [20.0, 60.0, 140.0, 160.0, 190.0, 200.0]
    want, got = (
        whole.send(2 * STEP, a, third),
        cut.send(2 * STEP, [b[k] for k in order], [third[k] for k in order]),
    )
    assert got == want != {}


def test_too_few_observations_have_no_quantile_and_end_it() -> None:
    sender = Sender()
    ids = sender.ids()
    sender.send(0, ids, [0.0] * 6)
    assert len(sender.send(STEP, ids, [100.0] * 6)) == 3
    assert list(sender.send(2 * STEP, ids, [150.0] * 6)) == [f'd:p{p}{{job="x"}}' for p in (50, 90, 99)]
    assert math.isnan(sender.last.value[2])
    assert sender.last.value[2:].view(np.uint64).tolist() == [STALE_MARKER_BITS]
    sender.send(3 * STEP, ids, [155.0] * 6)
    assert np.isnan(sender.last.value).all()
    assert sender.send(4 * STEP, ids, [160.0] * 6) == {}, "it ended before"


def test_a_reset_gives_nothing_and_the_next_scrape_does() -> None:
    sender = Sender()
    ids = sender.ids()
    sender.send(0, ids, [500.0] * 6)
    sender.send(STEP, ids, [600.0] * 6)
    assert sender.send(2 * STEP, ids, [3.0] * 6) == {}
    assert len(sender.send(3 * STEP, ids, [203.0] * 6)) == 3


def test_a_missing_bucket_is_left_out_and_without_infinity_nothing_is_told() -> None:
    sender = Sender()
    ids = sender.ids()
    sender.send(0, ids, [0.0] * 6)
    sender.send(STEP, ids, [100.0] * 6)
    without = [ids[0], *ids[2:]]
    sender.send(2 * STEP, without, [100.0, 300.0, 300.0, 300.0, 300.0])
    got = sender.send(3 * STEP, without, [100.0, 500.0, 500.0, 500.0, 500.0])
    assert got['d:p50{job="x"}'] == pytest.approx(0.01 + 0.5 * 0.49)
    sender.send(4 * STEP, ids[:-1], [700.0] * 5)
    assert sender.send(5 * STEP, ids[:-1], [900.0] * 5) == {}


def test_deltas_count_as_they_are() -> None:
    sender = Sender(kind=MetricKind.DELTA)
    ids = sender.ids()
    sender.send(0, ids, [1.0] * 6)
    got = sender.send(STEP, ids, [0.0, 50.0, 100.0, 100.0, 100.0, 100.0])
    assert got['d:p50{job="x"}'] == pytest.approx(0.1)


def test_histograms_beyond_the_bound_are_counted_and_silent_ones_give_up_their_place() -> None:
    sender = Sender(most=1)
    a, b = sender.ids("a"), sender.ids("b")
    sender.send(0, a, [0.0] * 6)
    assert sender.send(1, b, [0.0] * 6) == {}
    assert sender.derived.refused == 6
    assert len(sender.derived) == 1
    sender.send(2, a, [100.0] * 6)
    late = sender.ids("c")
    sender.send(7200, late, [0.0] * 6)
    assert list(sender.send(7200 + STEP, late, [100.0] * 6)) == [f'c:p{p}{{job="x"}}' for p in (50, 90, 99)]
    assert len(sender.derived) == 1


def test_what_is_no_usable_bucket_is_left_alone() -> None:
    sender = Sender()
    registry = sender.registry
    ids = [
        registry.intern("a_bucket", {"le": "high"}, "p"),
        registry.intern("a_bucket", {}, "p"),
        registry.intern("a", {"le": "1"}, "p", MetricKind.COUNTER),
        registry.intern("b_bucket", {"le": "1"}, "p", MetricKind.GAUGE),
        registry.intern("c_bucket", {"le": "1"}, "derived", MetricKind.COUNTER),
        registry.intern("d_bucket", {"le": "nan"}, "p"),
    ]
    sender.send(0, ids, [1.0] * 6)
    assert len(sender.derived) == 0
    many = sender.ids("m", tuple(float(k) for k in range(MOST_BUCKETS + 20)))
    sender.send(1, many, [1.0] * len(many))
    assert sender.derived._state.size[0] == MOST_BUCKETS
