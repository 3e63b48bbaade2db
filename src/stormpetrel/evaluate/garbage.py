"""Evaluate the quality gate: is garbage named, are good series left alone, do their detections stay?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.evaluate import labelled, scoring, spoil
from stormpetrel.evaluate.labelled import SeriesFile
from stormpetrel.evaluate.metrics import while_open
from stormpetrel.evaluate.report import Cell, EvaluationReport
from stormpetrel.ingest.admit import Admission, QualityGate
from stormpetrel.ingest.late import place_late
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import MetricBatch, SeriesInfo
from stormpetrel.model.time import NANOS_PER_SECOND

NAMES: dict[str, frozenset[Quality]] = {
    "corrupted": frozenset({Quality.NOT_FINITE, Quality.IMPLAUSIBLE}),
    "duplicated": frozenset({Quality.DUPLICATE}),
    "late": frozenset({Quality.LATE, Quality.OUT_OF_ORDER, Quality.TOO_OLD}),
    "rescaled": frozenset({Quality.RESCALED, Quality.TENFOLD}),
    "stuck": frozenset({Quality.STUCK}),
}
GARBAGE_SHARE = 0.05  # of the series, when detections with and without garbage are compared
_SEED = 7


@dataclass(frozen=True, slots=True)
class _Series:
    file: SeriesFile
    time: NDArray[np.int64]
    value: NDArray[np.float64]


class _Path:
    """The way of a series: gate, bank and policy of many series, each with an id of its own."""

    def __init__(self, series: int) -> None:
        self._kinds = np.ones(series, np.uint8)  # gauges
        self._blocked = np.zeros(series, np.uint8)
        self._gate = QualityGate(late_seconds=1e9)
        self._bank = RobustBank()
        self._policy = AlarmPolicy(self._bank, _describe)

    def admit(self, number: int, time: NDArray[np.int64], value: NDArray[np.float64]) -> Admission:
        """The gate's answer, late samples decided as the store would."""
        batch = MetricBatch(np.full(len(time), number, np.uint32), time, value)
        admission = self._gate.admit(batch, int(time.max()), self._kinds, self._blocked)
        return place_late(admission, batch, admission.admitted.batch)

    def judge(self, admission: Admission) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Rank and alarm of every admitted row."""
        scores = self._bank.update(admission.admitted)
        batch = admission.admitted.batch
        opened = while_open(self._policy.verdicts(batch, scores).verdict)
        return np.nan_to_num(scores.rank, nan=0.0), opened


class GarbageEvaluation:
    """`petrel evaluate garbage`: files with `timestamp` and `value` as for `metrics`, one series each.

    Every series is spoilt in five ways (`evaluate.spoil`) and goes through the gate as it is and spoilt:
    *recall* is the share of spoilt series of which the right verdict was given, *named_clean* the share of
    untouched series that got a verdict of that kind all the same. Then all series are judged twice in one
    bank and one policy, alone and with one spoilt series for every twenty, and the detections on the good
    ones are compared. Writes nothing under `out`. Deterministic. Cost: about 2 microseconds a sample.
    """

    area = "garbage"

    def run(self, data: Path, out: Path) -> EvaluationReport:
        """Spoil, admit, judge, compare."""
        del out
        series = [found for file in labelled.find(data) if (found := _read(file)) is not None]
        rows: list[tuple[Cell, ...]] = []
        figures: dict[str, float] = {}
        clean = [_verdicts(one.time, one.value) for one in series]
        for way, make in spoil.WAYS.items():
            named = 0
            for number, one in enumerate(series):
                rng = np.random.default_rng([_SEED, number, len(rows)])
                named += bool(_verdicts(*make(one.time, one.value, rng)) & NAMES[way])
            wrong = sum(bool(verdicts & NAMES[way]) for verdicts in clean)
            recall, share = named / max(1, len(series)), wrong / max(1, len(series))
            rows.append((way, len(series), recall, share))
            figures[f"recall_{way}"] = recall
            figures[f"named_clean_{way}"] = share
        alone, beside = _detections(series, garbage=False), _detections(series, garbage=True)
        for name in ("auc_pr", "alarm_f1", "false_per_series_day"):
            figures[f"{name}_alone"], figures[f"{name}_beside_garbage"] = alone[name], beside[name]
        return EvaluationReport(
            area="garbage",
            columns=("spoilt", "series", "recall", "named_clean"),
            rows=tuple(rows),
            figures=figures,
            notes=(
                "recall: spoilt series that got the verdict; named_clean: untouched ones that got it too.",
                "alone / beside_garbage: detections on the good series without and with spoilt ones in the"
                " same gate, bank and policy.",
            ),
        )


def _read(file: SeriesFile) -> _Series | None:
    """A file of one column with enough rows to know what is usual; None for others."""
    measured = labelled.measurements(file)
    if len(measured.values) != 1 or measured.values.shape[1] < 500:
        return None
    return _Series(file, measured.time_unix_nano, measured.values[0])


def _verdicts(time: NDArray[np.int64], value: NDArray[np.float64]) -> frozenset[Quality]:
    admission = _Path(1).admit(0, time, value)
    return frozenset(Quality(int(verdict)) for verdict in np.unique(admission.verdict))


def _detections(series: list[_Series], garbage: bool) -> dict[str, float]:
    """Pooled scores of the good series, judged in one bank and policy."""
    spoilt = max(1, round(GARBAGE_SHARE * len(series))) if garbage else 0
    path = _Path(len(series) + spoilt)
    ways = list(spoil.WAYS.values())
    scores = []
    for number, one in enumerate(series):
        if number < spoilt:
            rng = np.random.default_rng([_SEED, number])
            path.judge(path.admit(len(series) + number, *ways[number % len(ways)](one.time, one.value, rng)))
        admission = path.admit(number, one.time, one.value)
        rank, opened = path.judge(admission)
        label = labelled.labels(one.file)
        if label is None:
            continue
        stored = np.searchsorted(one.time, admission.admitted.batch.time_unix_nano)
        whole_rank, whole_open = np.zeros(len(label)), np.zeros(len(label), np.bool_)
        whole_rank[stored], whole_open[stored] = rank, opened
        first, _ = labelled.judged_from(one.file, len(label))
        seconds = one.time / NANOS_PER_SECOND
        scores.append(scoring.score(label, whole_rank, whole_open, seconds, first))
    return scoring.pooled(scores)


def _describe(series: int) -> SeriesInfo:
    return SeriesInfo(series, f"m{series:04d}", (), f"file:{series}", "evaluate")
