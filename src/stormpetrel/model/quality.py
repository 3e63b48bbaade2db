"""What the quality gate can say of a sample, and how that is counted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.signal import MetricBatch


class Quality(IntEnum):
    """The verdicts of admission. The numbers are stored: never renumber."""

    GOOD = 0
    NOT_FINITE = 1  # NaN (other than a staleness marker) or infinity
    OUT_OF_ORDER = 2  # older than the newest accepted sample of its series
    DUPLICATE = 3  # same series, same time, same value: dropped, not kept
    CONFLICT = 4  # same series, same time, another value
    FUTURE = 5  # further ahead of the receiver's clock than allowed
    TOO_OLD = 6  # further behind the receiver's clock than allowed
    COUNTER_RESET = 7  # a counter went down: kept, its rate starts anew
    KIND_CHANGED = 8  # the sender now calls the series another type
    UNIT_CHANGED = 9  # the sender now states another unit
    CARDINALITY = 10  # the source has as many series as it may have
    GAP = 11  # kept; the time before it is unknown
    STUCK = 12  # kept; a series that always moved has not moved for long
    STALE_MARKER = 13  # the sender says the series ended; not a value


KEPT = frozenset({Quality.GOOD, Quality.COUNTER_RESET, Quality.GAP, Quality.STUCK})
DROPPED = frozenset({Quality.DUPLICATE, Quality.STALE_MARKER})
QUARANTINED = frozenset(Quality) - KEPT - DROPPED

EXPLANATION: dict[Quality, str] = {
    Quality.GOOD: "accepted",
    Quality.NOT_FINITE: "the value is NaN or infinite; kept apart, never learned from",
    Quality.OUT_OF_ORDER: "older than what this series already has; kept apart",
    Quality.DUPLICATE: "the same sample again, usually a sender's retry; dropped",
    Quality.CONFLICT: "a second, different value for the same moment; kept apart",
    Quality.FUTURE: "dated in the future: check the sender's clock; kept apart",
    Quality.TOO_OLD: "dated further back than the lateness bound; kept apart",
    Quality.COUNTER_RESET: "a counter restarted; accepted, its rate starts anew",
    Quality.KIND_CHANGED: "the sender changed the type of this series; kept apart until it is released",
    Quality.UNIT_CHANGED: "the sender changed the unit of this series; kept apart until it is released",
    Quality.CARDINALITY: "the source exceeded its limit of series; new series are refused",
    Quality.GAP: "the series was silent before this sample; that time is unknown",
    Quality.STUCK: "the series used to move and has repeated one value for long",
    Quality.STALE_MARKER: "the sender says that the series ended",
}


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Samples kept apart, with the verdict (`Quality`) of each: uint8[n]."""

    batch: MetricBatch
    verdict: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class QualityCount:
    """How often one source earned one verdict since start, and when last (event time)."""

    source: str
    verdict: Quality
    count: int
    last_unix_nano: int
    example: str = ""
