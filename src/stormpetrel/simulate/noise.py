"""Randomness as a pure function of (seed, stream, tick): the same whatever way time is cut."""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SMALL_MEAN = 4.0
_MOST_SMALL = 24  # a count with a mean of 4 exceeds this once in 10^11
_SEED_MASK = (1 << 64) - 1


class Noise:
    """Counter-based random numbers (SplitMix64: Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195).

    A sequential generator would make the numbers depend on how many were drawn before, so that one long
    step and two short ones would differ. Here number `index` of stream `name` is always the same.
    Fit for simulation; not for secrets.

    >>> Noise(7).uniform("a", np.array([1, 2]))[1] == Noise(7).uniform("a", np.array([2]))[0]
    np.True_
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed & _SEED_MASK

    def bits(self, stream: str, index: Ints) -> NDArray[np.uint64]:
        """64 random bits for each index; O(n)."""
        key = np.uint64(xxhash.xxh64_intdigest(stream.encode(), seed=self._seed))
        mixed = (index.astype(np.uint64) + np.uint64(1)) * _GOLDEN + key
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed ^= mixed >> np.uint64(31)
        return mixed

    def uniform(self, stream: str, index: Ints) -> Floats:
        """Uniform numbers in [0, 1)."""
        return (self.bits(stream, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, stream: str, index: Ints) -> Floats:
        """Standard normal numbers (Box-Muller)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(stream + "/radius", index)))
        return radius * np.cos(2.0 * np.pi * self.uniform(stream + "/angle", index))

    def smooth(self, stream: str, seconds: Floats, period_seconds: float) -> Floats:
        """Slow wandering, about standard normal: random knots every `period_seconds`, eased between."""
        place = seconds / period_seconds
        knot = np.floor(place).astype(np.int64)
        part = place - knot
        ease = part * part * (3.0 - 2.0 * part)
        return (1.0 - ease) * self.normal(stream, knot) + ease * self.normal(stream, knot + 1)

    def count(self, stream: str, index: Ints, mean: NDArray[np.floating]) -> Ints:
        """Whole numbers >= 0 about `mean`, with the variance of a Poisson count."""
        large = np.rint(mean + np.sqrt(np.maximum(mean, 0.0)) * self.normal(stream, index))
        return np.where(mean < _SMALL_MEAN, self._small(stream, index, mean), np.maximum(large, 0)).astype(
            np.int64
        )

    def _small(self, stream: str, index: Ints, mean: NDArray[np.floating]) -> Floats:
        """Poisson counts by inversion, where the rounded normal would be biased and not vary enough."""
        chance = self.uniform(stream + "/small", index)
        # Elsewhere the mean is replaced, for a power of a large one would overflow to no use.
        term_mean = np.where(mean < _SMALL_MEAN, np.maximum(mean, 0.0), 0.0)
        term = np.exp(-term_mean)
        below, count = term.copy(), np.zeros(len(index))
        for number in range(1, _MOST_SMALL):
            reached = chance >= below
            if not reached.any():
                break
            count += reached
            term *= term_mean / number
            below += term
        return count
