"""The contract of `ports.algorithms.DetectorBank`, executed: give it a way to make a bank.

Each check raises `AssertionError` with the sentence of the contract that does not hold. A detector's
own test suite calls `check_detector(MyBank)`; the built-in ones go through the same door.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.finding import Scores
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch
from stormpetrel.ports.algorithms import DetectorBank

MakeBank = Callable[[], DetectorBank]

_STEP = 60_000_000_000  # one sample a minute
_START = 1_700_000_000_000_000_000
_FIELDS = ("p_value", "observed", "expected", "low", "high", "head", "rank", "alarm")


def admitted(
    series: NDArray[np.integer],
    times: NDArray[np.int64],
    signal: NDArray[np.float64],
    resumed: NDArray[np.bool_] | None = None,
) -> AdmittedMetrics:
    """Rows as the quality gate would hand them on; nothing resumed unless said."""
    batch = MetricBatch(series.astype(np.uint32), times.astype(np.int64), signal.astype(np.float64))
    silent = np.zeros(len(batch), bool) if resumed is None else resumed
    return AdmittedMetrics(batch, batch.value, silent)


def sample_rows(series: int = 5, ticks: int = 600, seed: int = 7) -> AdmittedMetrics:
    """A mixed stream, tick by tick: noise, a daily wave, counts, a constant, a heavy tail; with a spike,
    a shift, NaNs and gaps in it. The same for the same arguments."""
    rng = np.random.default_rng(seed)
    time = np.arange(ticks)
    kinds = (
        rng.normal(100.0, 1.0, ticks),
        10.0 + 5.0 * np.sin(2 * np.pi * time / 1440) + rng.normal(0.0, 0.3, ticks),
        rng.poisson(3.0, ticks).astype(np.float64),
        np.full(ticks, 0.01),
        rng.lognormal(0.0, 1.0, ticks),
    )
    values = np.stack([kinds[k % len(kinds)] for k in range(series)])
    values[:, ticks * 3 // 4] += 40.0
    values[:, ticks * 7 // 8 :] += 15.0
    values[rng.random(values.shape) < 0.01] = np.nan
    times = np.repeat(_START + time * _STEP, series)
    resumed = np.repeat(time == ticks // 2, series)
    ids = np.tile(np.arange(series), ticks)
    return admitted(
        ids, times + np.repeat((time >= ticks // 2) * 60 * _STEP, series), values.T.ravel(), resumed
    )


def take(rows: AdmittedMetrics, which: NDArray[np.bool_] | slice) -> AdmittedMetrics:
    """Some of the rows."""
    batch = rows.batch
    part = MetricBatch(batch.series[which], batch.time_unix_nano[which], batch.value[which])
    return AdmittedMetrics(part, rows.signal[which], rows.resumed[which])


def same(one: Scores, other: Scores) -> bool:
    """Equal bit for bit in every column, NaN equal to NaN."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name != "head") for name in _FIELDS
    )


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def check_shape(make: MakeBank) -> None:
    """Row for row answers; p-values NaN or in (0, 1]; the first sample of a series is warming up."""
    bank, rows = make(), sample_rows()
    scores = bank.update(rows)
    p = scores.p_value
    _require(len(scores) == len(rows.batch), "a bank answers every row")
    _require(bool(np.isnan(p[:5]).all()), "warming up scores NaN")
    _require(bool(np.isfinite(p).any()), "a warmed-up series is judged within 600 samples")
    judged = p[~np.isnan(p)]
    _require(bool(((judged > 0) & (judged <= 1)).all()), "every p-value lies in (0, 1]")
    _require(bool((scores.head < len(bank.heads)).all()), "head is an index into heads")
    _require(bool(np.array_equal(np.isnan(scores.alarm), np.isnan(p))), "alarm is NaN where the p-value is")
    told = scores.alarm[~np.isnan(p)]
    _require(bool(((told > 0) & (told <= 1)).all()), "every alarm p-value lies in (0, 1]")
    known = np.isfinite(scores.rank)
    _require(bool((scores.rank[known] >= 0).all()), "a rank is at least 0, or NaN")
    _require(bool(known[~np.isnan(p)].all()), "what has a p-value has a rank")
    empty = bank.update(take(rows, slice(0, 0)))
    _require(len(empty) == 0, "an empty batch has an empty answer")


def check_deterministic(make: MakeBank) -> None:
    """Two banks give equal answers, and so does a restored one from the snapshot on."""
    rows = sample_rows()
    half = len(rows.batch) // 2
    first, second = make(), make()
    _require(same(first.update(rows), second.update(rows)), "same input, same scores, bit for bit")
    before, after = make(), make()
    before.update(take(rows, slice(0, half)))
    snapshot = before.snapshot()
    _require("version" in snapshot, "a snapshot holds its version")
    kept = {name: array.copy() for name, array in snapshot.items()}
    after.restore(snapshot)
    rest = take(rows, slice(half, len(rows.batch)))
    _require(same(before.update(rest), after.update(rest)), "restore(snapshot()), then equal scores")
    _require(all(np.array_equal(kept[k], snapshot[k]) for k in kept), "a snapshot is a copy, not the state")


