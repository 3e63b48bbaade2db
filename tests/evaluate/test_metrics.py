"""`petrel evaluate metrics`: predictions without labels, the same twice, and scores that add up."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stormpetrel.errors import ConfigError
from stormpetrel.evaluate import labelled, report, scoring


def write_series(folder: Path, name: str, seed: int, label: bool = True) -> None:
    """Three days of a quiet series, five minutes apart, with one incident on the last day."""
    rng = np.random.default_rng(seed)
    values = rng.normal(50.0, 1.0, 864)
    values[700:712] += 30.0
    columns: dict[str, Any] = {"timestamp": 1_700_000_000 + 300 * np.arange(864), "value": values}
    if label:
        marks = np.zeros(864, np.int8)
        marks[700:712] = 1
        columns["label"] = marks
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def write_group(folder: Path, label: bool = True) -> None:
    """Two columns without timestamps, a training and a test part."""
    rng = np.random.default_rng(9)
    columns: dict[str, Any] = {"is_test": (np.arange(800) >= 400).astype(np.int8)}
    columns |= {f"m{k:02d}": rng.normal(size=800) + 20.0 * (np.arange(800) // 10 == 60) for k in range(2)}
    if label:
        columns["label"] = (np.arange(800) // 10 == 60).astype(np.int8)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "machine.parquet")


def make_data(data: Path, label: bool = True) -> Path:
    write_series(data / "shop" / "dev", "cart__1", 1, label)
    write_series(data / "shop" / "dev", "cart__2", 2, label)
    write_group(data / "group" / "dev", label)
    (data / "index.csv").write_text("not,a,series\n")
    return data


def digests(out: Path) -> dict[str, str]:
    files = sorted(p for p in out.rglob("*") if p.is_file())
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_predictions_do_not_need_labels_and_are_the_same_twice(tmp_path: Path) -> None:
    with_labels, without = make_data(tmp_path / "a"), make_data(tmp_path / "b", label=False)
    report.run("metrics", with_labels, tmp_path / "one")
    report.run("metrics", with_labels, tmp_path / "two")
    bare = report.run("metrics", without, tmp_path / "three")
    wanted = {f"metrics/{name}.parquet" for name in ("shop/cart__1", "shop/cart__2", "group/machine")}
    assert digests(tmp_path / "one").keys() == wanted
    assert digests(tmp_path / "one") == digests(tmp_path / "two") == digests(tmp_path / "three")
    assert bare.rows == ()


def test_predictions_have_the_promised_columns(tmp_path: Path) -> None:
    report.run("metrics", make_data(tmp_path / "data"), tmp_path / "out")
    table = pq.read_table(tmp_path / "out/metrics/shop/cart__1.parquet")
    assert table.schema.names == ["timestamp", "rank", "p_value", "alarm"]
    assert table["timestamp"].to_pylist() == list(range(1_700_000_000, 1_700_000_000 + 864 * 300, 300))
    assert pa.types.is_boolean(table.schema.field("alarm").type)
    p, rank = table["p_value"].to_numpy(), table["rank"].to_numpy()
    assert np.isfinite(rank).all()
    assert ((p > 0) & (p <= 1)).all()
    assert p[:120].min() == 1.0, "warming up is not strange"


def test_the_incident_is_found(tmp_path: Path) -> None:
    done = report.run("metrics", make_data(tmp_path / "data"), tmp_path / "out")
    shop = dict(zip(done.columns, done.rows[1], strict=True))
    assert (shop["set"], shop["series"], shop["events"]) == ("shop", 2, 2)
    assert (shop["recall"], shop["alarm_f1"], shop["false_per_series_day"]) == (1.0, 1.0, 0.0)
    assert float(shop["auc_pr"]) > 0.8
    assert json.loads(done.as_json())["figures"]["alarm_f1"] == 1.0
    assert "mean of sets" in done.as_text()


def test_predictions_are_causal(tmp_path: Path) -> None:
    write_series(tmp_path / "whole", "x", 1)
    cut = pq.read_table(tmp_path / "whole/x.parquet").slice(0, 705)
    (tmp_path / "cut").mkdir()
    pq.write_table(cut, tmp_path / "cut/x.parquet")
    for name in ("whole", "cut"):
        report.run("metrics", tmp_path / name, tmp_path / f"out_{name}")
    whole = pq.read_table(tmp_path / "out_whole/metrics/whole/x.parquet")
    part = pq.read_table(tmp_path / "out_cut/metrics/cut/x.parquet")
    assert whole.slice(0, 705).equals(part)


@pytest.mark.parametrize(
    ("area", "make", "message"),
    [
        ("nonsense", lambda d: d.mkdir(), "known areas: .*metrics"),
        ("metrics", lambda d: None, "no such directory"),
        ("metrics", lambda d: d.mkdir(), "no .parquet or .csv series"),
    ],
)
def test_what_cannot_be_evaluated_is_said(tmp_path: Path, area: str, make: object, message: str) -> None:
    assert callable(make)
    make(tmp_path / "data")
    with pytest.raises(ConfigError, match=message):
        report.run(area, tmp_path / "data", tmp_path / "out")


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"bad\.parquet"):
        report.run("metrics", tmp_path, tmp_path / "out")


def test_csv_is_read_too(tmp_path: Path) -> None:
    rows = [f"{1000 + 60 * k},{k % 7},{0}" for k in range(300)]
    (tmp_path / "s.csv").write_text("timestamp,value,label\n" + "\n".join(rows) + "\n")
    (file,) = labelled.find(tmp_path)
    assert labelled.measurements(file).values.shape == (1, 300)
    marks = labelled.labels(file)
    assert marks is not None
    assert not marks.any()


def test_average_precision() -> None:
    label = np.array([0, 1, 0, 1], bool)
    assert scoring.average_precision(label, np.array([0.0, 3.0, 1.0, 2.0])) == 1.0
    assert scoring.average_precision(label, np.zeros(4)) == 0.5
    assert scoring.average_precision(label, np.array([3.0, 2.0, 1.0, 0.0])) == pytest.approx(0.5)


def test_alarms_count_from_their_onset() -> None:
    n = 400
    seconds, label = np.arange(0.0, 60.0 * n, 60.0), np.zeros(n, bool)
    label[200:210] = True

    def score(*raised: int) -> tuple[int, int, int]:
        alarm = np.zeros(n, bool)
        alarm[list(raised)] = True
        got = scoring.score(label, alarm.astype(float), alarm, seconds, 60)
        return got.alarms, got.true_alarms, got.found

    assert score(203) == (1, 1, 1)
    assert score(214) == (1, 1, 1), "five minutes late is in time"
    assert score(215) == (1, 0, 0)
    assert score(195, 203) == (1, 0, 0), "one alarm that began too early"
    assert score(100, 203) == (2, 1, 1)
    assert score(30) == (0, 0, 0), "warm-up does not count"
