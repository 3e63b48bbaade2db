"""The score of the Numenta benchmark: alarms in labelled windows, the earlier the better.

A window counts once, by its first alarm, from almost 1 at its start to 0 at its end; each alarm outside costs
up to 0.11, less just behind a window. 0 is what silence gets, 100 what perfect alarms get. A data set has
windows where a file `_nab_windows.json` lies beside its series.

Reference: Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms", 2015 (standard profile).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = "_nab_windows.json"
FALSE_WEIGHT, MISS_WEIGHT = 0.11, 1.0
PROBATION_SHARE, PROBATION_ROWS = 0.15, 750

Windows = Sequence[tuple[int, int]]


def read_windows(folder: Path) -> Mapping[str, Windows]:
    """First and last row of each window, by series name; empty where the folder has no such file."""
    path = folder / FILE
    if not path.is_file():
        return {}
    tree = json.loads(path.read_text(encoding="utf-8"))
    return {name: [(int(a), int(b)) for a, b in entry["windows_idx"]] for name, entry in tree.items()}


def _sigmoid(x: float) -> float:
    return float(2.0 / (1.0 + np.exp(min(5.0 * x, 500.0))) - 1.0)


def gained(onsets: NDArray[np.int64], rows: int, windows: Windows) -> float:
    """What the alarm onsets of one series of `rows` rows gain, not normalised; misses cost nothing."""
    first = int(min(PROBATION_SHARE * rows, PROBATION_ROWS))
    counted = onsets[onsets >= first]
    total, taken = 0.0, np.zeros(len(counted), bool)
    for begin, end in windows:
        inside = (counted >= begin) & (counted <= end)
        taken |= inside
        if inside.any():
            earliest = int(counted[inside][0])
            total += MISS_WEIGHT + _sigmoid(-(end - earliest + 1) / (end - begin + 1)) / _sigmoid(-1.0)
    for row in counted[~taken]:
        before = [(begin, end) for begin, end in windows if end < row]
        if not before:
            total -= FALSE_WEIGHT
            continue
        begin, end = before[-1]
        behind = (int(row) - end) / max(end - begin, 1)
        total += FALSE_WEIGHT * (-1.0 if behind > 3.0 else _sigmoid(behind))
    return total


def standard_score(gains: Sequence[float], windows: int) -> float:
    """The normalised score of a data set with so many windows; NaN without any, at least 0."""
    if windows == 0:
        return float("nan")
    return max(100.0 * sum(gains) / (windows * (1.0 + MISS_WEIGHT)), 0.0)