def check_foreign_snapshot(make: MakeBank) -> None:
    """A snapshot of another version is refused with a ValueError that names it."""
    bank = make()
    snapshot = dict(bank.snapshot())
    snapshot["version"] = np.array([987654], np.int64)
    try:
        bank.restore(snapshot)
    except ValueError as error:
        _require("987654" in str(error), "the refusal names the version of the snapshot")
    else:
        raise AssertionError("a snapshot of another version is refused")


def check_snapshot_rows(make: MakeBank) -> None:
    """Every array of a snapshot has the series along its first axis: put in another order, all goes on so."""
    rows = sample_rows()
    half = len(rows.batch) // 2
    before, after = make(), make()
    before.update(take(rows, slice(0, half)))
    order = np.array([3, 0, 4, 1, 2])
    arrays = {}
    for name, array in before.snapshot().items():
        _require(name == "version" or len(array) >= len(order), f"{name} has a row for every series")
        arrays[name] = array if name == "version" else array[order]
    after.restore(arrays)
    rest = take(rows, slice(half, len(rows.batch)))
    moved = MetricBatch(
        np.argsort(order)[rest.batch.series].astype(np.uint32), rest.batch.time_unix_nano, rest.batch.value
    )
    equal = same(before.update(rest), after.update(AdmittedMetrics(moved, rest.signal, rest.resumed)))
    _require(equal, "rows of a snapshot in another order, then equal scores of the same series")


def check_batch_cuts(make: MakeBank) -> None:
    """However the rows are cut into batches, the scores are the same."""
    rows = sample_rows()
    whole, cut = make().update(rows), make()
    edges = [0, 1, 7, 500, 501, 1999, len(rows.batch)]
    for start, end in pairwise(edges):
        part = cut.update(take(rows, slice(start, end)))
        for name in _FIELDS:
            equal = np.array_equal(
                getattr(part, name), getattr(whole, name)[start:end], equal_nan=name != "head"
            )
            _require(equal, f"{name} does not depend on how the input is cut into batches")


def check_independent_series(make: MakeBank) -> None:
    """The scores of one series do not depend on which others there are, nor on its id."""
    rows = sample_rows()
    whole = make().update(rows)
    for series in range(5):
        mine = rows.batch.series == series
        alone = make().update(take(rows, mine))
        _require(
            np.array_equal(alone.p_value, whole.p_value[mine], equal_nan=True),
            "the scores of a series do not depend on the other series",
        )


def _teaches_nothing(make: MakeBank, extra: AdmittedMetrics, sentence: str) -> None:
    """`extra`, given in the middle of the stream, scores NaN and changes no later score."""
    rows = sample_rows()
    half = len(rows.batch) // 2
    plain, disturbed = make(), make()
    head, rest = take(rows, slice(0, half)), take(rows, slice(half, len(rows.batch)))
    plain.update(head)
    disturbed.update(head)
    _require(bool(np.isnan(disturbed.update(extra).p_value).all()), f"{sentence}: scores NaN")
    _require(same(plain.update(rest), disturbed.update(rest)), f"{sentence}: teaches nothing")


def check_bad_samples(make: MakeBank) -> None:
    """NaN, infinities, duplicates and samples from the past score NaN and teach nothing."""
    ids = np.arange(5)
    rows = sample_rows()
    last = int(rows.batch.time_unix_nano[len(rows.batch) // 2 - 1])
    next_times = np.full(5, last + 1)
    wild = np.full(5, 1e6)
    _teaches_nothing(make, admitted(ids, next_times, np.full(5, np.nan)), "a NaN signal")
    _teaches_nothing(make, admitted(ids, np.full(5, last), wild), "a second sample for one moment")
    _teaches_nothing(make, admitted(ids, np.full(5, last - 100 * _STEP), wild), "a clock that went back")


def check_memory(make: MakeBank) -> None:
    """State stays within the declared bytes a series (times the growth by doubling), and is real."""
    bank = make()
    count = 3000
    for tick in range(3):
        times = np.full(count, _START + tick * _STEP)
        bank.update(admitted(np.arange(count), times, np.arange(count, dtype=np.float64) + 0.5 * tick))
    held = sum(array.nbytes for array in bank.snapshot().values())
    bound = 2 * count * bank.bytes_per_series + 4096
    _require(held <= bound, f"{held} bytes for {count} series exceed twice the declared bytes per series")
    _require(bank.bytes_per_series <= 4096, "a bank declares at most 4096 bytes a series")


CHECKS: tuple[Callable[[MakeBank], None], ...] = (
    check_shape,
    check_deterministic,
    check_foreign_snapshot,
    check_snapshot_rows,
    check_batch_cuts,
    check_independent_series,
    check_bad_samples,
    check_memory,
)


def check_detector(make: MakeBank) -> None:
    """Run the whole contract against banks made by `make`; AssertionError names the sentence broken."""
    for check in CHECKS:
        check(make)
