"""Labelled recordings, read once; figures of any answer to them, as `petrel evaluate metrics` scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormpetrel.evaluate import labelled, metrics, scoring, windows

F64 = NDArray[np.float64]
Answer = tuple[F64, NDArray[np.bool_]]  # rank and alarm, row by row
LEARN_SHARE = 0.15
MOST_FALSE = 0.05  # alarms a series and day


@dataclass(frozen=True)
class Recording:
    """One labelled file: a single series, or a group of several metrics."""

    file: labelled.SeriesFile
    measured: labelled.Measured
    label: NDArray[np.bool_]

    @property
    def trained(self) -> int:
        """Rows that a plain detector may be fitted on: those whose alarms are not scored."""
        first, test_only = labelled.judged_from(self.file, len(self.label))
        return first if test_only else max(64, int(LEARN_SHARE * len(self.label)))

    def score(self, answer: Answer, volume: bool = True) -> scoring.SeriesScore:
        return metrics.scored(self.file, self.measured, self.label, answer, volume)


def read(folder: Path) -> list[Recording]:
    """All labelled files below a folder, by data set and name."""
    found = []
    for file in labelled.find(folder):
        label = labelled.labels(file)
        if label is not None:
            found.append(Recording(file, labelled.measurements(file), label))
    return found


def figures(recordings: Sequence[Recording], scores: Sequence[scoring.SeriesScore]) -> dict[str, float]:
    """Means over data sets of the pooled figures, and NAB standard of those that have windows."""
    by_set: dict[str, list[scoring.SeriesScore]] = {}
    for recording, score in zip(recordings, scores, strict=True):
        by_set.setdefault(recording.file.dataset, []).append(score)
    pooled = [scoring.pooled(of_set) for of_set in by_set.values()]
    mean = {name: float(np.mean([p[name] for p in pooled])) for name in pooled[0]}
    windowed = [s for s in scores if s.gained == s.gained]
    mean["nab"] = windows.standard_score([s.gained for s in windowed], sum(s.windows for s in windowed))
    return mean


def show(name: str, f: dict[str, float]) -> None:
    told = f"F1 {f['alarm_f1']:.3f} at {f['false_per_series_day']:.3f} a series and day"
    print(
        f"{name:24s} VUS-PR {f['vus_pr']:.3f}  AUC-PR {f['auc_pr']:.3f}  {told}  NAB {f['nab']:.1f}",
        flush=True,
    )
