"""A changed unit and an implausible number are named; a surge, an outage and a stop are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.admit.conftest import Bench

from stormpetrel.model.quality import Quality

GAUGE, COUNTER = 0, 1


def noisy(seed: int, count: int, level: float = 40.0, relative: float = 0.05) -> np.ndarray:
    return level * np.exp(np.random.default_rng(seed).normal(0.0, relative, count))


def rows(values: np.ndarray, series: int = GAUGE, start: float = 0.0) -> list[tuple[int, float, float]]:
    return [(series, start + 10.0 * k, float(value)) for k, value in enumerate(values)]


@pytest.mark.parametrize("factor", [100.0, 1000.0, 1024.0, 1e6, 1024.0**2, 1e9, 0.01, 1e-3, 1 / 1024])
def test_a_changed_unit_is_named_and_kept_apart_until_released(bench: Any, factor: float) -> None:
    assert set(bench.verdicts(rows(noisy(1, 200)))) == {Quality.GOOD}
    after = bench.verdicts(rows(factor * noisy(2, 60), start=2000.0))
    first = after.index(Quality.RESCALED)
    assert first < 20
    assert set(after[first:]) == {Quality.RESCALED}
    bench.gate.release(GAUGE)
    assert set(bench.verdicts(rows(factor * noisy(3, 100), start=2600.0))) == {Quality.GOOD}


def test_a_unit_that_changes_back_lets_the_series_in_again(bench: Any) -> None:
    bench.feed(rows(noisy(1, 200)))
    assert bench.verdicts(rows(1000 * noisy(2, 60), start=2000.0))[-1] is Quality.RESCALED
    assert set(bench.verdicts(rows(noisy(3, 60), start=2600.0))) == {Quality.GOOD}


def test_the_unit_of_a_counter_is_seen_in_its_rate(bench: Any) -> None:
    total = np.cumsum(noisy(4, 200))
    bench.feed(rows(total, COUNTER))
    after = total[-1] + 1024 * np.cumsum(noisy(5, 60))
    assert bench.verdicts(rows(after, COUNTER, 2000.0))[-1] is Quality.RESCALED


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(noisy(2, 60, level=40.0 * 37), id="a surge by no factor"),
        pytest.param(noisy(2, 60, level=40.0 * 1000, relative=0.4), id="a surge that is wilder"),
        pytest.param(np.full(60, 40.0 * 100), id="saturated at a hundredfold"),
        pytest.param(np.zeros(60), id="nothing any more"),
        pytest.param(noisy(2, 60, level=40.0 * 3), id="three times as much"),
    ],
)
def test_what_is_no_unit_goes_to_the_detectors(bench: Any, after: np.ndarray) -> None:
    bench.feed(rows(noisy(1, 200)))
    assert Quality.RESCALED not in bench.verdicts(rows(after, start=2000.0))


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_ten_times_as_much_may_be_a_surge_and_is_named_once_and_kept(bench: Any, factor: float) -> None:
    bench.feed(rows(noisy(1, 200)))
    after = bench.verdicts(rows(factor * noisy(2, 300), start=2000.0))
    assert [k for k, verdict in enumerate(after) if verdict is not Quality.GOOD] == [63]
    assert after[63] is Quality.TENFOLD
    assert bench.verdicts(rows(factor * 1000 * noisy(3, 60), start=5000.0))[-1] is Quality.RESCALED


def test_eight_times_as_much_is_not_tenfold(bench: Any) -> None:
    bench.feed(rows(noisy(1, 200)))
    assert set(bench.verdicts(rows(noisy(2, 300, level=40.0 * 8), start=2000.0))) == {Quality.GOOD}


def test_a_processor_from_one_percent_to_all_is_no_unit(bench: Any) -> None:
    bench.feed(rows(np.full(200, 1.0)))
    assert Quality.RESCALED not in bench.verdicts(rows(np.full(60, 100.0), start=2000.0))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from(["normal", "exponential", "walk", "daily", "steps"]))
def test_series_whose_unit_stays_are_never_called_rescaled(seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    n = 3000
    make: dict[str, Callable[[], np.ndarray]] = {
        "normal": lambda: 100 + rng.normal(0, 5, n),
        "exponential": lambda: rng.exponential(3.0, n),
        "walk": lambda: 1e4 * np.exp(np.cumsum(rng.normal(0, 0.01, n))),
        "daily": lambda: (20 + 18 * np.sin(np.arange(n) / 120)) * np.exp(rng.normal(0, 0.1, n)),
        "steps": lambda: np.repeat(rng.integers(1, 50, n // 100 + 1), 100)[:n].astype(float),
    }
    values = make[shape]()
    assert Quality.RESCALED not in Bench().verdicts(rows(values))


@pytest.mark.parametrize("value", [1e200, -1e250, 1e300, 1.7e308])
def test_what_a_flipped_bit_leaves_is_kept_apart(bench: Any, value: float) -> None:
    bench.steady(GAUGE, 30)
    assert bench.verdicts([(GAUGE, 300, value), (GAUGE, 310, 7.0)]) == [Quality.IMPLAUSIBLE, Quality.GOOD]


@pytest.mark.parametrize("value", [1.7e18, 6.4e12, -3e15, 1e20])
def test_large_numbers_that_people_count_are_plausible(bench: Any, value: float) -> None:
    bench.feed([(GAUGE, 10.0 * k, 0.0) for k in range(30)])
    assert bench.verdicts([(GAUGE, 300, value)]) == [Quality.GOOD]


def test_a_series_of_large_numbers_may_have_larger_ones(bench: Any) -> None:
    bench.feed([(GAUGE, 10.0 * k, 1e22 + k * 1e20) for k in range(30)])
    assert bench.verdicts([(GAUGE, 300, 1e30)]) == [Quality.GOOD]


def test_a_new_rate_of_sampling_is_told_once(bench: Any) -> None:
    bench.steady(GAUGE, 30)
    faster = [(GAUGE, 290 + 2.0 * k, float(k)) for k in range(1, 40)]
    assert bench.verdicts(faster).count(Quality.INTERVAL_CHANGED) == 1
    assert bench.gate.intervals()[GAUGE] == pytest.approx(2.0, rel=0.01)


def test_an_irregular_sender_has_no_rate_to_change(bench: Any) -> None:
    waits = np.random.default_rng(3).uniform(5.0, 15.0, 300)
    irregular = [(GAUGE, float(at), float(k)) for k, at in enumerate(np.cumsum(waits))]
    assert Quality.INTERVAL_CHANGED not in bench.verdicts(irregular)


def test_quality_falls_with_garbage_and_tells_what_it_was(bench: Any) -> None:
    bench.steady(GAUGE, 30)
    assert bench.gate.trouble.quality(GAUGE) == 1.0
    bench.feed([(GAUGE, 300 + 10.0 * k, float("nan")) for k in range(100)])
    assert bench.gate.trouble.quality(GAUGE) < 0.2
    assert bench.gate.trouble.seen(GAUGE) == [Quality.NOT_FINITE]
    assert bench.gate.trouble.worst(5) == [GAUGE]
    bench.gate.trouble.reset(GAUGE)
    assert bench.gate.trouble.worst(5) == []
