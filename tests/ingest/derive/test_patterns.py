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


class Growing:
    """Patterns 1 to 3 become pattern 50 when told to."""

    def __init__(self) -> None:
        self.registry, self.became = SeriesRegistry(1000), False
        self.series = PatternSeries(self.registry, GRID, 10, self.find, T0)

    def find(self, pattern: int) -> Pattern | None:
        if not self.became or pattern not in (1, 2, 3, 50):
            return known(pattern)
        text = "says <*> <*>"
        return Pattern(50, "syslog/process:a", text, text, 1, T0, T0, {}, (), (), (), merged=(1, 2, 3))

    def told(self, window: int, **patterns: int) -> dict[str, float]:
        """By pattern; NaN where a series ended."""
        say(self.series, window, **patterns)
        batch = told(self.series, window)
        pairs = zip(batch.series.tolist(), batch.value.tolist(), strict=True)
        return {dict(self.registry.info(s).labels)["pattern"].lstrip("0"): value for s, value in pairs}


def test_series_of_patterns_that_became_one_end_and_one_of_the_whole_begins() -> None:
    growing = Growing()
    for window in range(6):
        found = growing.told(window, p1=10, p2=8, p3=7, p7=9)
    assert found == {"1": 10.0, "2": 8.0, "3": 7.0, "7": 9.0}
    growing.became = True
    found = growing.told(6, p1=2, p50=20, p3=1, p7=9)  # what was stored under the old ids still comes
    assert {name for name, value in found.items() if np.isnan(value)} == {"1", "2", "3"}
    assert {name: value for name, value in found.items() if not np.isnan(value)} == {"32": 23.0, "7": 9.0}
    assert growing.told(7, p2=1, p50=4, p7=9) == {"32": 5.0, "7": 9.0}
    assert len(growing.series) == 2


def test_a_single_series_goes_on_as_what_its_pattern_became() -> None:
    growing = Growing()
    for window in range(6):
        found = growing.told(window, p1=10, p2=int(window == 3))
    assert found == {"1": 10.0}
    growing.became = True
    assert growing.told(6, p50=20) == {"1": 20.0}
    assert growing.told(7, p1=3, p2=1, p50=4) == {"1": 8.0}


def test_a_pattern_that_comes_again_after_a_day_is_followed_again() -> None:
    series, _ = following()
    for window in (*range(6), *range(6, 3200, 100), *range(3200, 3206)):
        often = window < 6 or window >= 3200
        say(series, window, **{"p1" if often else f"p{window % 90 + 2}": RECORDS if often else 1})
        batch = told(series, window)
        if window == 3106:
            assert len(series) == 0
    assert batch.value.tolist() == [float(RECORDS)]


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
