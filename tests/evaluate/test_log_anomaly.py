"""The evaluation of strange sessions and of news among lines, on data made here."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from stormpetrel.errors import ConfigError
from stormpetrel.evaluate.log_anomaly import novelty
from stormpetrel.evaluate.report import run


def write_sessions(folder: Path) -> None:
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    for part, many in (("train", 1500), ("test", 400)):
        with gzip.open(folder / f"{part}.csv.gz", "wt", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("block", "label", "events"))
            for k in range(many):
                bad = k % 20 == 19
                events = [1, *[2] * int(rng.integers(1, 4)), 3, *([9, 4] if bad else [4])]
                writer.writerow((f"b{k}", int(bad), " ".join(map(str, events))))


def write_alerts(folder: Path) -> None:
    folder.mkdir(parents=True)
    lines = []
    for k in range(600):
        if k % 50 == 49:
            lines.append(f"KERNDTLB {k} RAS KERNEL FATAL data TLB error interrupt {k}")
        else:
            lines.append(f"- {k} RAS KERNEL INFO cache parity of unit {k % 16} corrected")
    (folder / "node.log").write_text("\n".join(lines) + "\n")


def test_figures_and_what_is_written(tmp_path: Path) -> None:
    write_sessions(tmp_path / "data" / "blocks")
    write_alerts(tmp_path / "data" / "machine")
    report = run("log-anomaly", tmp_path / "data", tmp_path / "out")
    figures = report.figures
    # Learnt with its labels unread, the bad way is known like any other: one in twenty is no news.
    assert figures["blocks: strange, labels unread"] == 0
    assert figures["blocks: strange, normal sessions learnt"] == 1.0
    assert figures["blocks: unseen count vector, normal sessions learnt"] == 1.0
    assert figures["blocks: ceiling of count vectors"] == 1.0
    assert figures["machine: novelty"] > 0.9 > figures["machine: random"]
    with (tmp_path / "out" / "log-anomaly" / "blocks.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 400
    again = run("log-anomaly", tmp_path / "data", tmp_path / "again")
    assert again == report


def test_a_line_is_judged_before_it_is_learnt() -> None:
    first, second, *_ = novelty(tuple(f"disk {k} is full" for k in range(10)))
    assert first == 1.0
    assert second < first


def test_data_without_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder with train"):
        run("log-anomaly", tmp_path, tmp_path / "out")
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "train.csv").write_text("block,label,events\nb,0,1 2\n")
    with pytest.raises(ConfigError, match=r"no test\.csv"):
        run("log-anomaly", tmp_path, tmp_path / "out")
