"""How long a diagnosis takes: 10,000 series of 180 points, a graph of 1,000 entities, logs and calls.

    python benchmarks/speed/causes.py [--series 10000] [--points 180] [--entities 1000] [--runs 20]

The baseline is the plain ranking by standard deviations over the same values.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.quality._plain_causes import three_sigma

from stormpetrel.explain.rank import diagnose
from stormpetrel.explain.situation import Sightings, Situation

SECOND = 1_000_000_000
KINDS = ("latency_p95", "error_ratio", "cpu_usage", "memory_bytes", "requests_per_second")


def situation(series: int, points: int, entities: int, seed: int) -> Situation:
    """Random walks of load and latency, a tenth of them disturbed at the end."""
    rng = np.random.default_rng(seed)
    values = (
        100.0
        + rng.standard_normal((points, series)).cumsum(axis=0) * 0.3
        + rng.standard_normal((points, series))
    )
    onset = points - points // 6
    values[onset:, : series // 10] *= 1.0 + rng.random(series // 10)
    names = tuple(f"service:s{k % entities}" for k in range(series))
    calls = tuple((f"service:s{k // 3}", f"service:s{k}") for k in range(1, entities))
    rows = 50_000
    counted = Sightings(
        time_unix_nano=rng.integers(0, points, rows) * 60 * SECOND,
        place=rng.integers(0, entities, rows).astype(np.int32),
        thing=rng.integers(0, 2000, rows).astype(np.int32),
        count=rng.poisson(5, rows).astype(np.float64),
        places=tuple(f"service:s{k}" for k in range(entities)),
        things=tuple(f"line number {k} says something" for k in range(2000)),
        failing=rng.random(2000) < 0.05,
        target=np.full(2000, -1, np.int32),
        toward=rng.integers(-2, entities, 2000).astype(np.int32),
        own_seconds=rng.random(rows),
    )
    return Situation(
        time_unix_nano=60 * SECOND * np.arange(points, dtype=np.int64),
        values=values,
        entities=names,
        metrics=tuple(f"{KINDS[k % len(KINDS)]}_{k // entities}" for k in range(series)),
        anchor_unix_nano=60 * SECOND * onset,
        usable=np.ones(points, np.bool_),
        entry=0,
        calls=calls,
        patterns=counted,
        spans=counted,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=180)
    parser.add_argument("--entities", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    ours, plain = [], []
    for seed in range(given.runs):
        case = situation(given.series, given.points, given.entities, seed)
        begin = time.perf_counter()
        three_sigma(case)
        middle = time.perf_counter()
        diagnose(case)
        plain.append(middle - begin)
        ours.append(time.perf_counter() - middle)
    ratio = np.median(np.array(ours) / np.array(plain))
    print(
        f"diagnosis: median {np.median(ours):.3f} s, p95 {np.percentile(ours, 95):.3f} s;"
        f" plain ranking of metrics alone {np.median(plain):.3f} s; paired ratio {ratio:.1f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
