"""Evaluate what is told of logs: sessions that are strange, and lines that are news."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormpetrel.detect.logs.session_model import SessionModel, vector_of
from stormpetrel.errors import ConfigError
from stormpetrel.evaluate.report import Cell, EvaluationReport
from stormpetrel.evaluate.scoring import average_precision
from stormpetrel.ingest.severity import severity_of
from stormpetrel.patterns.miner import TemplateMiner

_COLUMNS = ("data", "method", "precision", "recall", "f1", "auc_pr")
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Session:
    """A labelled sequence of event ids."""

    name: str
    events: tuple[int, ...]
    anomalous: bool


class LogAnomalyEvaluation:
    """`petrel evaluate log-anomaly`: labelled sessions, and logs whose lines are labelled as alerts.

    Sessions: folders with `train.csv(.gz)` and `test.csv(.gz)`, columns `block`, `label` (1: anomalous) and
    `events` (ids separated by spaces, or a JSON list). The model takes the training sessions in their order,
    labels unread (and once more only the normal ones, as the literature does), then judges those of the
    test without learning from them. Alerts: logs whose lines begin with `-`, or with the category of an
    alert, which is cut off before anything is mined. Each line is judged before it is learnt. Writes
    `OUT/log-anomaly/<name>.csv`, name and score, before labels are looked at.
    """

    area = "log-anomaly"

    def run(self, data: Path, out: Path) -> EvaluationReport:
        """Write scores, then compare them with the labels."""
        folders = sorted(path.parent for path in data.rglob("train.csv*"))
        alerts = [path for path in sorted(data.rglob("*.log")) if _has_alerts(path)]
        if not folders and not alerts:
            raise ConfigError(
                f"{data}: no folder with train.csv and test.csv, and no *.log whose lines begin with - or"
                " the category of an alert"
            )
        rows: list[tuple[Cell, ...]] = []
        figures: dict[str, float] = {}
        for folder in folders:
            rows += _sessions(folder, out, figures)
        for path in alerts:
            rows += _alerts(path, out, figures)
        return EvaluationReport(
            area=self.area,
            columns=_COLUMNS,
            rows=tuple(rows),
            figures=figures,
            notes=(
                "sessions: strange is an unseen vector or step; the ceiling is the best F1 of any rule that"
                " sees only the count vector, for sessions with one vector cannot be told apart.",
                "alerts: average precision of each line's novelty at its arrival; random is about the share"
                " of alerts.",
            ),
        )


# Sessions ---------------------------------------------------------------------------------------------


def _sessions(folder: Path, out: Path, figures: dict[str, float]) -> Iterator[tuple[Cell, ...]]:
    train, test = _read(folder, "train"), _read(folder, "test")
    everything = _learnt(train)
    name = folder.name
    bits = np.array([everything.surprise(one.events) for one in test])
    _write(out / "log-anomaly" / f"{name}.csv", [one.name for one in test], bits)
    label = np.array([one.anomalous for one in test])
    normal = [one for one in train if not one.anomalous]
    of_normal = _learnt(normal)
    normal_bits = np.array([of_normal.surprise(one.events) for one in test])
    known = {vector_of(one.events) for one in normal}
    unseen = np.array([vector_of(one.events) not in known for one in test])
    for method, said in (
        ("strange, labels unread", np.array([everything.is_new(one.events) for one in test])),
        ("strange, normal sessions learnt", np.array([of_normal.is_new(one.events) for one in test])),
        ("unseen count vector, normal sessions learnt", unseen),
        ("ceiling of count vectors", _ceiling(test)),
    ):
        precision, recall, f1 = _f1(label, said)
        rank = {"strange, labels unread": bits, "strange, normal sessions learnt": normal_bits}.get(method)
        area = average_precision(label, rank) if rank is not None else _NAN
        figures[f"{name}: {method}"] = f1
        yield name, method, precision, recall, f1, area


def _learnt(sessions: list[Session]) -> SessionModel:
    model = SessionModel()
    for one in sessions:
        model.learn(one.events)
    return model


def _ceiling(test: list[Session]) -> NDArray[np.bool_]:
    """The best that can be said of each session by its vector alone, knowing all labels: for the ceiling."""
    bad = Counter(vector_of(one.events) for one in test if one.anomalous)
    all_ = Counter(vector_of(one.events) for one in test)
    label = np.array([one.anomalous for one in test])
    share = np.array([bad[vector_of(one.events)] / all_[vector_of(one.events)] for one in test])
    best = max(np.unique(share).tolist(), key=lambda least: _f1(label, share >= least)[2] if least else 0.0)
    result: NDArray[np.bool_] = share >= best
    return result


def _read(folder: Path, part: str) -> list[Session]:
    path = next(
        (path for path in (folder / f"{part}.csv.gz", folder / f"{part}.csv") if path.is_file()), None
    )
    if path is None:
        raise ConfigError(f"{folder}: there is no {part}.csv or {part}.csv.gz")
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "replace")
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or not {"label", "events"} <= rows[0].keys():
        raise ConfigError(f"{path}: needs the columns label and events")
    return [
        Session(row.get("block") or str(k), _events(row["events"]), row["label"].strip() in ("1", "True"))
        for k, row in enumerate(rows)
    ]


def _events(text: str) -> tuple[int, ...]:
    if text.lstrip().startswith("["):
        return tuple(int(one) for one in json.loads(text))
    return tuple(int(one) for one in text.replace(",", " ").split())


# Alerts -----------------------------------------------------------------------------------------------


def _has_alerts(path: Path) -> bool:
    """Whether the first word of most lines is `-`: what stands there otherwise is an alert."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        first = [line.split(" ", 1)[0] for _, line in zip(range(2000), stream, strict=False)]
    return len(first) > 0 and first.count("-") >= len(first) / 2 and first.count("-") < len(first)


