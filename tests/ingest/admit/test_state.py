"""The gate's memory: roll-back, restart, snapshots, growth, and independence of cuts and company."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.admit import QualityGate
from stormpetrel.ingest.series import REFUSED_SERIES
from stormpetrel.model.quality import Quality
from stormpetrel.model.query import LastSamples
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
KINDS = np.array([0, 1, 2, 3, 1, 2], np.uint8)
BLOCKED = np.array([0, 0, 0, 0, 0, Quality.KIND_CHANGED], np.uint8)
STALE = np.array([STALE_MARKER_BITS], np.int64).view(np.float64)[0]

ids = st.sampled_from([0, 1, 2, 3, 4, 5, REFUSED_SERIES])
seconds = st.integers(-8000, 400) | st.integers(-60, 0)
values = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, float("nan"), float("inf"), STALE]) | st.floats(
    0, 9, width=16
)
rows = st.lists(st.tuples(ids, seconds, values), max_size=40)


def to_batch(listed: list[tuple[int, int, float]]) -> MetricBatch:
    return MetricBatch(
        np.array([r[0] for r in listed], np.uint32),
        np.array([NOW + r[1] * SECOND for r in listed], np.int64),
        np.array([r[2] for r in listed], np.float64),
    )


def in_order(listed: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    return sorted(listed, key=lambda row: row[1])


def fresh() -> QualityGate:
    return QualityGate(stuck_samples=20)


def admit(gate: QualityGate, listed: list[tuple[int, int, float]]) -> Any:
    return gate.admit(to_batch(listed), NOW, KINDS, BLOCKED)


def assert_same_state(one: QualityGate, other: QualityGate) -> None:
    a, b = one.snapshot(), other.snapshot()
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


@settings(deadline=None)  # the first call compiles
@given(rows, rows)
def test_rollback_restores_everything(before: Any, batch: Any) -> None:
    gate, untouched = fresh(), fresh()
    admit(gate, in_order(before))
    admit(untouched, in_order(before))
    gate.rollback(admit(gate, batch))
    assert_same_state(gate, untouched)
    again, first = admit(gate, batch), admit(untouched, batch)
    assert again.verdict.tobytes() == first.verdict.tobytes()


def test_rollback_of_a_batch_that_made_the_gate_grow() -> None:
    gate, untouched = fresh(), fresh()
    kinds, blocked = np.ones(5000, np.uint8), np.zeros(5000, np.uint8)
    batch = MetricBatch(np.arange(5000, dtype=np.uint32), np.full(5000, NOW), np.ones(5000))
    gate.rollback(gate.admit(batch, NOW, kinds, blocked))
    assert len(gate) == 0
    assert_same_state(gate, untouched)


def test_only_the_newest_admission_is_rolled_back_and_once() -> None:
    gate = fresh()
    first = admit(gate, [(1, 0, 1.0)])
    second = admit(gate, [(1, 1, 2.0)])
    with pytest.raises(ValueError, match="only the newest"):
        gate.rollback(first)
    gate.rollback(second)
    for admission in (second, first):
        with pytest.raises(ValueError, match="only the newest"):
            gate.rollback(admission)


@settings(deadline=None)  # the first call compiles
@given(rows, st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_answers_do_not_depend_on_cuts(listed: Any, cuts: Any, ordered: Any) -> None:
    listed = in_order(listed) if ordered else listed
    whole, cut_up = fresh(), fresh()
    one = admit(whole, listed)
    edges = sorted({0, len(listed), *(cut for cut in cuts if cut < len(listed))})
    parts = [admit(cut_up, listed[a:b]) for a, b in pairwise(edges)]
    assert one.verdict.tobytes() == b"".join(p.verdict.tobytes() for p in parts)
    assert one.admitted.signal.tobytes() == b"".join(p.admitted.signal.tobytes() for p in parts)
    assert one.admitted.resumed.tobytes() == b"".join(p.admitted.resumed.tobytes() for p in parts)
    if listed:
        assert_same_state(whole, cut_up)


@settings(deadline=None)  # the first call compiles
@given(rows, ids)
def test_answers_do_not_depend_on_other_series(listed: Any, series: int) -> None:
    listed = in_order(listed)
    together = admit(fresh(), listed).verdict
    alone = admit(fresh(), [row for row in listed if row[0] == series]).verdict
    mine = [verdict for verdict, row in zip(together, listed, strict=True) if row[0] == series]
    assert mine == list(alone)


@settings(deadline=None)  # the first call compiles
@given(rows, rows)
def test_a_restored_gate_goes_on_as_the_first(before: Any, after: Any) -> None:
    gate, restored = fresh(), fresh()
    admit(gate, in_order(before))
    restored.restore(gate.snapshot())
    one, other = admit(gate, after), admit(restored, after)
    assert one.verdict.tobytes() == other.verdict.tobytes()
    assert one.admitted.signal.tobytes() == other.admitted.signal.tobytes()
    assert_same_state(gate, restored)


@settings(deadline=None)  # the first call compiles
@given(rows)
def test_what_is_kept_is_in_order_and_finite(listed: Any) -> None:
    kept = admit(fresh(), listed).admitted.batch
    assert np.isfinite(kept.value).all()
    for series in np.unique(kept.series):
        times = kept.time_unix_nano[kept.series == series]
        assert (np.diff(times) > 0).all()


@pytest.mark.parametrize("damage", ["version", "missing", "short"])
def test_a_snapshot_that_does_not_fit_is_refused(damage: str) -> None:
    snapshot = fresh().snapshot()
    if damage == "version":
        snapshot["version"] = np.array([99])
    elif damage == "missing":
        del snapshot["ring_time"]
    else:
        snapshot["moves"] = np.zeros(3, np.uint16)
    with pytest.raises(ValueError, match=r"version 99|lacks ring_time|differ in length"):
        fresh().restore(snapshot)


def last(series: int, at: int, value: float) -> LastSamples:
    return LastSamples(np.array([series], np.uint32), np.array([NOW + at * SECOND]), np.array([value]))


def test_a_resend_after_a_restart_is_a_duplicate() -> None:
    gate = fresh()
    gate.resume(last(2, -30, 5.0))
    answer = admit(gate, [(2, -30, 5.0), (2, -20, 15.0)])
    assert list(answer.verdict) == [Quality.DUPLICATE, Quality.GOOD]
    np.testing.assert_array_equal(answer.admitted.signal, [1.0])


def test_a_long_silence_over_a_restart_is_a_gap() -> None:
    gate = fresh()
    gate.resume(last(2, -3600, 5.0))
    answer = admit(gate, [(2, 0, 15.0)])
    assert list(answer.verdict) == [Quality.GAP]
    assert np.isnan(answer.admitted.signal).all()


def test_resume_takes_only_what_is_newer() -> None:
    gate = fresh()
    admit(gate, [(2, -20, 5.0), (2, -10, 6.0)])
    known = gate.snapshot()
    gate.resume(last(2, -20, 5.0))
    assert all(known[name].tobytes() == array.tobytes() for name, array in gate.snapshot().items())
    gate.resume(last(2, -5, 7.0))
    assert list(admit(gate, [(2, -5, 7.0)]).verdict) == [Quality.DUPLICATE]


def test_unknown_are_the_silent_but_not_the_ended() -> None:
    gate = fresh()
    for series in (1, 2, 3):
        admit(gate, [(series, 10 * k - 100, float(k)) for k in range(5)])  # newest at -60 s
    admit(gate, [(3, -50, STALE)])
    gate.resume(last(4, -200, 1.0))
    at = [list(np.flatnonzero(gate.unknown(NOW + second * SECOND))) for second in (-10, -9, 101)]
    assert at == [[], [1, 2], [1, 2, 4]]
    assert list(np.isnan(gate.intervals())) == [True, False, False, True, True]
    assert list(gate.last_times() != 0) == [False, True, True, True, True]


def test_memory_is_as_stated() -> None:
    arrays = [array for name, array in fresh_of(4096).items() if name != "version"]
    assert sum(array.nbytes for array in arrays) == 4096 * QualityGate.bytes_per_series <= 4096 * 136


def fresh_of(count: int) -> dict[str, np.ndarray]:
    gate = fresh()
    batch = MetricBatch(np.arange(count, dtype=np.uint32), np.full(count, NOW), np.ones(count))
    gate.admit(batch, NOW, np.ones(count, np.uint8), np.zeros(count, np.uint8))
    return gate.snapshot()
