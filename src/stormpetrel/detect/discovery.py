"""Online false-discovery control across all series and time: how strict the next test has to be.

Every sample of every series is a test, and a finding that opens is a *discovery*. The rule decides, before
a moment's p-values are looked at, how many false discoveries all tests of that moment may make together:

    spend(t) = base + share * sum over earlier discoveries d of kernel(t - t_d)

per unit of time, divided over the series by their number and intervals. `kernel` integrates to one, so each
discovery buys exactly `share` of a false one later on. Summed up, over any stretch of time

    E[false discoveries] <= base * time + share * E[discoveries]

This is LORD++ (Javanmard and Montanari 2018; Ramdas, Yang, Wainwright and Jordan 2017), written as a rate.
What differs, and why:

* *Decaying memory* (mem-FDR, Ramdas et al. 2017): an exponential kernel. Wealth earned in last month's
  outage does not loosen tonight's test, and after a quiet week the test is not stricter than `base` says:
  LORD's levels go to zero ("alpha death"), which an operator cannot use. The price is the term
  `base * time`: with no trouble at all, `base` false discoveries a day remain, and that is what is promised.
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
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.model.time import from_seconds

F64 = NDArray[np.float64]

# The wealth, float64[FIELDS]. Rates are false discoveries a nanosecond over all series together.
BASE, GAIN, MEMORY, SLOT_NANOS, SLOT, BOOST, PENDING = range(7)
FIELDS = 7

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


def open_wealth(settings: DiscoverySettings) -> F64:
    """The wealth before the first test."""
    wealth = np.zeros(FIELDS)
    memory = float(from_seconds(settings.memory_seconds))
    wealth[BASE] = settings.false_per_day / _DAY_NANOS
    wealth[GAIN] = settings.share / memory
    wealth[MEMORY] = memory
    wealth[SLOT_NANOS] = float(from_seconds(SLOT_SECONDS))
    return wealth


@njit(cache=True, nogil=True)
def spend(wealth: F64, now: int) -> float:
    """False discoveries a nanosecond that all tests at `now` may make together; enters a new slot.

    A time before the present slot is judged like the present slot. O(1).
    """
    slot = math.floor(now / wealth[SLOT_NANOS])
    if slot > wealth[SLOT]:
        passed = (slot - wealth[SLOT]) * wealth[SLOT_NANOS]
        wealth[BOOST] *= math.exp(-passed / wealth[MEMORY])
        # Discoveries of the slot that ended count from its end: never more than the kernel allows.
        wealth[BOOST] += (
            wealth[PENDING] * wealth[GAIN] * math.exp(-(passed - wealth[SLOT_NANOS]) / wealth[MEMORY])
        )
        wealth[PENDING] = 0.0
        wealth[SLOT] = slot
    return float(wealth[BASE] + wealth[BOOST])


@njit(cache=True, nogil=True)
def earn(wealth: F64) -> None:
    """A discovery was made in the present slot; it buys from the next one on."""
    wealth[PENDING] += 1.0


@njit(cache=True, nogil=True)
def walk(
    wealth: F64, times: NDArray[np.int64], p_values: F64, lengths: F64, series: int
) -> NDArray[np.bool_]:
    """Which of these tests are discoveries, each test being one sample: the bare rule, without a policy.

    Args:
        wealth: is spent and earned.
        times: Unix nanoseconds, int64[n], in order.
        p_values: float64[n]; NaN is no test.
        lengths: float64[n], nanoseconds that each sample stands for: the interval of its series.
        series: how many series share the spending.
    """
    found = np.zeros(len(times), np.bool_)
    for k in range(len(times)):
        level = spend(wealth, times[k]) * lengths[k] / series
        if p_values[k] <= level:
            found[k] = True
            earn(wealth)
    return found
