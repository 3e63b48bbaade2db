"""Evaluate metric detection on labelled series: the bank and the policy of the running system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from stormpetrel.detect import gate
from stormpetrel.detect.metrics.group import GroupHead
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.detect.policy import AlarmOptions, AlarmPolicy
from stormpetrel.evaluate import labelled, scoring, windows
from stormpetrel.evaluate.labelled import Measured, SeriesFile
from stormpetrel.evaluate.report import Cell, EvaluationReport
from stormpetrel.evaluate.volume import dominant_period, volume_under_surface
from stormpetrel.model.finding import Scores
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, SeriesInfo
from stormpetrel.model.time import NANOS_PER_SECOND

GAP_FACTOR = 5.0  # silence of more than this many usual intervals is a gap, as at intake
_FIGURES = ("vus_pr", "auc_pr", "precision", "recall", "alarm_f1", "false_per_series_day")


class MetricsEvaluation:
    """`petrel evaluate metrics`: Parquet or CSV files with `timestamp` (Unix seconds), `value`, `label`.

    A file without timestamps is read as one row a minute, and every other column as a series of one
    entity. Each file is played through a fresh bank and policy with default settings, as it would have
    arrived. Writes `OUT/metrics/<dataset>/<series>.parquet` with `timestamp`, `rank` (higher is
    stranger), `p_value` (1 while warming up) and `alarm` (true while a finding is open). Only then are
    labels read. Cost: about a microsecond a sample.
    """

    area = "metrics"

    def run(self, data: Path, out: Path) -> EvaluationReport:
        """Write predictions, then score them."""
        files = labelled.find(data)
        for file in files:
            predict(file, out)
        by_set: dict[str, list[scoring.SeriesScore]] = {}
        for file in files:
            scored = _scored(file, out)
            if scored is not None:
                by_set.setdefault(file.dataset, []).append(scored)
        return _report(by_set, len(files))


def prediction_path(file: SeriesFile, out: Path) -> Path:
    """Where the prediction of a file goes."""
    return out / "metrics" / file.dataset / f"{file.name}.parquet"


def predict(file: SeriesFile, out: Path) -> None:
    """Play one file through bank and policy and write its prediction."""
    measured = labelled.measurements(file)
    rank, p_value, alarm = judge(measured)
    table = pa.table(
        {
            "timestamp": measured.timestamp,
            "rank": np.nan_to_num(rank, nan=0.0),
            "p_value": np.nan_to_num(p_value, nan=1.0),
            "alarm": alarm,
        }
    )
    path = prediction_path(file, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(table, path, compression="zstd")


def judge(
    measured: Measured, bank: RobustBank | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Rank, alarm p-value and whether a finding is open, row by row; NaN where nothing can be said.

    Several columns are the metrics of one entity, and judged as a group. `bank`: a fresh one, by default
    with default settings.
    """
    bank = bank or RobustBank()
    batch, scores = scored_rows(measured, bank)
    return scores.rank, scores.alarm, alarms(bank, batch, scores)


def scored_rows(measured: Measured, bank: RobustBank) -> tuple[MetricBatch, Scores]:
    """What a fresh bank says of each row; several columns are judged as a group, whose rows are returned."""
    columns, n = measured.values.shape
    times = measured.time_unix_nano
    batch = MetricBatch(
        np.tile(np.arange(columns, dtype=np.uint32), n),
        np.repeat(times, columns),
        np.ascontiguousarray(measured.values.T).ravel(),
    )
    steps = np.diff(times, prepend=times[:1])
    usual = float(np.median(steps[1:65])) if n > 1 else 0.0
    resumed = np.repeat(steps > GAP_FACTOR * max(usual, 1.0), columns)
    scores = bank.update(AdmittedMetrics(batch, batch.value, resumed))
    if columns > 1:
        together = GroupHead().update(np.zeros(len(batch), np.uint32), batch, scores)
        batch = MetricBatch(np.zeros(n, np.uint32), times, measured.values[0])
        scores = replace(scores, rank=together.rank, alarm=together.alarm)
    return batch, scores


