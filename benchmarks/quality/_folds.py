"""Cross-validation over whole series: constants of the alarm policy, judged where they were not chosen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from benchmarks.quality._recordings import MOST_FALSE, Recording, figures

from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.detect.policy import AlarmOptions, AlarmSettings
from stormpetrel.evaluate import metrics, scoring
from stormpetrel.model.finding import Scores
from stormpetrel.model.signal import MetricBatch

FOLDS, SEED = 5, 20
P_OPEN = (1e-3, 2e-3, 3.5e-3, 5e-3, 7e-3)
HOLD_SAMPLES = (2, 3, 4, 6)
AT_ONCE_SHARE = (0.02, 0.05, 0.1, 0.25, 0.5)
SHIPPED = AlarmSettings()
FIGURES = ("alarm_f1", "false_per_series_day", "nab")
Judged = tuple[RobustBank, MetricBatch, Scores]


def folds(recordings: Sequence[Recording]) -> list[list[int]]:
    """The places of the series in each fold: every data set is spread evenly over all."""
    random = np.random.default_rng(SEED)
    parts: list[list[int]] = [[] for _ in range(FOLDS)]
    turn = 0
    for dataset in sorted({r.file.dataset for r in recordings}):
        mine = [k for k, r in enumerate(recordings) if r.file.dataset == dataset]
        for k in random.permutation(mine):
            parts[turn % FOLDS].append(int(k))
            turn += 1
    return parts


def settings() -> list[AlarmOptions]:
    """The grid; a finding closes as far above its threshold as it does as shipped."""
    beyond = SHIPPED.p_close / SHIPPED.p_open
    return [
        AlarmOptions(p_open=p, p_close=beyond * p, hold_samples=hold, at_once_share=share)
        for p, hold, share in itertools.product(P_OPEN, HOLD_SAMPLES, AT_ONCE_SHARE)
    ]


def worth(f: dict[str, float]) -> float:
    """What is chosen by: F1 and NAB standard alike, nothing beyond the allowed false alarms."""
    excess = max(0.0, f["false_per_series_day"] - MOST_FALSE)
    return f["alarm_f1"] + f["nab"] / 100.0 - 100.0 * excess


def cross_validate(recordings: Sequence[Recording]) -> None:
    """Choose on all folds but one, score on that one; print each, and the means beside those as shipped."""
    judged: list[Judged] = []
    for recording in recordings:
        bank = RobustBank()
        judged.append((bank, *metrics.scored_rows(recording.measured, bank)))
    grid = settings()
    tried = [[one(r, j, options) for r, j in zip(recordings, judged, strict=True)] for options in grid]
    shipped = [one(r, j, AlarmOptions()) for r, j in zip(recordings, judged, strict=True)]
    held: list[list[dict[str, float]]] = []
    parts = folds(recordings)
    for number, part in enumerate(parts):
        others = [k for other in parts if other is not part for k in other]
        best = max(range(len(grid)), key=lambda g: worth(of(recordings, tried[g], others)))
        chosen, fixed = of(recordings, tried[best], part), of(recordings, shipped, part)
        held.append([chosen, fixed])
        p, hold, share = (grid[best][name] for name in ("p_open", "hold_samples", "at_once_share"))
        print(f"fold {number + 1}: chose p_open {p}, hold_samples {hold}, at_once_share {share}")
        print(f"  held out, chosen   {told(chosen)}\n  held out, shipped  {told(fixed)}")
    for place, name in enumerate(("chosen on the others", "as shipped")):
        mean = {f: float(np.mean([fold[place][f] for fold in held])) for f in FIGURES}
        print(f"mean of held-out folds, {name:20s}  {told(mean)}")
    every = list(range(len(recordings)))
    print(f"all series at once, as shipped                {told(of(recordings, shipped, every))}")


def one(recording: Recording, judged: Judged, options: AlarmOptions) -> scoring.SeriesScore:
    alarm = metrics.alarms(*judged, **options)
    return recording.score((np.zeros(len(alarm)), alarm), volume=False)


def of(
    recordings: Sequence[Recording], scores: Sequence[scoring.SeriesScore], places: Sequence[int]
) -> dict[str, float]:
    return figures([recordings[k] for k in places], [scores[k] for k in places])


def told(f: dict[str, float]) -> str:
    return f"F1 {f['alarm_f1']:.3f} at {f['false_per_series_day']:.3f} a series and day, NAB {f['nab']:.1f}"
