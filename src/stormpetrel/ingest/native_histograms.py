"""Native histograms as classic series: one rule for remote write and for OTLP's exponential histograms.

A native histogram holds counts in sparse buckets whose bounds are powers of `2^(2^-schema)`, or bounds of
its own (schema -53). Series need bounds that stay: so the buckets are counted up to the fixed bounds of
`EXPONENTS`, whatever the schema. From 2^-10 to 2^10 these are the powers of two, from there down to 2^-20
and up to 2^30 those of four; with `0` and `+Inf` that makes 38 buckets, and 36 more where anything below
zero was counted. Being powers of two they are bounds of every schema from 0 on, so the counts are exact; of
a coarser schema a bucket counts from the first of these bounds on that is not below its own, so that a count
is never too high. Own bounds are kept as they are.

Specification: https://prometheus.io/docs/specs/native_histograms/ and the ExponentialHistogram of
OpenTelemetry's metrics data model, whose bucket `i` is bucket `i + 1` here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.signal import STALE_MARKER_BITS

CUSTOM_SCHEMA = -53
MIN_SCHEMA, MAX_SCHEMA = -10, 52

# A histogram with more buckets than this is refused; senders' libraries stop at 160.
MAX_BUCKETS = 10_000

# Own bounds: each is a series.
MAX_CUSTOM_BOUNDS = 1000

# Powers of two that are bounds, whatever the sender's schema.
EXPONENTS = (*range(-20, -10, 2), *range(-10, 11), *range(12, 31, 2))

STALE = float(np.array([STALE_MARKER_BITS], np.uint64).view(np.float64)[0])

_EXPONENTS = np.array(EXPONENTS, np.int64)


def bound_text(bound: float) -> str:
    """A bucket bound or quantile as Prometheus writes it.

    >>> bound_text(1.0), bound_text(0.005), bound_text(float("inf"))
    ('1', '0.005', '+Inf')
    """
    if bound == float("inf"):
        return "+Inf"
    return str(int(bound)) if bound.is_integer() and abs(bound) < 1e15 else repr(bound)


_ABOVE_ZERO = tuple(bound_text(2.0**k) for k in EXPONENTS)
_BELOW_ZERO = tuple("-" + text for text in reversed(_ABOVE_ZERO))


class HistogramError(ValueError):
    """A histogram that cannot be read; its text is the reason, from a small fixed set."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Populated buckets of one sign.

    Attributes:
        index: int64[n], rising; bucket `i` holds what lies in (base^(i-1), base^i].
        count: float64[n], not negative.
    """

    index: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    count: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """One sample of a native histogram; `bounds` are its own ones and only used with `CUSTOM_SCHEMA`."""

    schema: int
    count: float
    zero_count: float = 0.0
    zero_threshold: float = 0.0
    positive: Buckets = field(default_factory=Buckets)
    negative: Buckets = field(default_factory=Buckets)
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Flat:
    """What a histogram counts up to each bound: label `le` and cumulative counts, float64[bounds]."""

    le: tuple[str, ...]
    counts: NDArray[np.float64]


def spread(offsets: list[int], lengths: list[int], counts: NDArray[np.float64]) -> Buckets:
    """Buckets from spans: runs of consecutive buckets, each with the gap to the run before it.

    Args:
        offsets: the first bucket's index, then the gaps.
        lengths: buckets of each run.
        counts: float64[sum of lengths].

    Raises:
        HistogramError: `bad_buckets` (lengths and counts differ, a negative gap, an impossible count),
            `too_many_buckets`.
    """
    if len(counts) > MAX_BUCKETS or len(offsets) > MAX_BUCKETS:
        raise HistogramError("too_many_buckets")
    if sum(lengths) != len(counts) or any(gap < 0 for gap in offsets[1:]):
        raise HistogramError("bad_buckets")
    if not len(counts):
        return Buckets()
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise HistogramError("bad_buckets")
    gaps = np.repeat(np.cumsum(np.array(offsets, np.int64)), np.array(lengths, np.int64))
    index = gaps + np.arange(len(counts), dtype=np.int64)
    populated = counts > 0
    return Buckets(index[populated], counts[populated])


def undo_deltas(deltas: list[int]) -> NDArray[np.float64]:
    """Counts of an integer histogram, each given as the difference to the one before.

    Raises:
        HistogramError: `bad_buckets`: a count below zero or beyond 64 bits; `too_many_buckets`.

    >>> undo_deltas([3, 2, -4]).tolist()
    [3.0, 5.0, 1.0]
    """
    if len(deltas) > MAX_BUCKETS:
        raise HistogramError("too_many_buckets")
    steps = np.array(deltas, np.int64)
    rough = np.cumsum(steps.astype(np.float64))
    # The float sum shows what the integer sum, which is exact, would wrap round.
    if len(rough) and (rough.min() < -0.5 or rough.max() > 2.0**62):
        raise HistogramError("bad_buckets")
    return np.cumsum(steps).astype(np.float64)


def flatten(histogram: NativeHistogram) -> Flat:
    """Cumulative counts up to each bound, the last being `+Inf`: never falling. Some 20 microseconds.

    An observation that is NaN is in no bucket and counts to `+Inf` only. What was observed at a bound below
    zero counts from the next bound on: buckets below zero end just before theirs.

    Raises:
        HistogramError: `unknown_schema`, `bad_buckets` (also: they hold more than `count`).
    """
    if not (np.isfinite(histogram.count) and histogram.count >= 0):
        raise HistogramError("bad_buckets")
    if histogram.schema == CUSTOM_SCHEMA:
        le, counts = _up_to_own_bounds(histogram)
    elif MIN_SCHEMA <= histogram.schema <= MAX_SCHEMA:
        le, counts = _up_to_fixed_bounds(histogram)
    else:
        raise HistogramError("unknown_schema")
    held = _held(histogram)
    # Counts of float histograms are sums and ratios of others: equal only nearly.
    if held > histogram.count * (1 + 1e-9) + 1e-9:
        raise HistogramError("bad_buckets")
    return Flat((*le, "+Inf"), np.minimum(np.append(counts, histogram.count), histogram.count))


def fixed_bounds() -> tuple[str, ...]:
    """The `le` of a histogram that counted nothing below zero."""
    return ("0", *_ABOVE_ZERO, "+Inf")


def _held(histogram: NativeHistogram) -> float:
    held = float(histogram.positive.count.sum())
    if histogram.schema != CUSTOM_SCHEMA:
        held += float(histogram.negative.count.sum()) + histogram.zero_count
    return held


def _up_to_fixed_bounds(histogram: NativeHistogram) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    zero, threshold = histogram.zero_count, histogram.zero_threshold
    if not (np.isfinite(zero) and zero >= 0 and threshold >= 0):
        raise HistogramError("bad_buckets")
    # Bucket i ends at 2^(i * 2^-schema), which is at most 2^k where i <= k * 2^schema: whole numbers only.
    last = _EXPONENTS << histogram.schema if histogram.schema >= 0 else _EXPONENTS >> -histogram.schema
    above = _sum_up_to(histogram.positive, last)
    below_zero = float(histogram.negative.count.sum())
    at_zero = below_zero + (zero if threshold == 0 else 0.0)
    counts = below_zero + above + np.where(np.ldexp(1.0, EXPONENTS) >= threshold, zero, 0.0)
    counts = np.concatenate(([at_zero], counts))
    if not below_zero:
        return ("0", *_ABOVE_ZERO), counts
    # Bucket i below zero ends just before -2^((i-1) * 2^-schema): at or below -2^k where i - 1 >= k *
    # 2^schema.
    first = _EXPONENTS << histogram.schema if histogram.schema >= 0 else -(-_EXPONENTS >> -histogram.schema)
    below = below_zero - _sum_up_to(histogram.negative, first)
    return (*_BELOW_ZERO, "0", *_ABOVE_ZERO), np.concatenate((below[::-1], counts))


def _sum_up_to(buckets: Buckets, last: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts of the buckets up to each index."""
    sums = np.concatenate(([0.0], np.cumsum(buckets.count)))
    found: NDArray[np.float64] = sums[np.searchsorted(buckets.index, last, "right")]
    return found


def _up_to_own_bounds(histogram: NativeHistogram) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    bounds = np.array(histogram.bounds, np.float64)
    if len(bounds) > MAX_CUSTOM_BOUNDS:
        raise HistogramError("too_many_buckets")
    index = histogram.positive.index
    outside = len(index) > 0 and (index[0] < 0 or index[-1] > len(bounds))
    if outside or not np.isfinite(bounds).all() or not (np.diff(bounds) > 0).all():
        raise HistogramError("bad_buckets")
    counts = _sum_up_to(histogram.positive, np.arange(len(bounds), dtype=np.int64))
    return tuple(bound_text(float(bound)) for bound in bounds), counts