def alarms(
    bank: RobustBank, batch: MetricBatch, scores: Scores, **settings: Unpack[AlarmOptions]
) -> NDArray[np.bool_]:
    """Whether a finding is open, row by row, under a fresh policy; `settings` differ from the default."""
    return while_open(AlarmPolicy(bank, _describe, **settings).verdicts(batch, scores).verdict)


def while_open(verdict: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """True from the row that opens a finding to the row before the one that closes it."""
    steps = (verdict == gate.OPENS).astype(np.int8) - (verdict == gate.CLOSES).astype(np.int8)
    is_open: NDArray[np.bool_] = np.cumsum(steps) > 0
    return is_open


def _describe(series: int) -> SeriesInfo:
    return SeriesInfo(series, f"m{series:02d}", (), "file:evaluated", "evaluate")


def _scored(file: SeriesFile, out: Path) -> scoring.SeriesScore | None:
    """The score of a written prediction; None where the file has no labels."""
    label = labelled.labels(file)
    if label is None:
        return None
    written = pa.parquet.read_table(prediction_path(file, out))
    answer = written["rank"].to_numpy(), written["alarm"].to_numpy()
    return scored(file, labelled.measurements(file), label, answer)


def scored(
    file: SeriesFile,
    measured: Measured,
    label: NDArray[np.bool_],
    answer: tuple[NDArray[np.float64], NDArray[np.bool_]],
    volume: bool = True,
) -> scoring.SeriesScore:
    """The score of any detector's answer to a file: rank and alarm, row by row.

    `volume`: whether VUS-PR, by far the dearest figure, is computed as well.
    """
    rank, alarm = answer
    seconds, values = measured.time_unix_nano / NANOS_PER_SECOND, measured.values[0]
    begin, test_only = labelled.judged_from(file, len(label))
    if test_only:
        label, rank, alarm = label[begin:], rank[begin:], alarm[begin:]
        seconds, values, begin = seconds[begin:], values[begin:], 0
    known = windows.read_windows(file.path.parent)
    mine = known.get(file.name, ())
    score = replace(
        scoring.score(label, rank, alarm, seconds, begin),
        gained=windows.gained(scoring.onsets(alarm, seconds), len(label), mine) if known else float("nan"),
        windows=len(mine),
        outside_mean=test_only,
    )
    if not volume:
        return score
    return replace(score, vus_pr=volume_under_surface(label, rank, dominant_period(values)))


def _nab(scores: list[scoring.SeriesScore]) -> float:
    return windows.standard_score([s.gained for s in scores], sum(s.windows for s in scores))


def _report(by_set: dict[str, list[scoring.SeriesScore]], files: int) -> EvaluationReport:
    rows: list[tuple[Cell, ...]] = []
    means: dict[str, list[float]] = {name: [] for name in _FIGURES}
    for dataset, scores in sorted(by_set.items()):
        pooled = scoring.pooled(scores)
        figures_of_set = (*(pooled[f] for f in _FIGURES), _nab(scores))
        rows.append((dataset, len(scores), sum(s.events for s in scores), *figures_of_set))
        if any(s.outside_mean for s in scores):
            continue
        for name in _FIGURES:
            means[name].append(pooled[name])
    figures = {name: float(np.nanmean(values)) if values else float("nan") for name, values in means.items()}
    if rows:
        every = [s for scores in by_set.values() for s in scores if not s.outside_mean]
        figures["nab_standard"] = _nab([s for s in every if s.gained == s.gained])
        events = sum(s.events for s in every)
        shown = (*(figures[name] for name in _FIGURES), figures["nab_standard"])
        rows.append(("mean of sets", len(every), events, *shown))
    return EvaluationReport(
        area="metrics",
        columns=("set", "series", "events", *_FIGURES, "nab_standard"),
        rows=tuple(rows),
        figures=figures,
        notes=(
            f"{files} files predicted; one default configuration for all; labels were read afterwards.",
            "vus_pr, auc_pr: of `rank` over all points, mean of the series that have events; alarms count"
            " from their onset, after the first 15 %; precision, recall and F1 are pooled over a set.",
            "A set whose files mark test rows (is_test) is scored on those and stands outside the mean.",
        ),
    )
