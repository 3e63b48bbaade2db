"""Admission: the quality gate between the decoders and everything that stores or learns.

Rules, in this order; the first that fits is the verdict (`model.quality.Quality`):

1. `CARDINALITY`: the series was refused by the registry.
2. `KIND_CHANGED`, `UNIT_CHANGED`: the series is blocked until a person releases it.
3. `STALE_MARKER`: the series ended; its next sample counts as resumed. A marker older than the newest
   sample, or of the future, says nothing any more and is only counted.
4. `NOT_FINITE`, then `FUTURE`.
5. Not newer than the series' newest sample: `DUPLICATE` when it repeats that sample or one of the four
   before it bit for bit, `CONFLICT` when the time is known with another value, else `TOO_OLD` beyond the
   lateness bound, else `OUT_OF_ORDER`.
6. `TOO_OLD`.
7. Accepted, and then: `COUNTER_RESET` when a counter went down, `GAP` when the series was silent for
   longer than `gap_factor` of its usual intervals or had ended, `STUCK` once when a series that moved in
   at least half of its samples (and at least 20 times) has repeated one value `stuck_samples` times,
   else `GOOD`.

What detectors judge (`AdmittedMetrics.signal`) is the value of a gauge or of an unknown kind, the rate
per second of a counter (the increase over the time since the sample before), and a delta divided by that
time. It is NaN for the first sample, the reset and the sample after a gap of counters and deltas: the
time that they cover is not known well enough to divide by.

The usual interval is the mean of the first three, then a clipped running mean; three gaps in a row mean
that the sender changed its interval, which is then learnt anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.admit_kernel import (
    INTERVALS_NEEDED,
    Bounds,
    Out,
    Rows,
    admit_rows,
    undo_rows,
)
from stormpetrel.ingest.admit_scale import adopt_size
from stormpetrel.ingest.admit_state import (
    BYTES_PER_SERIES,
    ENDED,
    RECORD,
    RELOADED,
    SEEN,
    empty_state,
    from_snapshot,
    grown,
    to_snapshot,
)
from stormpetrel.ingest.admit_trouble import SeriesTrouble
from stormpetrel.ingest.series import REFUSED_SERIES
from stormpetrel.model.quality import KEPT, QUARANTINED, Quality, Quarantined
from stormpetrel.model.query import LastSamples
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch
from stormpetrel.model.time import from_seconds

_IS_KEPT = np.array([verdict in KEPT for verdict in Quality])
_IS_QUARANTINED = np.array([verdict in QUARANTINED for verdict in Quality])


@dataclass(frozen=True, slots=True)
class _Journal:
    """What `rollback` needs: overwritten state, and the gate's size before."""

    out: Out
    entries: int
    size: int


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to one batch.

    Attributes:
        admitted: the accepted samples, in order of arrival.
        quarantined: the samples to keep apart, with their verdicts.
        verdict: uint8[n], the `Quality` of every row of the batch.
        counts: int64[len(Quality)], rows by verdict.
        number: running number of the admission, for `QualityGate.rollback`.
        late: samples to store in their place without judging them; none before `late.place_late`.
    """

    admitted: AdmittedMetrics
    quarantined: Quarantined
    verdict: NDArray[np.uint8]
    counts: NDArray[np.int64]
    number: int
    _journal: _Journal
    late: MetricBatch = field(default_factory=MetricBatch.empty)


class QualityGate:
    """Gives every sample a verdict and every accepted sample the number that detectors judge.

    Works when senders keep one order per series; samples that arrive behind their series' newest one are
    kept apart, not merged in. Fails softly where a series has no regular interval at all: its gap bound
    is then a multiple of a mean interval that says little.

    Answers do not depend on how the input is cut into batches nor on other series, given the same `now`.
    One thread at a time may admit; the views (`unknown`, `intervals`) may be read from others.

    Args:
        future_seconds: how far ahead of `now` a sample may be.
        late_seconds: how far behind `now` a sample may be.
        gap_factor: silence longer than this many usual intervals is a gap.
        stuck_samples: repeats after which a moving series counts as stuck at the latest; less where so many
            are no chance, from how often the series moved.
        assumed_interval_seconds: interval assumed for series known only from the store after a restart.
        judge_size: whether implausible and rescaled samples are told; not for what comes from the store,
            which was admitted once, or released by a person since.
    """

    bytes_per_series = BYTES_PER_SERIES

    def __init__(
        self,
        future_seconds: float = 300.0,
        late_seconds: float = 7200.0,
        gap_factor: float = 5.0,
        stuck_samples: int = 240,
        assumed_interval_seconds: float = 60.0,
        judge_size: bool = True,
    ) -> None:
        self._future = from_seconds(future_seconds)
        self._late = from_seconds(late_seconds)
        self._gap_factor = float(gap_factor)
        self._stuck_samples = int(stuck_samples)
        self._assumed = float(assumed_interval_seconds)
        self._judge_size = judge_size
        self._state = empty_state(1024)
        self._size = 0
        self._number = 0
        self._undoable = -1
        self.trouble = SeriesTrouble()

    def __len__(self) -> int:
        return self._size

    def admit(
        self,
        batch: MetricBatch,
        now_unix_nano: int,
        kinds: NDArray[np.uint8],
        blocked: NDArray[np.uint8],
    ) -> Admission:
        """Judge a batch in order of arrival and remember it; about 0.05 microseconds a sample.

        Args:
            batch: samples of series that the registry knows, or `REFUSED_SERIES`.
            now_unix_nano: the receiver's clock.
            kinds: `ingest.series.KIND_CODES` by series id, for every id in the batch.
            blocked: 0 or the verdict that blocks the series, by series id, for every id in the batch.

        Raises:
            ValueError: `kinds` or `blocked` do not reach as far as the ids in the batch.
        """
        size = self._reach(batch, min(len(kinds), len(blocked)))
        journal_size, self._size = self._size, max(self._size, size)
        self._state = grown(self._state, self._size)
        rows = _rows(batch, kinds, blocked)
        out = _out(len(batch))
        entries = int(admit_rows(rows, self._state, self._bounds(now_unix_nano), out))
        self._number += 1
        self._undoable = self._number
        self.trouble.count(rows.series, out.verdict, self._size)
        return self._answer(batch, _Journal(out, entries, journal_size))

    def _reach(self, batch: MetricBatch, known: int) -> int:
        """One more than the largest series id of the batch."""
        if len(batch) == 0:
            return 0
        top = int(batch.series.max())
        if top == REFUSED_SERIES:
            real = batch.series[batch.series != REFUSED_SERIES]
            top = int(real.max()) if len(real) else -1
        if top >= known:
            raise ValueError(f"series {top} is in the batch, but kinds and blocked end at {known}")
        return top + 1

    def _bounds(self, now_unix_nano: int) -> Bounds:
        return Bounds(
            now_unix_nano - self._late,
            now_unix_nano + self._future,
            self._gap_factor,
            self._assumed,
            self._stuck_samples,
            self._judge_size,
        )

    def _answer(self, batch: MetricBatch, journal: _Journal) -> Admission:
        out = journal.out
        counts = np.bincount(out.verdict, minlength=len(Quality)).astype(np.int64)
        if counts[_IS_KEPT].sum() == len(batch):
            admitted = AdmittedMetrics(batch, out.signal, out.resumed)
        else:
            kept = np.flatnonzero(_IS_KEPT[out.verdict])
            admitted = AdmittedMetrics(batch.take(kept), out.signal[kept], out.resumed[kept])
        apart = np.flatnonzero(_IS_QUARANTINED[out.verdict])
        quarantined = Quarantined(batch.take(apart), out.verdict[apart])
        return Admission(admitted, quarantined, out.verdict, counts, self._number, journal)

    def rollback(self, admission: Admission) -> None:
        """Forget an admission whose insert failed, as if it had never been; O(rows).

        The sender will send again, and must then not be told that it repeats itself.

        Raises:
            ValueError: it is not the newest admission, or it was rolled back already.
        """
        if admission.number != self._undoable:
            raise ValueError(
                f"admission {admission.number} cannot be rolled back: only the newest one can, and once"
            )
        journal = admission._journal
        undo_rows(self._state, journal.out, journal.entries)
        self._size = journal.size
        self._undoable = -1

    def release(self, series: int) -> None:
        """A person says that the new size of a RESCALED series is right: it is learnt anew from now on."""
        if series < self._size:
            adopt_size(self._state.record, series)
            self.trouble.reset(series)

    def resume(self, last: LastSamples) -> None:
        """Take over the newest stored samples after a restart, so that a sender's resend is known.

        Only what is newer than the gate's own memory is taken; call `restore` first where a snapshot
        exists. The silence before the next sample of such a series is judged against an assumed interval
        unless its own is known.
        """
        if len(last.series) == 0:
            return
        self._size = max(self._size, int(last.series.max()) + 1)
        self._state = grown(self._state, self._size)
        self._undoable = -1
        record = self._state.record
        held = record["last_time"][last.series]
        newer = ((record["flags"][last.series] & SEEN) == 0) | (last.time_unix_nano > held)
        series = last.series[newer]
        record["last_time"][series] = last.time_unix_nano[newer]
        record["last_value"][series] = last.value[newer]
        record["flags"][series] = SEEN | RELOADED

    def unknown(self, now_unix_nano: int) -> NDArray[np.bool_]:
        """bool[len(self)]: series silent for longer than their gap bound and not said to have ended.

        Until a series' interval is learnt, the assumed interval stands in for it.
        """
        record = self._state.record[: self._size]
        silent = (now_unix_nano - record["last_time"]) * 1e-9
        intervals = np.where(record["learnt"] >= INTERVALS_NEEDED, record["interval"], self._assumed)
        alive = (record["flags"] & (SEEN | ENDED)) == SEEN
        mask: NDArray[np.bool_] = alive & (silent > self._gap_factor * intervals)
        return mask

    def intervals(self) -> NDArray[np.float64]:
        """float64[len(self)]: the usual seconds between samples; NaN where no next sample is expected.

        That is until three intervals were seen, and after the sender said that the series ended.
        """
        record = self._state.record[: self._size]
        expected = (record["learnt"] >= INTERVALS_NEEDED) & ((record["flags"] & ENDED) == 0)
        seconds: NDArray[np.float64] = np.where(expected, record["interval"], np.nan).astype(np.float64)
        return seconds

    def last_times(self) -> NDArray[np.int64]:
        """int64[len(self)]: time of the newest accepted sample; 0 where there is none."""
        times: NDArray[np.int64] = self._state.record["last_time"][: self._size].copy()
        return times

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The whole memory as plain arrays with its version inside; copies."""
        return to_snapshot(self._state, self._size)

    def restore(self, snapshot: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot.

        Raises:
            ValueError: it is of another version or damaged.
        """
        self._state, self._size = from_snapshot(snapshot)
        self._undoable = -1


def _rows(batch: MetricBatch, kinds: NDArray[np.uint8], blocked: NDArray[np.uint8]) -> Rows:
    """The columns as the compiled pass wants them (writable and contiguous: one compiled form)."""
    value = np.require(batch.value, np.float64, ["C", "W"])
    return Rows(
        np.require(batch.series, np.uint32, ["C", "W"]),
        np.require(batch.time_unix_nano, np.int64, ["C", "W"]),
        value,
        value.view(np.int64),
        np.require(kinds, np.uint8, ["C", "W"]),
        np.require(blocked, np.uint8, ["C", "W"]),
    )


def _out(rows: int) -> Out:
    return Out(
        np.empty(rows, np.uint8),
        np.full(rows, np.nan),
        np.zeros(rows, np.bool_),
        np.empty(rows, np.uint32),
        np.empty(rows, RECORD),
        np.empty(rows, np.int64),
        np.empty(rows, np.float64),
    )