def _alerts(path: Path, out: Path, figures: dict[str, float]) -> Iterator[tuple[Cell, ...]]:
    lines = path.read_text("utf-8", "replace").splitlines()
    told, texts = zip(*(line.split(" ", 1) if " " in line else (line, "") for line in lines), strict=True)
    severity = np.array([_severity(text) for text in texts])
    bits = np.array(list(novelty(texts)))
    name = path.parent.resolve().name
    weighed = bits + 2.0 * np.maximum(severity - 9, 0) / 4.0
    _write(out / "log-anomaly" / f"{name}.csv", [str(k) for k in range(1, len(lines) + 1)], weighed)
    label = np.array([word != "-" for word in told])
    rng = np.random.default_rng(1)
    for method, rank in (
        ("novelty", bits),
        ("novelty and severity", weighed),
        ("severity only", severity.astype(np.float64)),
        ("random", rng.random(len(lines))),
    ):
        area = average_precision(label, rank)
        figures[f"{name}: {method}"] = area
        yield name, method, _NAN, _NAN, _NAN, area


def novelty(texts: tuple[str, ...]) -> Iterator[float]:
    """Bits that each line's pattern says at its arrival, by how often it came before: it is learnt after."""
    miner = TemplateMiner()
    counts: Counter[int] = Counter()
    for number, text in enumerate(texts):
        given = miner.mine(text, "evaluated", number * 10**9)
        now = miner.resolve(given)
        for old in [one for one in (given,) if one != now and one in counts]:
            counts[now] += counts.pop(old)
        yield -math.log2((counts[now] + 0.5) / (number + 1.0))
        counts[now] += 1


def _severity(text: str) -> int:
    """The highest severity that a word in capitals of the first twelve names."""
    return max((severity_of(word) for word in text.split()[:12] if word.isupper()), default=0)


# Both -------------------------------------------------------------------------------------------------


def _f1(label: NDArray[np.bool_], said: NDArray[np.bool_]) -> tuple[float, float, float]:
    hits = int(np.count_nonzero(label & said))
    precision = hits / max(int(said.sum()), 1)
    recall = hits / max(int(label.sum()), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def _write(path: Path, names: list[str], score: NDArray[np.float64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("Name", "Score"))
        writer.writerows((name, f"{one:.6g}") for name, one in zip(names, score.tolist(), strict=True))
