"""Native histograms as classic series: the same observations give the same counts, whatever the schema."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.native_histograms import (
    CUSTOM_SCHEMA,
    EXPONENTS,
    Buckets,
    HistogramError,
    NativeHistogram,
    bound_text,
    fixed_bounds,
    flatten,
    spread,
    undo_deltas,
)

# An observation is 2 to the power of (2j + 1) / 1024, or its negative: never a bound of schemas up to 8.
OBSERVATIONS = st.lists(st.tuples(st.integers(-15_000, 20_000), st.booleans()), max_size=40)


def index_of(j: int, schema: int) -> int:
    """The bucket of an observation: the first whose upper bound is not below it."""
    numerator, denominator = (2 * j + 1) << max(schema, 0), 1024 << max(-schema, 0)
    return -(-numerator // denominator)


def buckets(counts: Counter[int]) -> Buckets:
    index = sorted(counts)
    return Buckets(np.array(index, np.int64), np.array([counts[i] for i in index], np.float64))


def histogram(observed: list[tuple[int, bool]], schema: int, zeros: int = 0) -> NativeHistogram:
    above = Counter(index_of(j, schema) for j, negative in observed if not negative)
    below = Counter(index_of(j, schema) for j, negative in observed if negative)
    count = len(observed) + zeros
    return NativeHistogram(schema, count, zeros, 0.0, buckets(above), buckets(below))


def counted(observed: list[tuple[int, bool]], zeros: int, le: str) -> int:
    """Observations at or below a bound."""
    bound = float(le)
    values = [(-1 if negative else 1) * 2.0 ** ((2 * j + 1) / 1024) for j, negative in observed]
    return sum(value <= bound for value in [*values, *[0.0] * zeros])


@settings(deadline=None, max_examples=200)
@given(OBSERVATIONS, st.integers(0, 3), st.integers(0, 8))
def test_from_schema_0_on_the_counts_are_exact(observed: Any, zeros: int, schema: int) -> None:
    flat = flatten(histogram(observed, schema, zeros))
    assert flat.counts.tolist() == [counted(observed, zeros, le) for le in flat.le]
    assert flat.le == flatten(histogram(observed, 0, zeros)).le, "a change of resolution changes no series"


@settings(deadline=None, max_examples=200)
@given(OBSERVATIONS, st.integers(-10, -1))
def test_coarse_schemas_count_never_too_much_and_never_down(observed: Any, schema: int) -> None:
    flat = flatten(histogram(observed, schema))
    exact = [counted(observed, 0, le) for le in flat.le]
    assert all(count <= right for count, right in zip(flat.counts.tolist(), exact, strict=True))
    assert (np.diff(flat.counts) >= 0).all()
    shared = {bound_text(2.0**k) for k in EXPONENTS if k % 2**-schema == 0}
    for le, count, right in zip(flat.le, flat.counts.tolist(), exact, strict=True):
        assert count == right or le.lstrip("-") not in shared


def test_the_bounds_are_38_and_36_more_below_zero() -> None:
    above = flatten(histogram([(5, False)], 3)).le
    both = flatten(histogram([(5, True)], 3)).le
    assert above == fixed_bounds()
    assert (len(above), len(both)) == (38, 74)
    assert (above[0], above[1], above[6], above[-2:]) == (
        "0",
        "9.5367431640625e-07",
        "0.0009765625",
        ("1073741824", "+Inf"),
    )
    assert [float(le) for le in both] == sorted(float(le) for le in both)


def test_the_example_of_the_specification() -> None:
    deltas = [3, 2, -4, 2, -1]
    found = spread([-2, 2, 1], [2, 1, 2], undo_deltas(deltas))
    assert dict(zip(found.index.tolist(), found.count.tolist(), strict=True)) == {
        -2: 3, -1: 5, 2: 1, 4: 3, 5: 2,
    }  # fmt: skip
    same = spread([-2, 2], [2, 4], undo_deltas([3, 2, -4, -1, 3, -1]))
    assert same.index.tolist() == found.index.tolist()


def test_the_zero_bucket_counts_from_its_threshold_on() -> None:
    def counts(threshold: float) -> dict[str, float]:
        flat = flatten(NativeHistogram(0, 5.0, zero_count=5.0, zero_threshold=threshold))
        return dict(zip(flat.le, flat.counts.tolist(), strict=True))

    assert counts(0.0)["0"] == 5
    tiny = counts(2.0**-128)
    assert (tiny["0"], tiny["9.5367431640625e-07"]) == (0, 5)
    wide = counts(0.3)
    assert (wide["0.25"], wide["0.5"], wide["+Inf"]) == (0, 5, 5)


def test_observations_that_are_no_number_count_to_infinity_only() -> None:
    flat = flatten(NativeHistogram(0, 7.0, positive=Buckets(np.array([0]), np.array([5.0]))))
    assert flat.counts[-2:].tolist() == [5, 7]


def test_own_bounds_stay() -> None:
    positive = Buckets(np.array([0, 2, 3]), np.array([1.0, 2.0, 4.0]))
    flat = flatten(NativeHistogram(CUSTOM_SCHEMA, 7.0, positive=positive, bounds=(-1.5, 0.0, 10.0)))
    assert flat.le == ("-1.5", "0", "10", "+Inf")
    assert flat.counts.tolist() == [1, 1, 3, 7]


ONE = Buckets(np.array([1]), np.array([1.0]))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (NativeHistogram(53, 1.0), "unknown_schema"),
        (NativeHistogram(-11, 1.0), "unknown_schema"),
        (NativeHistogram(0, -1.0), "bad_buckets"),
        (NativeHistogram(0, math.nan), "bad_buckets"),
        (NativeHistogram(0, 0.0, positive=ONE), "bad_buckets"),
        (NativeHistogram(0, 1.0, positive=ONE, negative=ONE), "bad_buckets"),
        (NativeHistogram(0, 1.0, zero_count=2.0), "bad_buckets"),
        (NativeHistogram(0, 1.0, zero_count=math.inf), "bad_buckets"),
        (NativeHistogram(0, 1.0, zero_threshold=math.nan), "bad_buckets"),
        (NativeHistogram(CUSTOM_SCHEMA, 1.0, positive=ONE), "bad_buckets"),
        (NativeHistogram(CUSTOM_SCHEMA, 1.0, bounds=(1.0, 1.0)), "bad_buckets"),
        (NativeHistogram(CUSTOM_SCHEMA, 1.0, bounds=(1.0, math.inf)), "bad_buckets"),
        (NativeHistogram(CUSTOM_SCHEMA, 1.0, bounds=(math.nan,)), "bad_buckets"),
        (NativeHistogram(CUSTOM_SCHEMA, 1.0, bounds=tuple(map(float, range(1001)))), "too_many_buckets"),
    ],
)
def test_what_cannot_be_is_refused(wrong: NativeHistogram, reason: str) -> None:
    with pytest.raises(HistogramError, match=f"^{reason}$"):
        flatten(wrong)


@pytest.mark.parametrize(
    ("offsets", "lengths", "counts", "reason"),
    [
        ([0], [2], [1.0], "bad_buckets"),
        ([0, -1], [1, 1], [1.0, 1.0], "bad_buckets"),
        ([0], [1], [-1.0], "bad_buckets"),
        ([0], [1], [math.nan], "bad_buckets"),
        ([0], [2**32 - 1], [1.0], "bad_buckets"),
        ([0], [10_001], [1.0] * 10_001, "too_many_buckets"),
        ([0] * 10_001, [0] * 10_001, [], "too_many_buckets"),
    ],
)
def test_spans_that_cannot_be(offsets: Any, lengths: Any, counts: Any, reason: str) -> None:
    with pytest.raises(HistogramError, match=f"^{reason}$"):
        spread(offsets, lengths, np.array(counts, np.float64))


@pytest.mark.parametrize("deltas", [[-1], [3, -4], [2**63 - 1, 2**63 - 1], [1] * 10_001])
def test_deltas_that_cannot_be(deltas: list[int]) -> None:
    with pytest.raises(HistogramError):
        undo_deltas(deltas)
