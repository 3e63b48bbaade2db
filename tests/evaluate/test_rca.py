"""`petrel evaluate rca` on incidents made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from stormpetrel.errors import ConfigError
from stormpetrel.evaluate import report

ANCHOR, STEP = 1_700_000_000, 60
SERVICES = ("web", "shop", "db")


def _case(folder: Path, guilty: str, seed: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows = []
    for at in range(-60, 6):
        for service in SERVICES:
            slow = 6.0 if at >= 0 and service in ("web", guilty) else 1.0
            busy = 4.0 if at >= 0 and service == guilty else 1.0
            for metric, level in (("latency_ms", 20.0 * slow), ("cpu_cores", 0.5 * busy)):
                rows.append((ANCHOR + at * STEP, service, metric, level * (1 + 0.05 * rng.standard_normal())))
    columns = list(zip(*rows, strict=True))
    table = pa.table({"time": columns[0], "service": columns[1], "metric": columns[2], "value": columns[3]})
    pa.parquet.write_table(table, folder / "metrics.parquet")
    (folder / "graph.csv").write_text("caller,callee\nweb,shop\nweb,db\n")
    commits = [
        {"sha": "aaa", "time": ANCHOR - 7000, "message": "docs: typo", "files": ["docs/a.md"], "diff": None},
        {
            "sha": "bbb",
            "time": ANCHOR - 200,
            "message": f"tune cpu of {guilty}",
            "files": [f"{guilty}.go"],
            "diff": "x",
        },
    ]
    deploys = [{"sha": "bbb", "time": ANCHOR - 120, "service": guilty}]
    (folder / "events.json").write_text(json.dumps({"commits": commits, "deploys": deploys, "flags": []}))
    meta = {
        "id": folder.name, "system": "made", "anchor_time": ANCHOR, "anchor_kind": "inject", "step_s": STEP,
        "sli": {"service": "web", "metric": "latency_ms"},
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(meta))


def _data(root: Path, labelled: bool = True) -> Path:
    labels = {}
    for number, guilty in enumerate(("shop", "db", "shop")):
        _case(root / "made" / "dev" / f"c{number}", guilty, number)
        labels[f"c{number}"] = {
            "service": guilty, "metric": "cpu_cores", "metric_regex": "^cpu", "fault_type": "cpu",
            "system": "made", "change": "bbb",
        }  # fmt: skip
    if labelled:
        (root / "made" / "dev" / "labels.json").write_text(json.dumps(labels))
    return root


def test_predictions_and_scores(tmp_path: Path) -> None:
    found = report.run("rca", _data(tmp_path / "data"), tmp_path / "out")
    assert found.figures["made_ac1"] == 1.0
    assert found.figures["made_change"] == 1.0
    said = json.loads((tmp_path / "out" / "rca" / "made" / "c0.json").read_text())
    scores = [one["score"] for one in said["causes"]]
    assert scores == sorted(scores, reverse=True)
    assert {one["service"] for one in said["causes"]} == set(SERVICES)
    assert said["change"] == "bbb"
    first = said["causes"][0]
    assert sum(item["weight"] for item in first["evidence"]) == pytest.approx(first["score"])


def test_labels_are_not_read_for_predictions_and_runs_are_equal(tmp_path: Path) -> None:
    report.run("rca", _data(tmp_path / "a"), tmp_path / "one")
    report.run("rca", _data(tmp_path / "b", labelled=False), tmp_path / "two")
    for name in ("c0", "c1", "c2"):
        one, two = (tmp_path / out / "rca" / "made" / f"{name}.json" for out in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_wrong_report_loses_nothing_and_healthy_windows_have_no_cause(tmp_path: Path) -> None:
    data = _data(tmp_path / "data")
    for shift in (-120.0, 120.0, 240.0):
        moved = report.run("rca", data, tmp_path / f"out{shift}", anchor_shift_seconds=shift)
        assert moved.figures["made_ac1"] == 1.0, shift
    controls = report.run("rca", data, tmp_path / "controls", controls=True)
    assert controls.figures["windows"] == 3.0
    assert controls.figures["no_cause_found"] == 1.0


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no case\.json"):
        report.run("rca", tmp_path / "empty", tmp_path / "out")
    data = _data(tmp_path / "data")
    (data / "made" / "dev" / "c1" / "metrics.parquet").unlink()
    with pytest.raises(ConfigError, match=r"c1/metrics\.parquet"):
        report.run("rca", data, tmp_path / "out")
    with pytest.raises(ConfigError, match="has no option anchor-shift-seconds"):
        report.run("metrics", data, tmp_path / "out", anchor_shift_seconds=1.0)
