"""`petrel evaluate garbage`: what is spoilt is named, what is good is not, detections stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stormpetrel.evaluate import garbage, spoil
from stormpetrel.evaluate.report import EvaluationReport


def write(folder: Path, name: str, seed: int) -> None:
    """A week of one-minute samples: a daily wave with relative noise, and one incident."""
    rng = np.random.default_rng(seed)
    n = 3000
    values = (30 + 20 * np.sin(np.arange(n) / 230)) * np.exp(rng.normal(0, 0.06, n))
    values[2500:2520] *= 4
    label = np.zeros(n, np.int8)
    label[2500:2520] = 1
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"timestamp": 1_700_000_000 + 60 * np.arange(n), "value": values, "label": label}
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> EvaluationReport:
    data = tmp_path_factory.mktemp("series")
    for number in range(12):
        write(data / "set", f"s{number:02d}", number)
    return garbage.GarbageEvaluation().run(data, data / "out")


def test_every_kind_of_garbage_is_named(report: EvaluationReport) -> None:
    assert [row[0] for row in report.rows] == list(spoil.WAYS)
    recall = {way: report.figures[f"recall_{way}"] for way in spoil.WAYS}
    assert recall.pop("rescaled") >= 0.9
    assert set(recall.values()) == {1.0}


def test_good_series_are_not_accused(report: EvaluationReport) -> None:
    assert {way: report.figures[f"named_clean_{way}"] for way in spoil.WAYS} == dict.fromkeys(spoil.WAYS, 0.0)


def test_detections_on_good_series_do_not_change(report: EvaluationReport) -> None:
    for name in ("auc_pr", "alarm_f1"):
        alone, beside = report.figures[f"{name}_alone"], report.figures[f"{name}_beside_garbage"]
        assert alone > 0.3
        assert beside == pytest.approx(alone, abs=0.01)


@pytest.mark.parametrize("way", spoil.WAYS)
def test_spoiling_keeps_times_and_spoils_something(way: str) -> None:
    times, values = np.arange(1000) * 10, np.random.default_rng(1).normal(50, 5, 1000)
    spoilt_times, spoilt = spoil.WAYS[way](times, values, np.random.default_rng(2))
    assert set(spoilt_times) == set(times)
    assert len(spoilt_times) >= len(times)
    assert not (np.array_equal(spoilt_times, times) and np.array_equal(spoilt, values, equal_nan=True))
