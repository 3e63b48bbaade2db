"""Kinds and units that become known late, and those that change."""

from __future__ import annotations

import numpy as np
import pytest

from stormpetrel.ingest.series import KIND_CODES, SeriesRegistry
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import MetricKind

GAUGE, COUNTER, UNKNOWN = MetricKind.GAUGE, MetricKind.COUNTER, MetricKind.UNKNOWN


@pytest.mark.parametrize(("metric", "guess"), [("a", UNKNOWN), ("a_sum", COUNTER)])
def test_a_guessed_kind_is_learnt_and_fresh_again(metric: str, guess: MetricKind) -> None:
    registry = SeriesRegistry()
    series = registry.intern(metric, {}, "s")
    assert registry.info(series).kind is guess
    registry.stored(registry.fresh())
    registry.declare(series, GAUGE, "bytes")
    assert (registry.info(series).kind, registry.info(series).unit) == (GAUGE, "bytes")
    assert registry.fresh() == [registry.info(series)]
    assert registry.blocked()[series] == 0
    assert registry.kind_codes()[series] == KIND_CODES[GAUGE]


def test_a_declared_kind_that_changes_blocks_until_released() -> None:
    registry = SeriesRegistry()
    series = registry.intern("a_total", {}, "s", COUNTER)
    registry.declare(series, GAUGE)
    assert registry.blocked()[series] == Quality.KIND_CHANGED
    assert registry.info(series).kind is COUNTER
    registry.release(series)
    assert registry.info(series).kind is GAUGE
    registry.declare(series, GAUGE)
    assert registry.blocked()[series] == 0, "the released kind is the series' kind now"


def test_a_guess_that_was_confirmed_is_a_declaration() -> None:
    registry = SeriesRegistry()
    series = registry.intern("a_total", {}, "s")
    registry.declare(series, COUNTER)
    registry.declare(series, GAUGE)
    assert registry.blocked()[series] == Quality.KIND_CHANGED


def test_units_are_learnt_once() -> None:
    registry = SeriesRegistry()
    series = registry.intern("a", {}, "s", GAUGE)
    registry.intern("a", {}, "s", GAUGE, "s")
    assert registry.info(series).unit == "s"
    registry.intern("a", {}, "s", GAUGE, "ms")
    assert registry.blocked()[series] == Quality.UNIT_CHANGED
    registry.release(series)
    assert registry.info(series).unit == "ms"


def test_release_confirms_what_the_sender_says_now() -> None:
    registry = SeriesRegistry()
    series = registry.intern("a", {}, "s", GAUGE)
    registry.declare(series, COUNTER)
    registry.declare(series, GAUGE)
    registry.release(series)
    assert registry.info(series).kind is GAUGE


def test_a_series_that_changes_while_it_is_stored_stays_fresh() -> None:
    registry = SeriesRegistry()
    series = registry.intern("a", {}, "s")
    underway = registry.fresh()
    registry.declare(series, GAUGE)
    registry.stored(underway)
    assert registry.fresh() == [registry.info(series)]
    registry.stored(registry.fresh())
    assert registry.fresh() == []


def test_kind_codes_follow_growth_and_load() -> None:
    registry = SeriesRegistry()
    for i in range(3000):
        registry.intern(f"m{i}", {}, "s", GAUGE if i % 2 else COUNTER)
    other = SeriesRegistry()
    other.load([registry.info(i) for i in range(len(registry))])
    for one in (registry, other):
        codes = one.kind_codes()[:3000]
        assert np.array_equal(codes, np.where(np.arange(3000) % 2, 1, 2))


def test_after_a_restart_only_what_the_name_gives_counts_as_guessed() -> None:
    before = SeriesRegistry()
    guessed, declared = before.intern("a_total", {}, "s"), before.intern("b", {}, "s", GAUGE)
    after = SeriesRegistry()
    after.load([before.info(guessed), before.info(declared)])
    after.declare(guessed, GAUGE)
    after.declare(declared, COUNTER)
    assert after.blocked()[[guessed, declared]].tolist() == [0, Quality.KIND_CHANGED]
