"""Evaluate the ranking of causes on labelled incidents: one configuration, labels read afterwards."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stormpetrel.errors import ConfigError
from stormpetrel.evaluate.rca_cases import RcaCase, find, healthy, situation_of
from stormpetrel.evaluate.report import Cell, EvaluationReport
from stormpetrel.explain.rank import diagnose
from stormpetrel.explain.situation import Situation
from stormpetrel.model.cause import Diagnosis

_COLUMNS = ("set", "cases", "ac1", "ac3", "avg5", "metric_ac1", "change")
_NAN = float("nan")
# Metrics listed of the first, the second and every other hypothesis: one of each kind.
_METRICS = (3, 2, 1)


class RcaEvaluation:
    """`petrel evaluate rca`: folders DATASET/SPLIT/CASE, each with `case.json` and `metrics.parquet`.

    Optional beside them: `logs.parquet`, `traces.parquet`, `graph.csv`, `events.json`; labels in
    SPLIT/`labels.json`. Writes `OUT/rca/<dataset>/<case>.json` with the ranked causes, their evidence and
    the change held to be the cause or "none". Only then are labels read.

    Args:
        anchor_shift_seconds: the reported time of every incident is wrong by so much.
        controls: judge healthy windows of the same recordings instead: "no cause found" is right there.
    """

    area = "rca"

    def __init__(self, anchor_shift_seconds: float = 0.0, controls: bool = False) -> None:
        self._shift, self._controls = anchor_shift_seconds, controls

    def run(self, data: Path, out: Path) -> EvaluationReport:
        """Write predictions, then score them."""
        cases = find(data)
        if self._controls:
            return _control_report(cases)
        for case in cases:
            _write(case, predicted(situation_of(case, self._shift)), out)
        labels = {case.path.parent: _labels(case.path.parent) for case in cases}
        judged = [
            one
            for case in cases
            if (one := _judged(case, labels[case.path.parent].get(case.name), out)) is not None
        ]
        return _report(judged, len(cases), self._shift)


# Predictions ------------------------------------------------------------------------------------------


def predicted(situation: Situation) -> dict[str, Any]:
    """What is said of one incident, in the format of predictions."""
    told = diagnose(situation)
    return {"causes": _listed(situation, told), "change": told.change_id or "none"}


def _listed(situation: Situation, told: Diagnosis) -> list[dict[str, Any]]:
    """Every hypothesis with its best metrics, best first; then what nothing speaks for, by name."""
    listed: list[dict[str, Any]] = []
    for place, cause in enumerate(told.causes):
        names = [item.name for item in cause.evidence if item.signal == "metric"]
        most = _METRICS[min(place, len(_METRICS) - 1)]
        evidence = [{"kind": item.kind, "text": item.text, "weight": item.weight} for item in cause.evidence]
        listed += [
            {"service": cause.entity, "metric": name, "score": cause.score, "evidence": evidence}
            for name in (names[:most] or (None,))
        ]
    named = {cause.entity for cause in told.causes} | situation.front_door
    least = min([one["score"] for one in listed], default=0.0)
    rest = {*situation.entities, *(one for pair in situation.calls for one in pair)} - named
    return listed + [
        {"service": name, "metric": None, "score": min(least, 0.0), "evidence": []} for name in sorted(rest)
    ]


def _write(case: RcaCase, prediction: Mapping[str, Any], out: Path) -> None:
    path = out / "rca" / case.dataset / f"{case.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(prediction, indent=1) + "\n", "utf-8")


# Scores -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """How one case came out: ranks from 1, 0 where it is not listed, -1 where it has no label.

    `change`: whether the change (or "none") was right, None where nothing is labelled.
    """

    dataset: str
    system: str
    rank: int
    metric_rank: int
    change: bool | None


def _labels(split: Path) -> Mapping[str, Any]:
    path = split / "labels.json"
    if not path.is_file():
        return {}
    try:
        found: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    return found


def _judged(case: RcaCase, label: Mapping[str, Any] | None, out: Path) -> Judged | None:
    if label is None or label.get("short_baseline"):
        return None
    said = json.loads((out / "rca" / case.dataset / f"{case.name}.json").read_text("utf-8"))
    return judge(case.dataset, label, said)


def judge(dataset: str, label: Mapping[str, Any], said: Mapping[str, Any]) -> Judged:
    """Compare a prediction with the label of its case."""
    pairs = [(one["service"], one["metric"]) for one in said["causes"]]
    services = list(dict.fromkeys(service for service, _ in pairs))
    service = label["service"]
    words = label.get("metric_regex")
    metric_rank = -1
    if words:
        hits = [
            k
            for k, (one, metric) in enumerate(pairs)
            if one == service and metric and re.search(words, metric)
        ]
        metric_rank = hits[0] + 1 if hits else 0
    return Judged(
        dataset=dataset,
        system=str(label.get("system", dataset)),
        rank=services.index(service) + 1 if service in services else 0,
        metric_rank=metric_rank,
        change=said["change"] == label["change"] if label.get("change") else None,
    )


def hits(ranks: Sequence[int], most: int) -> float:
    """Share of the ranks that are among the first `most`."""
    return sum(0 < rank <= most for rank in ranks) / len(ranks) if ranks else _NAN


def row_of(name: str, judged: Sequence[Judged]) -> tuple[Cell, ...]:
    """The row of the table for these cases."""
    ranks = [one.rank for one in judged]
    metric = [one.metric_rank for one in judged if one.metric_rank >= 0]
    changes = [one.change for one in judged if one.change is not None]
    return (
        name,
        len(judged),
        hits(ranks, 1),
        hits(ranks, 3),
        sum(hits(ranks, k) for k in range(1, 6)) / 5.0 if ranks else _NAN,
        hits(metric, 1),
        sum(changes) / len(changes) if changes else _NAN,
    )


def _report(judged: Sequence[Judged], predicted_cases: int, shift: float) -> EvaluationReport:
    sets: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        sets[one.dataset].append(one)
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, float] = {}
    for name in sorted(sets):
        rows.append(row_of(name, sets[name]))
        figures |= {
            f"{name}_{key}": float(rows[-1][place]) for key, place in (("ac1", 2), ("avg5", 4), ("change", 6))
        }
        systems = sorted({one.system for one in sets[name]})
        if len(systems) > 1:
            rows += [
                row_of(f"{name}/{system}", [one for one in sets[name] if one.system == system])
                for system in systems
            ]
    moved = f"; every reported time moved by {shift:g} s" if shift else ""
    return EvaluationReport(
        area="rca",
        columns=_COLUMNS,
        rows=tuple(rows),
        figures=figures,
        notes=(
            f"{predicted_cases} incidents predicted, one configuration, labels read afterwards{moved}.",
            "ac1, ac3: the labelled service is first, among the first three; avg5: mean of ac1 to ac5;"
            " metric_ac1: service and metric are both right; change: the right change, or"
            " none where none did it.",
        ),
    )


def _control_report(cases: Sequence[RcaCase]) -> EvaluationReport:
    quiet: dict[str, list[bool]] = defaultdict(list)
    for case in cases:
        calm = healthy(situation_of(case))
        if calm is not None:
            quiet[case.dataset].append(not diagnose(calm).found)
    everything = [one for found in quiet.values() for one in found]
    rows: list[tuple[Cell, ...]] = [
        (name, len(quiet[name]), sum(quiet[name]) / len(quiet[name])) for name in sorted(quiet)
    ]
    share = sum(everything) / len(everything) if everything else _NAN
    return EvaluationReport(
        area="rca",
        columns=("set", "windows", "no_cause_found"),
        rows=(*rows, ("all", len(everything), share)),
        figures={"no_cause_found": share, "windows": float(len(everything))},
        notes=(
            "healthy windows of the same recordings, judged as if somebody had reported trouble in them.",
            f"{len(cases) - len(everything)} recordings have no healthy stretch that is long enough.",
        ),
    )
