"""What each view of the mixture is worth, and how plain detectors do on the same labelled recordings.

    python benchmarks/quality/metrics.py RECORDINGS [--ablation] [--folds]

Prints, as the mean over data sets of single series: VUS-PR and average precision of a ranking, F1 and false
alarms per series and day of alarms, and NAB standard, scored exactly as `petrel evaluate metrics` does; then
the same for each data set of groups (several metrics of one entity). Plain detectors get their one alarm
threshold in hindsight, the best of twelve with at most 0.05 false alarms a series and day: ours does not.

`--ablation` leaves out each view in turn. `--folds` prints, instead of all that, what the constants of the
alarm policy are worth on series that they were not chosen on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.quality._folds import cross_validate
from benchmarks.quality._plain import F64, GROUPS, SINGLE, Plain
from benchmarks.quality._recordings import MOST_FALSE, Answer, Recording, figures, read, show

from stormpetrel.detect.metrics.mixture_layout import VIEW_NAMES
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.evaluate import metrics


def scored(
    recordings: Sequence[Recording], answers: Sequence[Answer], volume: bool = True
) -> dict[str, float]:
    pairs = zip(recordings, answers, strict=True)
    return figures(recordings, [recording.score(answer, volume) for recording, answer in pairs])


def plain(recordings: Sequence[Recording], detector: Plain) -> dict[str, float]:
    """Figures of a plain detector, at its best threshold."""
    ranks: list[F64] = []
    for recording in recordings:
        values = recording.measured.values
        ranks.append(detector(values[0] if len(values) == 1 else values, recording.trained))
    cuts = np.quantile(np.concatenate([rank[::20] for rank in ranks]), 1.0 - np.geomspace(0.03, 1e-5, 12))
    tried = [scored(recordings, [(rank, rank > cut) for rank in ranks], volume=False) for cut in cuts]
    calm = [k for k, f in enumerate(tried) if f["false_per_series_day"] <= MOST_FALSE] or [len(cuts) - 1]
    best = max(calm, key=lambda k: tried[k]["alarm_f1"])
    return scored(recordings, [(rank, rank > cuts[best]) for rank in ranks])


def ours(recordings: Sequence[Recording], without: tuple[str, ...] = ()) -> dict[str, float]:
    """Figures of the bank and policy as shipped, or without some views of the mixture."""
    answers = []
    for recording in recordings:
        rank, _, alarm = metrics.judge(recording.measured, RobustBank(without=without))
        answers.append((np.nan_to_num(rank), alarm))
    return scored(recordings, answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--ablation", action="store_true", help="leave out each view in turn")
    parser.add_argument(
        "--folds", action="store_true", help="cross-validate the constants of the alarm policy"
    )
    given = parser.parse_args()
    recordings = read(given.recordings)
    single = [r for r in recordings if len(r.measured.values) == 1]
    if given.folds:
        cross_validate(single)
        return
    for name, detector in SINGLE.items():
        show(name, plain(single, detector))
    show("robust", ours(single))
    for view in VIEW_NAMES if given.ablation else ():
        show(f"robust without {view}", ours(single, (view,)))
    for dataset in sorted({r.file.dataset for r in recordings if len(r.measured.values) > 1}):
        print(f"\n{dataset}: groups")
        groups = [r for r in recordings if r.file.dataset == dataset]
        for name, detector in GROUPS.items():
            show(name, plain(groups, detector))
        show("robust, group head", ours(groups))


if __name__ == "__main__":
    main()
