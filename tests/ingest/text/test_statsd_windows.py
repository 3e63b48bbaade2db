"""StatsD lines to windows of samples."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.statsd import Bounds, StatsdWindows
from stormpetrel.ingest.statsd_line import LineError, read_line
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds

T0 = from_seconds(1_700_000_000)  # on the grid of ten seconds
SECOND = from_seconds(1)
END = T0 + 10 * SECOND


class Summed:
    """Windows over a registry of their own, and samples by the text of their series."""

    def __init__(self, **bounds: int) -> None:
        self.registry = SeriesRegistry()
        self.windows = StatsdWindows(self.registry, bounds=Bounds(**bounds))

    def told(self, batch: MetricBatch) -> dict[str, float]:
        texts = [self.registry.info(int(series)).text() for series in batch.series]
        assert len(set(texts)) == len(texts)
        return dict(zip(texts, batch.value.tolist(), strict=True))

    def window(self, *packets: str) -> dict[str, float]:
        for packet in packets:
            self.windows.add(packet.encode(), T0 + SECOND)
        assert len(self.windows.flush(END - 1)) == 0
        batch = self.windows.flush(END)
        assert set(batch.time_unix_nano.tolist()) <= {END}
        return self.told(batch)

    def reasons(self) -> dict[str, int]:
        return {refused.reason: refused.rows for refused in self.windows.rejected()}


def test_counters_are_sums_with_sample_rates() -> None:
    summed = Summed()
    assert summed.window("hits:1|c\nhits:2|c|@0.5", "hits:-1|c", "other:3:4|c") == {"hits": 4.0, "other": 7.0}
    assert summed.registry.info(0).kind is MetricKind.DELTA


def test_gauges_take_values_and_changes() -> None:
    summed = Summed()
    assert summed.window("g:10|g\ng:+2.5|g\ng:-5|g", "new:-3|g") == {"g": 7.5, "new": -3.0}
    summed.windows.add(b"g:+1|g", END)
    assert summed.told(summed.windows.flush(END + 10 * SECOND)) == {"g": 8.5}  # and nothing of the silent one


@pytest.mark.parametrize("kind", ["ms", "h", "d"])
def test_timers_have_counts_sums_and_quantiles(kind: str) -> None:
    summed = Summed()
    lines = "\n".join(f"t:{n}|{kind}" for n in range(1, 101))
    got = summed.window(lines, f"t:50|{kind}|@0.1")
    assert got == {
        "t_count": 110.0,
        "t_sum": 5050.0 + 500,
        "t_min": 1.0,
        "t_max": 100.0,
        't{quantile="0.5"}': 50.0,
        't{quantile="0.9"}': 90.0,
        't{quantile="0.99"}': 99.0,
    }
    units = {info.unit for info in summed.registry.search("t_sum", 9)[0]}
    assert units == ({"ms"} if kind == "ms" else {""})


def test_sets_count_members() -> None:
    assert Summed().window("u:alice|s\nu:bob|s", "u:alice|s", "u:a:b|s") == {"u": 3.0}


def test_tags_become_labels_and_name_the_entity() -> None:
    summed = Summed()
    got = summed.window(
        "a:1|c|#env:prod,host:web-1,flag\na:2|c|#host:web-1,flag,env:prod", "a,host=x:5|c", "a:9|c"
    )
    assert got == {'a{env="prod",flag="true",host="web-1"}': 3.0, 'a{host="x"}': 5.0, "a": 9.0}
    entities = [summed.registry.info(series).entity for series in range(3)]
    assert entities == ["host:web-1", "host:x", "job:statsd"]


def test_silent_counters_are_zero_and_silent_names_end() -> None:
    summed = Summed()
    summed.window("c:1|c\ng:1|g\nt:1|h\ns:a|s")
    assert summed.told(summed.windows.flush(END + 10 * SECOND)) == {
        "c": 0.0,
        "t_count": 0.0,
        "t_sum": 0.0,
        "s": 0.0,
    }
    batches = [summed.windows.flush(END + n * 10 * SECOND) for n in range(2, 363)]
    ended = next(b for b in batches if np_stale(b))
    assert len(ended) == 4 + 1 + 1 + 7 + 1  # the last zeros, and a marker for each series
    assert len(batches[-1]) == 0


def np_stale(batch: MetricBatch) -> bool:
    return bool((batch.value.view("int64") == STALE_MARKER_BITS).any())


def test_a_clock_that_goes_back_opens_no_window_again() -> None:
    summed = Summed()
    summed.window("c:1|c")
    summed.windows.add(b"c:5|c", T0 - 100 * SECOND)
    batch = summed.windows.flush(END + 10 * SECOND)
    assert (summed.told(batch), batch.time_unix_nano.tolist()) == ({"c": 5.0}, [END + 10 * SECOND])


def test_the_window_under_way_is_told_at_the_end() -> None:
    summed = Summed()
    summed.windows.add(b"c:5|c", T0 + SECOND)
    batch = summed.windows.finish(T0 + 3 * SECOND)
    assert (summed.told(batch), batch.time_unix_nano.tolist()) == ({"c": 5.0}, [T0 + 3 * SECOND])
    assert len(summed.windows.finish(T0 + 3 * SECOND)) == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("novalue", "malformed"), ("a:1", "malformed"), ("a:1|x", "malformed"), (":1|c", "malformed"),
        ("a:|c", "malformed"), ("a:1|c|@0", "bad_sample_rate"), ("a:1|c|@2", "bad_sample_rate"),
        ("a:1|c|@x", "bad_sample_rate"), ("a:nan|g", "bad_value"), ("a:inf|g", "bad_value"),
        ("a:1e999|g", "bad_value"), ("a:1_0|c", "bad_value"), ("a:1::2|c", "bad_value"),
        ("_e{1,1}:a|b", "unsupported"), ("_sc|a|0", "unsupported"), ("a:1|c|T1700000000", "unsupported"),
        ("n" * 201 + ":1|c", "bad_name"), ("a:" + "m" * 501 + "|s", "bad_value"),
        ("a:1|c|#" + ",".join(f"t{n}:1" for n in range(33)), "too_many_tags"),
    ],
)  # fmt: skip
def test_lines_that_are_refused(line: str, reason: str) -> None:
    summed = Summed()
    assert summed.window(f"good:1|c\n{line}\ngood:1|c") == {"good": 2.0}
    assert summed.reasons() == {reason: 1}
    with pytest.raises(LineError, match=reason):
        summed.windows._take(read_line(line))


def test_names_and_members_have_bounds() -> None:
    summed = Summed(heads=2, members=2, members_in_all=3)
    got = summed.window("a:1|s\na:2|s\na:3|s\nb:1|s\nb:2|s\nc:1|c")
    assert got == {"a": 2.0, "b": 1.0}
    assert summed.reasons() == {"set_full": 2, "too_many_series": 1}


def test_the_values_of_a_timer_have_a_bound_and_stay_spread() -> None:
    summed = Summed(values=100)
    got = summed.window("\n".join(f"t:{n}|h" for n in range(10_000)))
    assert len(summed.windows._heads) == 1
    assert (got["t_count"], got["t_max"]) == (10_000.0, 9999.0)
    assert math.isclose(got['t{quantile="0.5"}'], 5000, rel_tol=0.05)
    assert math.isclose(got['t{quantile="0.9"}'], 9000, rel_tol=0.05)


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_any_bytes_are_taken_or_counted(packets: list[bytes]) -> None:
    summed = Summed()
    for packet in packets:
        summed.windows.add(packet, T0)
    batch = summed.windows.flush(END)
    assert not batch.value.size or bool((batch.value == batch.value).all())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-99, 99)), max_size=50), st.integers(1, 9))
def test_sums_do_not_depend_on_the_packets(told: list[tuple[str, int]], size: int) -> None:
    lines = [f"{name}:{value}|c" for name, value in told]
    one, many = Summed(), Summed()
    got = one.window("\n".join(lines))
    assert got == many.window(*["\n".join(lines[n : n + size]) for n in range(0, len(lines), size)])
    assert got == {name: float(sum(v for n, v in told if n == name)) for name, _ in told}
