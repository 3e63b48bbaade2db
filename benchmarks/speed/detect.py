"""Speed of detection: the robust bank with its policy, one sample a series a tick, on one core.

    python benchmarks/speed/detect.py [--series 20000] [--ticks 60]

Prints samples per CPU second of the thread, bytes per series, and the ratio to a plain NumPy EWMA
z-score over the same columns, measured in turn, tick by tick (so both meet the same neighbours on a
shared machine).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, SeriesInfo

STEP = 5_000_000_000
START = 1_700_000_000_000_000_000


class PlainEwma:
    """The baseline: mean and variance by exponential weights, |z| > 6 is an alarm."""

    def __init__(self, series: int) -> None:
        self.mean = np.zeros(series)
        self.variance = np.ones(series)

    def update(self, ids: NDArray[np.uint32], x: NDArray[np.float64]) -> int:
        off = x - self.mean[ids]
        z = np.abs(off) / np.sqrt(self.variance[ids] + 1e-12)
        self.mean[ids] += 0.02 * off
        self.variance[ids] = 0.98 * (self.variance[ids] + 0.02 * off * off)
        return int(np.count_nonzero(z > 6.0))


def describe(series: int) -> SeriesInfo:
    return SeriesInfo(series, "bench", (("n", str(series)),), "host:bench", "bench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--warm-ticks", type=int, default=140)
    given = parser.parse_args()
    rng = np.random.default_rng(7)
    n = given.series
    ids = np.arange(n, dtype=np.uint32)
    nothing = np.zeros(n, bool)
    bank = RobustBank()
    policy = AlarmPolicy(bank, describe)
    plain = PlainEwma(n)
    ours, theirs, changes = [], [], 0
    for tick in range(given.warm_ticks + given.ticks):
        x = 50.0 + 10.0 * (ids % 7) + rng.normal(0.0, 1.0, n)
        batch = MetricBatch(ids, np.full(n, START + tick * STEP), x)
        rows = AdmittedMetrics(batch, x, nothing)
        begin = time.thread_time()
        changes += len(policy.update(rows, bank.update(rows), START + tick * STEP))
        middle = time.thread_time()
        plain.update(ids, x)
        end = time.thread_time()
        if tick >= given.warm_ticks:
            ours.append(middle - begin)
            theirs.append(end - middle)
    total, base = float(np.sum(ours)), float(np.sum(theirs))
    ratios = np.array(theirs) / np.array(ours)
    print(f"bank + policy: {n * given.ticks / total / 1e6:.2f} M samples per CPU second ({n} series)")
    print(f"plain EWMA z-score (NumPy): {n * given.ticks / base / 1e6:.2f} M samples/s")
    print(f"speed of ours / plain, paired by tick: median {np.median(ratios):.2f}")
    print(f"worst tick: {max(ours) * 1e3:.1f} ms for {n} samples; finding changes: {changes}")
    print(f"state: {bank.bytes_per_series} bytes a series + {policy.bytes_per_series} of the policy")


if __name__ == "__main__":
    main()
