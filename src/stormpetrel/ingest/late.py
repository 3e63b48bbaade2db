"""Samples that arrive behind their series' newest one: put into their place, or known already.

The quality gate remembers a handful of samples a series; what is older than those it calls OUT_OF_ORDER.
Whether such a sample is new, a repeat, or contradicts what is stored, only the store can say. With its
answer the verdict becomes LATE (stored, not judged: detectors see time go forward only), DUPLICATE or
CONFLICT. A sender's retry of a request whose acknowledgement was lost ends up as duplicates here.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.admit import Admission
from stormpetrel.model.quality import QUARANTINED, Quality, Quarantined
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import Window

# Beyond this, a batch is out of order as a whole: asking the store for all of it would cost more than it
# is worth, and nothing that sends like this is a late sample.
MAX_LATE_ROWS = 50_000

_APART = np.array([verdict in QUARANTINED for verdict in Quality])


def late_rows(admission: Admission, batch: MetricBatch) -> MetricBatch:
    """The rows of an admission that the store must be asked about; empty when there are none or too many."""
    rows = np.flatnonzero(admission.verdict == Quality.OUT_OF_ORDER)
    return batch.take(rows if len(rows) <= MAX_LATE_ROWS else rows[:0])


def asked_for(late: MetricBatch) -> tuple[list[int], Window]:
    """Series and window that hold whatever the store has at the times of these rows."""
    times = late.time_unix_nano
    return np.unique(late.series).tolist(), Window(int(times.min()), int(times.max()) + 1)


def place_late(admission: Admission, batch: MetricBatch, stored: MetricBatch) -> Admission:
    """The admission with its OUT_OF_ORDER rows decided; O(n log n) in late and stored rows.

    Args:
        admission: of `batch`.
        batch: the batch as it was admitted.
        stored: what the store holds of the series and times of `late_rows`, in any order.
    """
    rows = np.flatnonzero(admission.verdict == Quality.OUT_OF_ORDER)
    verdict = admission.verdict.copy()
    verdict[rows] = _decide(batch.take(rows), stored)
    apart = np.flatnonzero(_APART[verdict])
    return dataclasses.replace(
        admission,
        quarantined=Quarantined(batch.take(apart), verdict[apart]),
        verdict=verdict,
        counts=np.bincount(verdict, minlength=len(Quality)).astype(np.int64),
        late=batch.take(np.flatnonzero(verdict == Quality.LATE)),
    )


def new_at_their_moment(batch: MetricBatch, stored: MetricBatch) -> MetricBatch:
    """The rows of a batch at whose moment their series has no value yet, the first of equals."""
    return batch.take(np.flatnonzero(_decide(batch, stored) == Quality.LATE))


def _decide(late: MetricBatch, stored: MetricBatch) -> NDArray[np.uint8]:
    """A verdict for each late row: by what is stored at its moment, else by the first row that claims it."""
    both = MetricBatch.concat([stored, late])
    arrival = np.arange(len(both))
    order = np.lexsort((arrival, both.time_unix_nano, both.series))
    series, time = both.series[order], both.time_unix_nano[order]
    bits = both.value.view(np.int64)[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (series[1:] != series[:-1]) | (time[1:] != time[:-1])
    holder = np.maximum.accumulate(np.where(first, arrival, 0))
    sorted_verdict = np.where(
        first, Quality.LATE, np.where(bits == bits[holder], Quality.DUPLICATE, Quality.CONFLICT)
    )
    verdict = np.empty(len(order), np.uint8)
    verdict[order] = sorted_verdict
    return verdict[len(stored) :]
