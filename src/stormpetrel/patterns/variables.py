"""What a variable of a pattern holds: frequent values, and the distribution of numbers, in bounded space."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from stormpetrel.model.pattern import Variable

TOP, SHOWN, BUCKETS = 16, 8, 256  # values kept and shown (Space-Saving); buckets of a tenth
MAX_VALUE = 120  # characters
_GROWTH = math.log(1.1)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class ValueSketch:
    """A bounded summary of values; deterministic. Space-Saving for the frequent ones (Metwally et al., 2005).

    Counts of `top` are lower bounds; quantiles are right within a tenth of their value.
    """

    __slots__ = ("buckets", "least", "most", "numeric", "seen", "total", "values")

    def __init__(self) -> None:
        self.seen = self.numeric = 0
        self.least, self.most, self.total = math.inf, -math.inf, 0.0
        self.values: dict[str, list[int]] = {}  # value -> [count, how much of it may be another's]
        self.buckets: dict[int, int] = {}

    def add(self, value: str, times: int = 1) -> None:
        """Take a value; about a microsecond."""
        value = value[:MAX_VALUE]
        self.seen += times
        entry = self.values.get(value)
        if entry is not None:
            entry[0] += times
        elif len(self.values) < TOP:
            self.values[value] = [times, 0]
        else:
            rarest = min(self.values, key=lambda key: self.values[key][0])
            least = self.values.pop(rarest)[0]
            self.values[value] = [least + times, least]
        number = _NUMBER.match(value)
        if number is not None and math.isfinite(x := float(number.group())):
            self._add_number(x, times)

    def _add_number(self, x: float, times: int) -> None:
        self.numeric += times
        self.least, self.most, self.total = min(self.least, x), max(self.most, x), self.total + x * times
        bucket = 0 if x == 0 else (1 if x > 0 else -1) * (2000 + round(math.log(abs(x)) / _GROWTH))
        if bucket in self.buckets or len(self.buckets) < BUCKETS:
            self.buckets[bucket] = self.buckets.get(bucket, 0) + times
        else:
            nearest = min(self.buckets, key=lambda key: abs(key - bucket))
            self.buckets[nearest] += times

    def absorb(self, other: ValueSketch) -> None:
        """Take what another has seen."""
        self.seen += other.seen
        self.numeric += other.numeric
        self.total += other.total
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        for value, (times, over) in other.values.items():
            entry = self.values.setdefault(value, [0, 0])
            entry[0], entry[1] = entry[0] + times, entry[1] + over
        kept = sorted(self.values.items(), key=lambda pair: (-pair[1][0], pair[0]))[:TOP]
        self.values = dict(kept)
        for bucket, times in other.buckets.items():
            if bucket in self.buckets or len(self.buckets) < BUCKETS:
                self.buckets[bucket] = self.buckets.get(bucket, 0) + times

    def quantile(self, share: float) -> float:
        """Of the numbers; NaN when there are none."""
        wanted, so_far = share * sum(self.buckets.values()), 0
        for bucket in sorted(self.buckets):
            so_far += self.buckets[bucket]
            if so_far >= wanted:
                size = 0.0 if bucket == 0 else math.exp((abs(bucket) - 2000) * _GROWTH)
                return min(max(math.copysign(size, bucket), self.least), self.most)
        return math.nan

    def show(self, name: str) -> Variable:
        """The summary as a value of the model."""
        sure = [(value, times - over) for value, (times, over) in self.values.items() if times > over]
        top = tuple(sorted(sure, key=lambda pair: (-pair[1], pair[0]))[:SHOWN])
        some = self.numeric > 0
        return Variable(
            name, self.seen, top, self.numeric,
            self.least if some else math.nan, self.most if some else math.nan,
            self.total / self.numeric if some else math.nan,
            (self.quantile(0.05), self.quantile(0.5), self.quantile(0.95)),
        )  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        numbers = [self.seen, self.numeric, self.total, *([self.least, self.most] if self.numeric else [])]
        return {
            "n": numbers,
            "top": [[v, *c] for v, c in self.values.items()],
            "buckets": list(self.buckets.items()),
        }

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> ValueSketch:
        """From `snapshot`."""
        sketch = cls()
        sketch.seen, sketch.numeric, sketch.total, *ends = plain["n"]
        if ends:
            sketch.least, sketch.most = ends
        sketch.values = {str(value): [int(count), int(over)] for value, count, over in plain["top"]}
        sketch.buckets = {int(bucket): int(times) for bucket, times in plain["buckets"]}
        return sketch
