"""Whether a sample still is of its series' size: the gate's compiled memory of magnitude and unit.

Two things are told. *Implausible*: a finite number beyond anything the series, or any unit, could mean;
what a flipped bit or a parsed-over column leaves. *Rescaled*: a series whose values are, from some sample
on, a power of 10 or of 1024 times what they were, and otherwise as before: somebody
changed a unit.

The sign of a changed unit is that nothing but the factor changed. Level and mean deviation of log10 |x|, and
its mean step from sample to sample, are learnt while nothing happens. A run of `TRIAL` samples that lie far
from the level is a changed unit when their own level is off by one of `FACTORS`, as nearly as the series
lets one say, and their mean step, which is relative, is what it was. A surge, an outage or a saturated
processor changes the relative step too, or hits the factor by chance only: both are left to the detectors.
Tenfold is what a surge may be: after `LONG_TRIAL` samples and with a closer fit it is named once, hides
nothing, and is the size from then on.
A series that hardly varies tells less: it must hit a factor of 1,000 or more to one part in ten thousand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from stormpetrel.model.quality import Quality

KEEPS, RESCALED, TENFOLD = int(Quality.GOOD), int(Quality.RESCALED), int(Quality.TENFOLD)

LEARNT = 48  # sizes learnt before anything is told
TRIAL = 16  # samples in a row that make a factor
LONG_TRIAL = 64  # ... that make a tenfold one
GIVE_UP = 96  # of another size and no factor: that is the size now
GAIN = 0.02  # weight of one sample in level and deviation
QUICK_GAIN = 0.2  # ... and in the level right before a change, from which the factor is measured
FAR, DEVIATIONS = 0.7, 4.5  # decades, and mean deviations: nearer than this no factor is looked for
FLAT = 2e-4  # mean step in decades below which a series hardly varies
# Decades a measured factor may be off, besides noise: the hour of the day moves the level meanwhile.
NEAR, NEAR_MOST = 0.05, 0.25
ALIKE = 2.5  # the steps before and after may differ by this factor
TENFOLD_MOST = 1.5  # decades: below lies the factor of ten
NEAR_TENFOLD, ALIKE_TENFOLD = 0.08, 1.6  # ... of a tenfold change, which a surge may be

# log10 of the factors: 10, 100, 1000, 1024, 1e6, 1024^2, 1e9, 1024^3; and their inverses.
FACTORS = np.array([1.0, 2.0, 3.0, 3.0102999566, 6.0, 6.0205999133, 9.0, 9.0308998699])

IMPLAUSIBLE_RATIO = 1e12  # times the largest value of the series lately ...
IMPLAUSIBLE_LEAST = 1e21  # ... and beyond what is counted anywhere: bytes, nanoseconds, flops


@njit(nogil=True, cache=True)
def implausible(record: Any, value: float) -> bool:
    """Whether a finite value is beyond anything the series could mean."""
    size = abs(value)
    return size > IMPLAUSIBLE_LEAST and size > IMPLAUSIBLE_RATIO * float(record.magnitude)


@njit(nogil=True, cache=True)
def remember_size(record: Any, value: float) -> None:
    """Keep the largest value, slowly forgotten."""
    size = min(abs(value), 1e38)
    record.magnitude = np.float32(max(size, 0.9999 * float(record.magnitude)))


@njit(nogil=True, cache=True)
def size_change(record: Any, judged: float) -> int:
    """`RESCALED` where this sample is of another unit than its series was, `TENFOLD` where it may be, else
    `KEEPS`; learns from it where it is not."""
    size = abs(judged)
    if not (1e-300 < size < math.inf):  # zero is zero in every unit; NaN is nothing to judge
        return RESCALED if record.factor != 0.0 else KEEPS
    log = math.log10(size)
    off = log - float(record.log_level)
    if record.factor != 0.0:
        if abs(off - float(record.factor)) <= abs(off):
            return RESCALED
        record.factor = np.float32(0.0)  # back to what it was
    if record.sized < LEARNT:
        _learn(record, off, 1.0 / (record.sized + 1.0))
        record.sized = np.uint8(record.sized + 1)
        return KEEPS
    if abs(off) < max(FAR, DEVIATIONS * float(record.log_spread)):
        record.trial = np.uint8(0)
        _learn(record, off, GAIN)
        return KEEPS
    return _try(record, log)


@njit(nogil=True, cache=True)
def _learn(record: Any, off: float, gain: float) -> None:
    log = off + float(record.log_level)
    if record.sized > 0:
        step = min(abs(log - float(record.log_last)), 1.0)
        record.log_step = np.float32(float(record.log_step) + gain * (step - float(record.log_step)))
    record.log_last = np.float32(log)
    record.log_quick = np.float32(
        float(record.log_quick) + max(gain, QUICK_GAIN) * (log - float(record.log_quick))
    )
    record.log_level = np.float32(float(record.log_level) + gain * off)
    record.log_spread = np.float32(float(record.log_spread) + gain * (abs(off) - float(record.log_spread)))


@njit(nogil=True, cache=True)
def _try(record: Any, log: float) -> int:
    """One more sample of another size: what the run is, when it makes it a factor."""
    count = int(record.trial)
    away = log - float(record.trial_level)
    if count > 0 and abs(away) > max(0.3, 8.0 * float(record.log_spread)):
        count = 0
    if count == 0:
        record.trial_level = record.log_last = np.float32(log)
        record.trial_step = np.float32(0.0)
        record.trial = np.uint8(1)
        return KEEPS
    step = abs(log - float(record.log_last))
    record.log_last = np.float32(log)
    record.trial_step = np.float32(float(record.trial_step) + (step - float(record.trial_step)) / count)
    count += 1
    record.trial = np.uint8(count)
    record.trial_level = np.float32(float(record.trial_level) + away / count)
    if count in (TRIAL, 2 * TRIAL, LONG_TRIAL):
        factor = _factor(record, count)
        if abs(factor) > TENFOLD_MOST:
            record.factor = np.float32(factor)
            return RESCALED
        if factor != 0.0:
            _settle(record)
            return TENFOLD
    if count >= GIVE_UP:
        _settle(record)
    return KEEPS


@njit(nogil=True, cache=True)
def _settle(record: Any) -> None:
    """What was tried is the size now."""
    record.log_level = record.log_quick = record.trial_level
    record.log_spread = record.log_step = record.trial_step
    record.trial = np.uint8(0)


@njit(nogil=True, cache=True)
def _factor(record: Any, count: int) -> float:
    """log10 of the factor that the trial run of `count` samples is off by; 0 where it is none."""
    before, after = float(record.log_step), float(record.trial_step)
    spread = float(record.log_spread)
    nearest, miss = _nearest(float(record.trial_level) - float(record.log_quick), count)
    far, far_miss = _nearest(float(record.trial_level) - float(record.log_level), count)
    if far_miss < miss:
        nearest, miss = far, far_miss
    if before < FLAT and after < FLAT:
        return nearest if miss <= 5e-5 and abs(nearest) > 2.5 else 0.0
    tenfold = abs(nearest) <= TENFOLD_MOST
    most = ALIKE_TENFOLD if tenfold else ALIKE
    alike = after <= most * before + 1e-4 and before <= most * after + 1e-4
    near = miss <= (NEAR_TENFOLD if tenfold else min(NEAR + 1.5 * spread, NEAR_MOST))
    return nearest if alike and near else 0.0


@njit(nogil=True, cache=True)
def _nearest(jump: float, count: int) -> tuple[float, float]:
    """The factor nearest to a jump, both log10, and how far it is off; tenfold only after a long trial."""
    first = 0 if count >= LONG_TRIAL else 1
    nearest, miss = 0.0, math.inf
    for k in range(first, len(FACTORS)):
        signed = FACTORS[k] if jump > 0.0 else -FACTORS[k]
        if abs(jump - signed) < miss:
            nearest, miss = signed, abs(jump - signed)
    return nearest, miss


@njit(nogil=True, cache=True)
def adopt_size(records: Any, series: int) -> None:
    """A person says that the new unit of a series is right: its size is learnt anew."""
    record = records[series]
    record.factor = np.float32(0.0)
    record.trial = np.uint8(0)
    record.sized = np.uint8(0)
    record.log_level = record.log_quick = np.float32(0.0)
    record.log_spread = record.log_step = np.float32(0.0)
