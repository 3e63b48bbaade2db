"""Excursions: sharp edges are seen, noise and slow ways are not, and the cut of the input does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.context.waves import MINUTE, NOISE, T0, batch, noise, with_job

from stormpetrel.context.excursions import BEGAN, ENDED, LOST, SILENT, Edge, Excursions
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch


def edges_of(admitted: AdmittedMetrics, cuts: list[int]) -> list[Edge]:
    excursions, found, at = Excursions(), list[Edge](), 0
    for cut in [*sorted(cuts), len(admitted.batch)]:
        rows = np.arange(at, max(at, cut))
        part = AdmittedMetrics(admitted.batch.take(rows), admitted.signal[rows], admitted.resumed[rows])
        found += excursions.update(part)
        at = max(at, cut)
    return found


def test_a_job_begins_and_ends_where_it_does() -> None:
    admitted = batch(with_job(noise("normal", 1000, 1), 10_000, 500, 30), MINUTE)
    began, ended = edges_of(admitted, [])
    assert (began.kind, ended.kind) == (BEGAN, ENDED)
    assert began.start_unix_nano == ended.start_unix_nano == T0 + 500 * MINUTE
    assert ended.end_unix_nano == T0 + 529 * MINUTE
    assert 28 < ended.height < 32


def test_a_slow_way_up_and_a_single_spike_are_none() -> None:
    slow = noise("normal", 2000, 2)
    slow[500:1500] += np.linspace(0, 300, 1000)
    slow[1500:] += 300
    spikes = with_job(noise("normal", 2000, 3), 100, 150, 1)
    assert edges_of(batch(slow, MINUTE), []) == []
    assert edges_of(batch(spikes, MINUTE), []) == []


def test_a_job_that_runs_a_third_of_the_time_is_seen_all_the_same() -> None:
    found = edges_of(batch(with_job(noise("normal", 6000, 4), 24, 12, 8), 5 * 10**9), [])
    assert sum(edge.kind == ENDED for edge in found) > 220


def test_what_stays_is_the_new_level_and_a_silence_ends_what_was_under_way() -> None:
    values = noise("normal", 2000, 5)
    values[500:] += 50
    found = edges_of(batch(values, MINUTE), [])
    assert [edge.kind for edge in found] == [BEGAN, LOST]
    assert found[1].end_unix_nano - found[1].start_unix_nano > 8 * 3600 * 10**9
    job = batch(with_job(noise("normal", 1000, 6), 10_000, 500, 100), MINUTE)
    resumed = job.resumed.copy()
    resumed[550] = True
    assert [edge.kind for edge in edges_of(replace(job, resumed=resumed), [])] == [
        BEGAN,
        LOST,
        SILENT,
        BEGAN,
        ENDED,
    ]


@settings(deadline=None, max_examples=40)
@given(kind=st.sampled_from(NOISE), seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 1500), max_size=8),
       holes=st.lists(st.integers(0, 1499), max_size=30))  # fmt: skip
def test_neither_cuts_nor_other_series_nor_nan_change_the_edges(
    kind: str, seed: int, cuts: list[int], holes: list[int]
) -> None:
    values = with_job(noise(kind, 1500, seed), 300, 200, 20)
    whole = batch(values, MINUTE)
    expected = edges_of(whole, [])
    assert edges_of(whole, cuts) == expected
    # The same rows with another series between them, with repeats, and with values that are none.
    other = batch(noise("heavy", 1500, seed + 1), MINUTE, ids=1)
    both = MetricBatch.concat([whole.batch, other.batch, whole.batch])
    order = np.argsort(both.time_unix_nano, kind="stable")
    mixed = AdmittedMetrics(both.take(order), both.value[order], np.zeros(len(both), np.bool_))
    assert [edge for edge in edges_of(mixed, cuts) if edge.series == 0] == expected
    nothing = np.array(sorted(set(holes)), np.int64)
    gone = whole.signal.copy()
    gone[nothing] = np.nan
    kept = np.setdiff1d(np.arange(1500), nothing)
    without = AdmittedMetrics(whole.batch.take(kept), whole.signal[kept], whole.resumed[kept])
    assert edges_of(replace(whole, signal=gone), []) == edges_of(without, [])


def test_a_series_costs_what_is_said() -> None:
    excursions = Excursions()
    ids = np.arange(4096, dtype=np.uint32)
    rows = MetricBatch(ids, np.full(4096, T0), np.ones(4096))
    excursions.update(AdmittedMetrics(rows, rows.value, np.zeros(4096, np.bool_)))
    held = excursions.numbers.nbytes + excursions.counts.nbytes
    assert held == 4096 * Excursions.bytes_per_series
    assert Excursions.bytes_per_series <= 128
