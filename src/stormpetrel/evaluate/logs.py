"""Evaluate the pattern engine on labelled logs: every system through a fresh miner, one configuration."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from stormpetrel.errors import ConfigError
from stormpetrel.evaluate.log_scoring import ParseScore, score
from stormpetrel.evaluate.report import EvaluationReport
from stormpetrel.model.pattern import LogLines
from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.patterns.miner import TemplateMiner

TEXTS = ("raw", "content")
BATCH = 4096
_TRUTH = ("TemplateCorrected", "Template", "EventTemplate")  # the first that the labels have
_FIGURES = ("ga", "fga", "pa", "fta")


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log and where its labels would be. The system is the folder; the names of files mean nothing."""

    system: str
    path: Path
    labels: Path


class LogsEvaluation:
    """`petrel evaluate logs`: folders with one `*.log` each, and beside it a `*.labels.csv` where there are
    labels.

    Labels have `LineId`, `Content` (the message without its header) and `TemplateCorrected` (or
    `Template`). The whole lines are mined, with `--text content` the messages. Writes
    `OUT/logs/<System>.csv` with `LineId`, `PatternId`, `Pattern`: the patterns as they are at the end of
    the log. Only then are templates read. The miner is told neither the name of the system nor of the file.
    """

    area = "logs"
    texts = TEXTS

    def __init__(self, text: str = "raw") -> None:
        self.text = text

    def run(self, data: Path, out: Path) -> EvaluationReport:
        """Write predictions, then score them."""
        files = find(data)
        for file in files:
            predict(file, out, self.text)
        scores = {file.system: scored for file in files if (scored := _scored(file, out)) is not None}
        return _report(scores, len(files), self.text)


def find(data: Path) -> list[LogFile]:
    """Every log below `data`; ConfigError when there is none, or two of one folder or of one name."""
    found: dict[str, LogFile] = {}
    for path in sorted(data.rglob("*.log")):
        system = path.parent.resolve().name
        if system in found:
            raise ConfigError(f"{path} and {found[system].path} are both of {system}; evaluate them apart")
        found[system] = LogFile(system, path, _labels_of(path))
    if not found:
        raise ConfigError(
            f"{data}: no *.log below it; a system is a folder with one log and its *.labels.csv"
        )
    return [found[name] for name in sorted(found)]


def _labels_of(path: Path) -> Path:
    beside = sorted(path.parent.glob("*.labels.csv"))
    return beside[0] if len(beside) == 1 else path.with_name(f"{path.stem}.labels.csv")


def predict(file: LogFile, out: Path, text: str = "raw") -> None:
    """Mine one log and write its prediction."""
    lines = _lines(file, text)
    miner = TemplateMiner()
    given: list[int] = []
    texts: dict[int, str] = {}
    for first in range(0, len(lines), BATCH):
        given += miner.update(_batch(lines[first : first + BATCH], first)).pattern.tolist()
        texts |= miner.texts()  # batch by batch: patterns beyond the bound are let go
    path = out / "logs" / f"{file.system}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("LineId", "PatternId", "Pattern"))
        for number, pattern in enumerate(given, 1):
            now = miner.resolve(pattern)
            writer.writerow((number, f"{now:016x}", texts.setdefault(now, lines[number - 1])))


def _batch(lines: list[str], first: int) -> LogLines:
    n = len(lines)
    return LogLines(
        text=pa.array(lines, pa.string()),
        source=np.zeros(n, np.int32),
        sources=("evaluated",),
        time_unix_nano=(first + np.arange(n, dtype=np.int64)) * NANOS_PER_SECOND,
        severity_number=np.zeros(n, np.uint8),
        origin=np.zeros(n, np.int32),
    )


def _lines(file: LogFile, text: str) -> list[str]:
    if text == "content":
        return [row["Content"] for row in _rows(file.labels)]
    return file.path.read_text("utf-8", "replace").splitlines()


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; --text content reads the messages from the labels")
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _scored(file: LogFile, out: Path) -> ParseScore | None:
    """The score of a written prediction; None where the log has no labels."""
    if not file.labels.is_file():
        return None
    labels = _rows(file.labels)
    column = next((name for name in _TRUTH if labels and name in labels[0]), None)
    if column is None:
        raise ConfigError(f"{file.labels}: none of the columns {', '.join(_TRUTH)}")
    with (out / "logs" / f"{file.system}.csv").open(newline="", encoding="utf-8") as stream:
        written = {row["LineId"]: row for row in csv.DictReader(stream)}
    lost = [row["LineId"] for row in labels if row["LineId"] not in written]
    if lost:
        raise ConfigError(f"{file.labels}: labels for line {lost[0]}, which {file.path} does not have")
    rows = [written[label["LineId"]] for label in labels]
    truth = [label[column] for label in labels]
    return score([row["PatternId"] for row in rows], [row["Pattern"] for row in rows], truth)


def _report(scores: dict[str, ParseScore], files: int, text: str) -> EvaluationReport:
    names = [field.name for field in fields(ParseScore)]
    rows = [(system, *(getattr(one, name) for name in names)) for system, one in sorted(scores.items())]
    figures = {
        name: float(np.mean([getattr(one, name) for one in scores.values()])) if scores else float("nan")
        for name in _FIGURES
    }
    if rows:
        totals = [sum(getattr(one, name) for one in scores.values()) for name in ("found", "true")]
        rows.append(("mean", *figures.values(), *totals))
    return EvaluationReport(
        area="logs",
        columns=("system", *names),
        rows=tuple(rows),
        figures=figures,
        notes=(
            f"{files} logs, {'whole lines' if text == 'raw' else 'messages without header'}; one default"
            " configuration for all, nothing fitted; templates were read afterwards.",
            "ga, fga: lines and groups that are exactly right; pa, fta: lines and templates whose text is.",
        ),
    )
