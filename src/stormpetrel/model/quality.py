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
    LATE = 14  # behind the newest sample of its series, and new: put into its place
    IMPLAUSIBLE = 15  # finite, and beyond anything the series could mean
    RESCALED = 16  # a power of 10 or 1024 times what the series was, all else as before
    INTERVAL_CHANGED = 17  # kept; the sender now samples at another rate
    TENFOLD = 18  # kept; ten times or a tenth of what the series was, all else as before


KEPT = frozenset(
    {
        Quality.GOOD,
        Quality.COUNTER_RESET,
        Quality.GAP,
        Quality.STUCK,
        Quality.INTERVAL_CHANGED,
        Quality.TENFOLD,
    }
)
CORRECTED = frozenset({Quality.LATE})  # stored in its place, not judged: time does not go back
DROPPED = frozenset({Quality.DUPLICATE, Quality.STALE_MARKER})
QUARANTINED = frozenset(Quality) - KEPT - CORRECTED - DROPPED

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
    Quality.CARDINALITY: "the source exceeded its limit of series or of labels; new series are refused",
    Quality.GAP: "the series was silent before this sample; that time is unknown",
    Quality.STUCK: "the series used to move and has repeated one value for long",
    Quality.STALE_MARKER: "the sender says that the series ended",
    Quality.LATE: "older than what this series already has, and new: stored in its place, not judged",
    Quality.IMPLAUSIBLE: "far beyond anything this series could mean; kept apart",
    Quality.RESCALED: "a power of 10 or 1024 times what it was: is the unit another? kept apart",
    Quality.INTERVAL_CHANGED: "the sender now samples this series at another rate",
    Quality.TENFOLD: "ten times or a tenth of what it was: a surge, or another unit? accepted",
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
