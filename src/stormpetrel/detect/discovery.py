"""Online false-discovery control across all series and time: how strict the next test has to be.

Every sample of every series is a test, and a finding that opens is a *discovery*. The rule decides, before
a moment's p-values are looked at, how many false discoveries all tests of that moment may make together:

    spend(t) = base + share * sum over earlier discoveries d of kernel(t - t_d)

per unit of time. `base` grows a little with the number of series and is divided over all of them; what a
discovery earned goes to the series of its own entity, where the next real one is likeliest. `kernel`
integrates to one, so each discovery buys exactly `share` of a false one later on. Summed up, over any
stretch of time

    E[false discoveries] <= base * time + share * E[discoveries]

This is LORD++ (Javanmard and Montanari 2018; Ramdas, Yang, Wainwright and Jordan 2017), written as a rate.
What differs, and why:

* *Decaying memory* (mem-FDR, Ramdas et al. 2017): an exponential kernel. Wealth earned in last month's
  outage does not loosen tonight's test, and after a quiet week the test is not stricter than `base` says:
  LORD's levels go to zero ("alpha death"), which an operator cannot use. The price is the term
  `base * time`: with no trouble at all, `base` false discoveries a day remain, and that is what is promised.
* *Weights* (Ramdas et al. 2017, with prior odds): any division over series fixed before the moment keeps the
  bound. Of ten thousand series, the ten of a host in trouble are tested some thousand times less strictly.
* *Dependence between series*: the bound needs each p-value to be honest given what was discovered before
  its moment, and nothing else. Series that move together may all be wrong together; the mean holds, its
  spread is wider. (Benjamini-Hochberg on each moment's batch would need positive dependence, or a factor of
  the logarithm of the number of series.)
* *Asynchronous tests* (Zrnic, Ramdas and Jordan 2021): a discovery counts from the next slot of time on. So
  the level of a sample does not depend on the order of rows within a moment, nor on how rows are batched.
* SAFFRON and ADDIS gain by guessing which tests are nulls. Here all but one in a million are: there is
  nothing to gain, and their levels would follow the estimate.

`share` < 1 keeps it stable: with nothing but noise, discoveries buy discoveries and settle at
`base / (1 - share)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.model.time import from_seconds

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
# What compiled code takes of a purse: rules, wealth by group, series by group, group by series, and the false
# discoveries a nanosecond that each series may make without any wealth.
PurseArrays = tuple[F64, F64, I64, I64, float]

# Rules, float64: false discoveries a nanosecond of one series alone in the world; what one discovery adds to
# that at once; how long it lasts; and the length of a slot.
BASE, GAIN, MEMORY, SLOT_NANOS = range(4)
# Wealth of a group, float64[WEALTH]: present slot, extra rate in it, and discoveries made in it.
SLOT, BOOST, PENDING = range(3)
WEALTH = 3

SLOT_SECONDS = 10.0
_DAY_NANOS = 86_400e9


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """What may be wrong.

    Attributes:
        false_per_day: false discoveries a day that all series together may make while nothing is wrong.
        share: of the discoveries made, how many more may be false; in [0, 1).
        memory_seconds: how long a discovery goes on buying; mean of the exponential kernel.
    """

    false_per_day: float = 0.3
    share: float = 0.05
    memory_seconds: float = 3600.0

    def __post_init__(self) -> None:
        if not (self.false_per_day > 0 and 0 <= self.share < 1 and self.memory_seconds > 0):
            raise ValueError(f"{self}: needs false_per_day > 0, 0 <= share < 1 and memory_seconds > 0")


class Purse:
    """What may be spent on false discoveries, and by whom. 8 bytes a series, 32 bytes a group.

    Args:
        settings: what may be wrong.
        group_of: the name of the group of a series: what it earned is spent there. Asked once a series.
    """

    def __init__(self, settings: DiscoverySettings, group_of: Callable[[int], str]) -> None:
        memory = float(from_seconds(settings.memory_seconds))
        self.rules: F64 = np.array(
            [
                settings.false_per_day / _DAY_NANOS,
                settings.share / memory,
                memory,
                float(from_seconds(SLOT_SECONDS)),
            ]
        )
        self._group_of = group_of
        self._names: dict[str, int] = {}
        self._wealth: F64 = np.zeros((64, WEALTH))
        self._members: I64 = np.zeros(64, np.int64)
        self._group: I64 = np.full(64, -1, np.int64)

    def arrays(self, series: NDArray[np.uint32], active: int) -> PurseArrays:
        """What compiled code needs to judge rows of these series; `active`: how many series share `base`."""
        if len(series):
            self._meet(series)
        return self.rules, self._wealth, self._members, self._group, self.alone(active)

    def alone(self, active: int) -> float:
        """False discoveries a nanosecond that one of `active` series may make without any wealth."""
        return float(self.rules[BASE]) / max(active, 1)

    def by_series(self, size: int) -> F64:
        """The wealth of the group of each series, float64[size, WEALTH]; zeros where it has none yet."""
        found = np.zeros((size, WEALTH))
        known = np.flatnonzero(self._group[:size] >= 0)
        found[known] = self._wealth[self._group[known]]
        return found

    def restore(self, by_series: F64) -> None:
        """Take over what `by_series` gave, of series that may have other numbers now."""
        rich = np.flatnonzero(by_series.any(axis=1)).astype(np.uint32)
        if len(rich):
            self._meet(rich)
            self._wealth[self._group[rich]] = by_series[rich]

    def _meet(self, series: NDArray[np.uint32]) -> None:
        most = int(series.max()) + 1
        if most > len(self._group):
            self._group = _grown(self._group, most, -1)
        fresh = series[self._group[series] < 0]
        for one in np.unique(fresh).tolist():
            group = self._names.setdefault(self._group_of(one), len(self._names))
            if group >= len(self._members):
                self._members = _grown(self._members, group + 1, 0)
                wealth = np.zeros((len(self._members), WEALTH))
                wealth[: len(self._wealth)] = self._wealth
                self._wealth = wealth
            self._group[one] = group
            self._members[group] += 1


def _grown(array: I64, size: int, fill: int) -> I64:
    grown = np.full(1 << (size - 1).bit_length(), fill, np.int64)
    grown[: len(array)] = array
    return grown


@njit(cache=True, nogil=True, error_model="numpy")
def level(purse: PurseArrays, series: int, now: int) -> float:
    """False discoveries a nanosecond that a series may make by itself at `now`; enters a new slot. O(1).

    A time before the present slot is judged like the present slot.
    """
    rules, wealth, members, groups, alone = purse
    group = groups[series]
    own = wealth[group]
    slot = math.floor(now / rules[SLOT_NANOS])
    if slot > own[SLOT]:
        passed = (slot - own[SLOT]) * rules[SLOT_NANOS]
        # Discoveries of the slot that ended count from its end: never more than the kernel allows.
        fresh = own[PENDING] * rules[GAIN] * math.exp(-(passed - rules[SLOT_NANOS]) / rules[MEMORY])
        own[BOOST] = own[BOOST] * math.exp(-passed / rules[MEMORY]) + fresh
        own[PENDING] = 0.0
        own[SLOT] = slot
    return float(alone + own[BOOST] / members[group])


@njit(cache=True, nogil=True, error_model="numpy")
def earn(purse: PurseArrays, series: int) -> None:
    """A series made a discovery in the present slot; its group spends it from the next one on."""
    purse[1][purse[3][series], PENDING] += 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def walk(
    purse: PurseArrays, series: NDArray[np.uint32], times: I64, p_values: F64, lengths: F64
) -> NDArray[np.bool_]:
    """Which of these tests are discoveries, each test being one sample: the bare rule, without a policy.

    Args:
        purse: is spent and earned.
        series: uint32[n].
        times: Unix nanoseconds, int64[n], in order.
        p_values: float64[n]; NaN is no test.
        lengths: float64[n], nanoseconds that each sample stands for: the interval of its series.
    """
    found = np.zeros(len(times), np.bool_)
    for k in range(len(times)):
        if p_values[k] <= level(purse, series[k], times[k]) * lengths[k]:
            found[k] = True
            earn(purse, series[k])
    return found
