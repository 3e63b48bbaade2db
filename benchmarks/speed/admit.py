"""How many samples a second the quality gate admits on one core, against a plain Python loop.

The baseline keeps a dictionary per series and knows fewer rules (no ring, no gaps, no stuck series, no
roll-back), so that the ratio errs in its favour. Both judge the same batches, turn by turn.

    python benchmarks/speed/admit.py [series] [batches]
"""

from __future__ import annotations

import math
import statistics
import sys
import time

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.admit import QualityGate
from stormpetrel.model.signal import MetricBatch

START = 1_700_000_000_000_000_000
STEP = 15_000_000_000


class PlainGate:
    """Finite, in order, not future, rate of counters: row by row in Python."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, float]] = {}

    def admit(self, batch: MetricBatch, now: int, kinds: NDArray[np.uint8]) -> tuple[list[int], list[float]]:
        verdicts, signals = [], []
        kind_of = kinds.tolist()
        columns = (batch.series.tolist(), batch.time_unix_nano.tolist(), batch.value.tolist())
        for series, at, value in zip(*columns, strict=True):
            verdict, signal = 0, value
            last = self._last.get(series)
            if not math.isfinite(value):
                verdict = 1
            elif at > now + 300_000_000_000:
                verdict = 5
            elif last is not None and at <= last[0]:
                verdict = 3 if (at, value) == last else 2
            else:
                if kind_of[series] == 2:
                    signal = math.nan if last is None else (value - last[1]) / (at - last[0]) * 1e9
                    verdict = 7 if last is not None and value < last[1] else 0
                self._last[series] = (at, value)
            verdicts.append(verdict)
            signals.append(signal)
        return verdicts, signals


def batches(series: int, count: int) -> list[MetricBatch]:
    """Each with one sample of every series in random order, one in a thousand sent again."""
    rng = np.random.default_rng(7)
    made = []
    for k in range(count):
        order = rng.permutation(series).astype(np.uint32)
        again = order[: series // 1000]
        ids = np.concatenate([order, again])
        values = (k * 10.0 + ids % 7).astype(np.float64)
        made.append(MetricBatch(ids, np.full(len(ids), START + k * STEP), values))
    return made


def main() -> None:
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    kinds = np.random.default_rng(1).integers(0, 4, series).astype(np.uint8)
    blocked = np.zeros(series, np.uint8)
    gate, plain = QualityGate(), PlainGate()
    fast, slow = [], []
    for number, batch in enumerate(batches(series, count)):
        now = int(batch.time_unix_nano[-1])
        began = time.perf_counter()
        gate.admit(batch, now, kinds, blocked)
        middle = time.perf_counter()
        plain.admit(batch, now, kinds)
        if number >= 2:  # the first compiles, the second still meets new memory
            fast.append((middle - began) / len(batch))
            slow.append((time.perf_counter() - middle) / len(batch))
    ratio = statistics.median(s / f for s, f in zip(slow, fast, strict=True))
    print(
        f"quality gate  {1e-6 / statistics.median(fast):6.2f} M samples/s ({series:,} series, random order)"
    )
    print(f"plain Python  {1e-6 / statistics.median(slow):6.2f} M samples/s")
    print(f"paired ratio  {ratio:6.1f}")


if __name__ == "__main__":
    main()
