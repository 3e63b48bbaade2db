"""Frequent patterns become series: exact counts, zeros while the source speaks, nothing while it does not."""

from __future__ import annotations

import numpy as np

from stormpetrel.ingest.derive_patterns import RECORDS, PatternSeries
from stormpetrel.ingest.derive_windows import WindowGrid
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind

SECOND = 1_000_000_000
GRID = WindowGrid(30 * SECOND, 10 * SECOND)
T0 = 1_000_000 * 30 * SECOND


def known(pattern: int) -> Pattern | None:
    """Patterns below 100 are of one source, the others of another; 999 was let go."""
    if pattern == 999:
        return None
    source = "syslog/process:a" if pattern < 100 else "syslog/process:b"
    return Pattern(pattern, source, f"says {pattern} <*>", f"says {pattern} <*>", 1, T0, T0, {}, (), (), ())


def following(most: int = 10) -> tuple[PatternSeries, SeriesRegistry]:
    registry = SeriesRegistry(1000)
    return PatternSeries(registry, GRID, most, known, T0), registry


def say(series: PatternSeries, window: int, **patterns: int) -> None:
    rows = [int(name[1:]) for name, many in patterns.items() for _ in range(many)]
    times = [T0 + window * 30 * SECOND + k * 1000 for k in range(len(rows))]
    series.take(build_logs(times, ["x"] * len(rows), source="syslog", entity="host:w", pattern=rows))


def told(series: PatternSeries, window: int) -> MetricBatch:
    return series.advance(T0 + (window + 1) * 30 * SECOND + 10 * SECOND)


def test_a_frequent_pattern_is_counted_exactly() -> None:
    series, registry = following()
    for window in range(4):
        say(series, window, p1=10, p2=1)
        assert not len(told(series, window))
    say(series, 4, p1=7)
    batch = told(series, 4)
    assert batch.value.tolist() == [7.0]
    assert batch.time_unix_nano.tolist() == [T0 + 5 * 30 * SECOND]
    info = registry.info(int(batch.series[0]))
    assert (info.metric, info.kind, info.entity) == ("log_pattern_records", MetricKind.DELTA, "host:w")
    assert dict(info.labels) == {
        "entity": "host:w",
        "log": "syslog/process:a", "pattern": f"{1:016x}", "template": "says 1 <*>",
    }  # fmt: skip


def test_silence_is_zero_only_while_the_source_speaks() -> None:
    series, _ = following()
    for window in range(6):
        say(series, window, p1=RECORDS)
        told(series, window)
    say(series, 6, p2=1)
    assert told(series, 6).value.tolist() == [0.0]
    say(series, 7, p101=1)  # another source
    assert not len(told(series, 7))
    assert not len(told(series, 8))


def test_late_records_are_counted_while_their_window_waits() -> None:
    series, _ = following()
    for window in range(5):
        say(series, window, p1=RECORDS)
        if window < 4:
            told(series, window)
    say(series, 4, p1=3)
    assert told(series, 4).value.tolist() == [RECORDS + 3.0]
    say(series, 4, p1=3)
    assert series.late == 3
    assert not len(told(series, 5))


def test_there_are_no_more_series_than_allowed() -> None:
    series, _ = following(most=3)
    patterns = {f"p{k}": 20 for k in range(1, 9)}
    for window in range(6):
        say(series, window, **patterns)
        batch = told(series, window)
    assert len(series) == 3 == len(batch)


def test_a_pattern_that_is_gone_for_a_day_ends_its_series() -> None:
    series, _ = following()
    for window in range(6):
        say(series, window, p1=RECORDS)
        told(series, window)
    ended = []
    for window in range(6, 3200, 100):
        say(series, window, **{f"p{window}": 1})
        batch = told(series, window)
        ended += batch.value.view(np.uint64).tolist()
    assert STALE_MARKER_BITS in ended
    assert len(series) == 0


def test_memory_of_patterns_is_bounded_whatever_comes() -> None:
    registry = SeriesRegistry(1000)
    series = PatternSeries(
        registry, GRID, 10,
        lambda k: Pattern(k, "s", f"<*> {k}", f"<*> {k}", 1, T0, T0, {}, (), (), ()), T0,
    )  # fmt: skip
    for window in range(8):
        rows = list(range(1 + 9_000 * window, 9_001 + 9_000 * window)) + [10**9] * 40
        series.take(
            build_logs([T0 + window * 30 * SECOND] * len(rows), ["x"] * len(rows), source="s", pattern=rows)
        )
        batch = told(series, window)
    assert len(series._followed) <= 50_001
    assert batch.value.tolist() == [40.0]  # what is a series goes on


def test_what_was_let_go_or_not_mined_is_left_out() -> None:
    series, _ = following()
    for window in range(8):
        say(series, window, p999=50, p0=50)
        assert not len(told(series, window))
