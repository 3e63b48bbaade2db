"""Records by entity and severity: exact counts, zeros while the entity speaks, nothing while it does not."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.ingest.derive_levels import LevelSeries
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind

SECOND = 1_000_000_000
STEP = 30 * SECOND
GRID = WindowGrid(STEP, 10 * SECOND)
T0 = 1_000_000 * STEP


def following(most: int = 10) -> tuple[LevelSeries, SeriesRegistry]:
    registry = SeriesRegistry(1000)
    return LevelSeries(registry, GRID, most, T0), registry


def say(series: LevelSeries, *rows: tuple[int, str, int]) -> None:
    """Records by window, entity and severity."""
    series.take(
        build_logs(
            [T0 + window * STEP + k for k, (window, _, _) in enumerate(rows)], ["x"] * len(rows), source="s",
            entity=[entity for _, entity, _ in rows], severity_number=[level for _, _, level in rows],
        )
    )  # fmt: skip


def told(series: LevelSeries, window: int) -> MetricBatch:
    return series.advance(T0 + (window + 1) * STEP + 10 * SECOND)


def counts(registry: SeriesRegistry, batch: MetricBatch) -> dict[tuple[str, str, int], float]:
    """By metric, entity and window."""
    rows = zip(batch.series.tolist(), batch.time_unix_nano.tolist(), batch.value.tolist(), strict=True)
    found = {}
    for number, time, value in rows:
        info = registry.info(number)
        assert (info.kind, info.source) == (MetricKind.DELTA, "derived")
        assert dict(info.labels) == {"entity": info.entity}
        found[info.metric, info.entity, (time - T0) // STEP - 1] = value
    return found


def test_an_entity_is_counted_with_its_parts() -> None:
    series, registry = following()
    say(series, (0, "service:a", 9), (0, "service:a/pod:1", 17), (0, "service:a", 21), (0, "host:b", 13))
    assert counts(registry, told(series, 0)) == {
        ("log_records", "service:a", 0): 3.0, ("log_error_records", "service:a", 0): 2.0,
        ("log_records", "host:b", 0): 1.0, ("log_error_records", "host:b", 0): 0.0,
    }  # fmt: skip


def test_of_a_window_without_a_record_nothing_is_said() -> None:
    series, registry = following()
    say(series, (0, "service:a", 17))
    told(series, 0)
    assert not len(told(series, 1))
    say(series, (2, "host:b", 9))
    assert {entity for _, entity, _ in counts(registry, told(series, 2))} == {"host:b"}


def test_late_and_far_off_records_are_left_out() -> None:
    series, _ = following()
    told(series, 5)
    say(series, (3, "service:a", 9), (5000, "service:a", 9))
    assert not len(told(series, 6))


def test_there_are_no_more_entities_than_allowed() -> None:
    series, _ = following(most=3)
    say(series, *((0, f"host:{k}", 9) for k in range(8)))
    assert len(series) == 3
    assert series.overflow == 5
    assert len(told(series, 0)) == 6


def test_an_entity_that_is_gone_for_a_day_ends_its_series() -> None:
    series, _ = following(most=2)
    say(series, (0, "host:a", 9))
    told(series, 2880)
    say(series, (2890, "host:b", 9))
    ended = told(series, 2890).value.view(np.uint64).tolist()
    assert ended.count(STALE_MARKER_BITS) == 2
    assert len(series) == 1


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.sampled_from([0, 9, 16, 17, 24]))),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_the_counts_are_those_of_a_plain_count(rows: list[tuple[int, str, int]], cuts: list[int]) -> None:
    series, registry = following()
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for k in range(len(edges) - 1):
        say(series, *rows[edges[k] : edges[k + 1]])
    every = Counter((entity, window) for window, entity, _ in rows)
    errors = Counter((entity, window) for window, entity, level in rows if level >= 17)
    expected = {("log_records", *key): float(many) for key, many in every.items()}
    expected |= {("log_error_records", *key): float(errors[key]) for key in every}
    assert counts(registry, told(series, 10)) == expected
